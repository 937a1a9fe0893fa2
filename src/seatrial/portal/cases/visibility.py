"""Which cases a person may see, as a query: :func:`seatrial.portal.rights.allowed` said for the database.

A test holds the two together over every role, side and state.
"""

from __future__ import annotations

from django.db.models import Q, QuerySet

from seatrial.portal.cases.models import Case
from seatrial.portal.cases.states import BEFORE_REGISTRATION, Role
from seatrial.portal.rights import AUTHORITY, DEPARTMENT, THIRD_PARTY, Person

__all__ = ["cases_visible_to"]


def cases_visible_to(person: Person) -> QuerySet[Case]:
    """Return the cases that the person may view; none for people of no role in any."""
    everything = Case.objects.select_related("system__department", "system__contractor", "tester", "release")
    if Role.AUDITOR in person.roles:
        return everything
    seen = Q(pk__in=())
    registered = ~Q(state__in=[state.value for state in BEFORE_REGISTRATION])
    if person.department is not None and person.roles & DEPARTMENT:
        seen |= Q(system__department=person.department)
    if person.tester is not None and person.roles & THIRD_PARTY:
        seen |= Q(tester=person.tester) & registered
    if (person.department, person.contractor, person.tester) == (None, None, None) and person.roles & AUTHORITY:
        seen |= registered
    return everything.filter(seen)
