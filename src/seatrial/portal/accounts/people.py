"""Making accounts, giving and ending roles. Each change is recorded; nobody changes their own."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from seatrial.errors import UsageError
from seatrial.portal.accounts.models import HeldRole, User
from seatrial.portal.audit import chain
from seatrial.portal.cases.errors import NotPermittedError
from seatrial.portal.cases.states import Role
from seatrial.portal.rights import AUTHORITY, DEPARTMENT, THIRD_PARTY

__all__ = ["add", "end_role", "give_role", "invite", "set_active"]


def add(*, by: User | None, email: str, name: str, password: str | None = None, **fields: Any) -> User:
    """Make an account.

    Raises:
        UsageError: The address is taken, or the password too weak.
    """
    try:
        if password is not None:
            validate_password(password)
        with transaction.atomic():
            user = User.objects.create_user(email, password, name=name, **fields)
            chain.append("person.add", by=by, on=user, particulars={"email": user.email, "name": name})
    except ValidationError as e:
        raise UsageError(_("The password is too weak"), value="; ".join(e.messages)) from e
    except IntegrityError as e:
        raise UsageError(
            _("There is such an account, or it belongs to two organisations"), value=email, remedy=_("Choose another.")
        ) from e
    return user


def invite(user: User) -> None:
    """Write to a person how to set a password; the link is the same as for a forgotten one."""
    from django.conf import settings

    with translation.override(user.language):
        address = settings.PORTAL_URL + reverse("account_reset_password")
        text = _(
            "An account was made for you. Open this address, give your e-mail address, and you will be sent a link "
            "by which you set a password:\n\n%(address)s"
        ) % {"address": address}
        send_mail(_("Your account"), text, None, [user.email])


def give_role(user: User, role: Role, *, by: User | None) -> None:
    """Give a role.

    Raises:
        NotPermittedError: It would be one's own.
        UsageError: It would be ignored on this person's side of the table, or is held already.
    """
    _not_oneself(user, by)
    if why := _ignored(user, role):
        raise UsageError(why, value=role.value, remedy=_("Choose a role of the person's own side."))
    try:
        with transaction.atomic():
            HeldRole.objects.create(user=user, role=role.value, given_by=by)
            chain.append("role.give", by=by, on=user, particulars={"role": role.value})
    except IntegrityError as e:
        raise UsageError(_("The role is held already"), value=role.value) from e


def _ignored(user: User, role: Role) -> str:
    """Say why rights would take no notice of the role; empty when they would."""
    outside = (user.department_id, user.contractor_id, user.tester_id) != (None, None, None)
    if role in AUTHORITY and outside:
        return _("Whoever belongs to a department, a contractor or a tester has no role in the authority")
    if role in DEPARTMENT and user.department_id is None:
        return _("This role needs a department")
    if role in THIRD_PARTY and user.tester_id is None:
        return _("This role needs a testing organisation")
    if role is Role.CONTRACTOR and user.contractor_id is None:
        return _("This role needs a contractor")
    held = {held.role for held in user.held_roles.filter(ended_at=None)}
    if (role is Role.AUDITOR and held) or (role is not Role.AUDITOR and Role.AUDITOR.value in held):
        return _("An auditor holds no other role")
    return ""


def end_role(held: HeldRole, *, by: User) -> None:
    """End a role; it stays on record.

    Raises:
        NotPermittedError: It would be one's own.
    """
    _not_oneself(held.user, by)
    with transaction.atomic():
        if HeldRole.objects.filter(pk=held.pk, ended_at=None).update(ended_at=timezone.now()):
            chain.append("role.end", by=by, on=held.user, particulars={"role": held.role})


def set_active(user: User, *, active: bool, by: User) -> None:
    """Let a person sign in, or no longer; tokens of a person who may not are of no use.

    Raises:
        NotPermittedError: It would be oneself.
    """
    _not_oneself(user, by)
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(is_active=active)
        chain.append("person.open" if active else "person.close", by=by, on=user)


def _not_oneself(user: User, by: User | None) -> None:
    if by is not None and by.pk == user.pk:
        raise NotPermittedError(_("Nobody changes their own account so"), remedy=_("Ask another administrator."))
