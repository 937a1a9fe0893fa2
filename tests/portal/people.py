"""A small world for the portal's tests: departments, a tester, one person of each role, and cases in any state."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from allauth.mfa.models import Authenticator
from django.utils import timezone

from seatrial.portal import rights
from seatrial.portal.accounts.models import HeldRole, User
from seatrial.portal.cases.models import Case
from seatrial.portal.cases.states import Role, State
from seatrial.portal.organisations.models import Contractor, Department, TestingOrganisation
from seatrial.portal.registry.models import System

__all__ = ["PASSWORD", "World", "make_world"]

PASSWORD = "correct horse battery staple"
_HASHED: list[str] = []


@dataclass
class World:
    """Everybody and everything.

    Attributes:
        people: One account for each role, by role; those of the department are of ``department``.
        foreign: The same roles of a department, a contractor and a tester that have nothing to do with the case.
    """

    department: Department
    other_department: Department
    contractor: Contractor
    tester: TestingOrganisation
    other_tester: TestingOrganisation
    people: dict[Role, User] = field(default_factory=dict)
    foreign: dict[Role, User] = field(default_factory=dict)

    def case(self, state: State = State.DRAFT, **fields: Any) -> Case:
        """Make a case of the department that stands in a state, whatever led there."""
        number = System.objects.count() + 1
        system = System.objects.create(
            department=fields.pop("department", self.department),
            contractor=self.contractor,
            name_en=f"Court booking {number}",
            name_zh=f"場地預訂 {number}",
            purpose="People book courts.",
        )
        early = {State.DRAFT, State.REGISTERED, State.SCREENING, State.NOT_SELECTED, State.SELECTED, State.ARRANGING}
        fields.setdefault("tester", None if state in early else self.tester)
        fields.setdefault("opens_at", timezone.now() + timedelta(days=60))
        return Case.objects.create(
            system=system, state=state.value, created_by=self.people[Role.PROJECT_OFFICER], **fields
        )


def _person(role: Role, name: str, **sides: Any) -> User:
    user = User(email=f"{role.value}.{name}@example.test".replace("_", "-"), name=f"{role.value} {name}", **sides)
    if not _HASHED:
        user.set_password(PASSWORD)  # scrypt is slow on purpose: once is enough for all
        _HASHED.append(user.password)
    user.password = _HASHED[0]
    user.save()
    HeldRole.objects.create(user=user, role=role.value)
    # Everybody has a second factor set up; force_login() then leads straight to the pages.
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": ""})
    return user


def make_world() -> World:
    """Make the world in the database."""
    world = World(
        Department.objects.create(name_en="Leisure Department", name_zh="康樂署", short_name="LD"),
        Department.objects.create(name_en="Transport Department", name_zh="交通署", short_name="TD"),
        Contractor.objects.create(name_en="Harbour Software", name_zh="海港軟件", registration_number="100"),
        TestingOrganisation.objects.create(name_en="Plumb Line", name_zh="鉛垂測試", registration_number="200"),
        TestingOrganisation.objects.create(name_en="Spirit Level", name_zh="水平儀", registration_number="300"),
    )
    other_contractor = Contractor.objects.create(name_en="Peak Systems", name_zh="山頂系統", registration_number="101")
    for role in Role:
        mine: dict[str, Any] = {}
        theirs: dict[str, Any] = {}
        if role in rights.DEPARTMENT:
            mine, theirs = {"department": world.department}, {"department": world.other_department}
        elif role in rights.THIRD_PARTY:
            mine, theirs = {"tester": world.tester}, {"tester": world.other_tester}
        elif role is Role.CONTRACTOR:
            mine, theirs = {"contractor": world.contractor}, {"contractor": other_contractor}
        world.people[role] = _person(role, "one", **mine)
        world.foreign[role] = _person(role, "two", **theirs)
    return world
