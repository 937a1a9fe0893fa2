"""Conflicts of interest of a testing organisation, found in the registers rather than asked of it.

Certain links are conflicts. A likeness of names is a warning: people decide whether two are the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from seatrial.model.selection import Words

__all__ = ["Cause", "Conflict", "Contract", "Organisation", "conflicts", "normal_name"]

_LOOKBACK_YEARS = 2
_FORMS = re.compile(
    r"\b(limited|ltd|company|co|incorporated|inc|corporation|corp|llp|llc|plc|group|holdings?)\b\.?|有限公司|股份|公司|集團|控股"
)
_SHORTEST_LIKENESS = 4


@dataclass(frozen=True, slots=True)
class Organisation:
    """An organisation as the registers know it.

    Attributes:
        names: All it goes by, in any language.
        registration_number: Empty where unknown.
        parent: Who owns it; empty where nobody is known to.
    """

    names: tuple[str, ...]
    registration_number: str = ""
    parent: str = ""


@dataclass(frozen=True, slots=True)
class Contract:
    """A past or present contract of the testing organisation.

    Attributes:
        party: With whom, by name.
        about: The system's number where it was about a registered system; None otherwise.
        ended_on: Last day; None while it lasts.
    """

    party: str
    about: int | None
    ended_on: date | None


class Cause(StrEnum):
    """What kind of link it is."""

    SAME = "same"
    OWNERSHIP = "ownership"
    WORK_ON_SYSTEM = "work_on_system"
    CONTRACT = "contract"
    LIKENESS = "likeness"


@dataclass(frozen=True, slots=True)
class Conflict:
    """One link.

    Attributes:
        cause: Its kind.
        is_certain: Whether it rules the organisation out; otherwise people decide, with reasons.
        words: For people.
    """

    cause: Cause
    is_certain: bool
    words: Words


def normal_name(name: str) -> str:
    """Return a name without what only spells it differently: width, case, marks, legal form."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    return re.sub(r"[\W_]+", "", _FORMS.sub(" ", plain))


def conflicts(
    tester: Organisation,
    parties: Mapping[str, Organisation],
    system: int,
    contracts: Iterable[Contract],
    today: date,
) -> tuple[Conflict, ...]:
    """Return every conflict of a testing organisation with those who have a part in a system.

    Args:
        tester: The candidate.
        parties: The department and contractors, by the name that people know them by.
        system: The system's number.
        contracts: The candidate's contracts, as far as known.
        today: The day on which it is asked; a contract counts for two years after its last day.
    """
    found: list[Conflict] = []
    for shown, party in parties.items():
        found += _with(tester, shown, party)
    for contract in contracts:
        if contract.about == system:
            found.append(_certain(Cause.WORK_ON_SYSTEM, "It had a contract about this system.", "曾就本系統訂有合約。"))
        elif _is_recent(contract, today) and _names({contract.party}) & _names(
            name for party in parties.values() for name in party.names
        ):
            en, zh = f"It has or had a contract with {contract.party}.", f"與{contract.party}訂有或曾訂有合約。"
            found.append(_certain(Cause.CONTRACT, en, zh))
    return tuple(dict.fromkeys(found))


def _with(tester: Organisation, shown: str, party: Organisation) -> list[Conflict]:
    mine, theirs = _names(tester.names), _names(party.names)
    number = tester.registration_number.strip()
    if mine & theirs or (number and number == party.registration_number.strip()):
        return [_certain(Cause.SAME, f"It is {shown}.", f"即{shown}。")]
    my_owner, their_owner = _names({tester.parent}), _names({party.parent})
    if my_owner & theirs or their_owner & mine or my_owner & their_owner:
        en, zh = f"It is linked by ownership with {shown}.", f"與{shown}有擁有權關係。"
        return [_certain(Cause.OWNERSHIP, en, zh)]
    if any(_alike(one, other) for one in mine for other in theirs):
        words = Words(en=f"Its name is like that of {shown}.", zh=f"名稱與{shown}相似。")
        return [Conflict(Cause.LIKENESS, is_certain=False, words=words)]
    return []


def _names(names: Iterable[str]) -> set[str]:
    return {normal for name in names if (normal := normal_name(name))}


def _alike(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return len(short) >= _SHORTEST_LIKENESS and short in long


def _is_recent(contract: Contract, today: date) -> bool:
    if contract.ended_on is None:
        return True
    try:
        last = contract.ended_on.replace(year=contract.ended_on.year + _LOOKBACK_YEARS)
    except ValueError:  # 29 February
        last = date(contract.ended_on.year + _LOOKBACK_YEARS, 3, 1)
    return today <= last


def _certain(cause: Cause, en: str, zh: str) -> Conflict:
    return Conflict(cause, is_certain=True, words=Words(en=en, zh=zh))
