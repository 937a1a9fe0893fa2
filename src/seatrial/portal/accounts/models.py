"""People and the roles they hold. A role is never erased: it ends."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from seatrial.portal.cases.states import Role
from seatrial.portal.cases.words import ROLES
from seatrial.portal.organisations.models import Contractor, Department, TestingOrganisation
from seatrial.portal.rights import Person

__all__ = ["HeldRole", "MachineToken", "People", "SignInFailure", "SigningKey", "User"]


class People(BaseUserManager["User"]):
    """How accounts are made and found."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Make an account; without a password it can't sign in by one."""
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> User:
        """Find by e-mail address, whatever its case."""
        return self.get(email=(username or "").lower())


class User(AbstractBaseUser):
    """An account: one person, of one organisation or of the authority.

    Attributes:
        email: Identifies the person when signing in.
        department: Whose officer; likewise ``contractor`` and ``tester``; none of them for the authority's people.
        wants_digest: Notices once a day instead of at once.
    """

    email = models.EmailField(_("e-mail address"), unique=True)
    name = models.CharField(_("name"), max_length=150)
    department = models.ForeignKey(
        Department, models.PROTECT, null=True, blank=True, related_name="people", verbose_name=_("department")
    )
    contractor = models.ForeignKey(
        Contractor, models.PROTECT, null=True, blank=True, related_name="people", verbose_name=_("contractor")
    )
    tester = models.ForeignKey(
        TestingOrganisation, models.PROTECT, null=True, blank=True, related_name="people", verbose_name=_("tester")
    )
    is_active = models.BooleanField(_("may sign in"), default=True)
    date_joined = models.DateTimeField(_("since"), default=timezone.now)
    language = models.CharField(_("language"), max_length=10, default="en")
    wants_notices = models.BooleanField(_("notices by e-mail"), default=True)
    wants_digest = models.BooleanField(_("one e-mail a day"), default=False)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]
    objects = People()

    class Meta:
        """At most one side of the table."""

        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                name="one_organisation_at_most",
                condition=models.Q(department=None, contractor=None)
                | models.Q(department=None, tester=None)
                | models.Q(contractor=None, tester=None),
            ),
        )

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        """Return the person's name."""
        return str(self)

    def person(self) -> Person:
        """Return what rights depend on; the roles are those held now, read once for this object."""
        found: Person | None = getattr(self, "_person", None)
        if found is None:
            held = HeldRole.objects.filter(user=self, ended_at=None).values_list("role", flat=True)
            roles = frozenset(Role(role) for role in held) if self.is_active else frozenset[Role]()
            found = Person(self.pk, roles, self.department_id, self.contractor_id, self.tester_id)
            self._person = found
        return found

    def holds(self, role: Role) -> bool:
        """Whether the role is held now."""
        return role in self.person().roles


class HeldRole(models.Model):
    """A role that a person holds or held."""

    user = models.ForeignKey(User, models.PROTECT, related_name="held_roles")
    role = models.CharField(max_length=40, choices=[(role.value, role.value) for role in Role])
    given_at = models.DateTimeField(default=timezone.now)
    given_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """A role is held once at a time."""

        ordering = ("role",)
        constraints = (
            models.UniqueConstraint(
                fields=("user", "role"), condition=models.Q(ended_at=None), name="role_held_once_at_a_time"
            ),
        )

    def __str__(self) -> str:
        return f"{self.user}: {self.role}"

    @property
    def label(self) -> str:
        """What people call the role, in the reader's language."""
        return str(ROLES[Role(self.role)])


class SigningKey(models.Model):
    """A key with which a person signs: it says whose a signature is; the trust file says what it is worth.

    Attributes:
        fingerprint: SHA-256 of the public key's DER form, in hexadecimal.
        ended_at: Since when signatures by it are no longer this person's.
    """

    user = models.ForeignKey(User, models.PROTECT, related_name="signing_keys")
    fingerprint = models.CharField(max_length=64)
    name = models.CharField(_("name"), max_length=150)
    registered_at = models.DateTimeField(default=timezone.now)
    registered_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """A key is one person's at a time."""

        ordering = ("-pk",)
        constraints = (
            models.UniqueConstraint(
                fields=("fingerprint",), condition=models.Q(ended_at=None), name="a_key_is_one_persons"
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.fingerprint[:12]})"


class MachineToken(models.Model):
    """What a program shows instead of a password. It has the rights of its person, within its scopes.

    Attributes:
        prefix: The first characters of the secret, so that people can tell tokens apart.
        sha256: Of the secret; the secret itself is shown once and kept nowhere.
        scopes: What it is good for: values of :class:`~seatrial.portal.accounts.tokens.Scope`.
    """

    user = models.ForeignKey(User, models.PROTECT, related_name="tokens")
    name = models.CharField(_("name"), max_length=100)
    prefix = models.CharField(max_length=12)
    sha256 = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField()
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """The latest first."""

        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class SignInFailure(models.Model):
    """A failed attempt to sign in.

    Attributes:
        account: What was given as e-mail address, in lower case, whether there is such an account or not.
        address: Where it came from.
    """

    account = models.CharField(max_length=254)
    address = models.CharField(max_length=64)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        """Counted by account and by address within a time."""

        ordering = ("-pk",)
        indexes = (
            models.Index(fields=("account", "at"), name="failure_of_account"),
            models.Index(fields=("address", "at"), name="failure_of_address"),
        )

    def __str__(self) -> str:
        return self.account
