"""How many holders of a role must sign: the ``thresholds`` of a trust file, n of m.

    "thresholds": {"confirming-officer": 2}

A role that is not named needs one. The number is never below 1, and never above the holders that the file has for the
role: a number that can't be reached would shut every gate without saying why. Two keys of one holder are one holder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from seatrial.errors import KeyFileError

__all__ = ["merge_thresholds", "parse_thresholds", "refuse_unreachable"]

_REMEDY = "Write thresholds as {role: number}, at least 1 and at most the holders of that role in the file."


def parse_thresholds(value: object) -> dict[str, int]:
    """Read the field ``thresholds`` of a trust file; whether they can be reached is asked with the keys.

    Raises:
        KeyFileError: No object, empty, or a number that is no whole number.
    """
    if not isinstance(value, dict) or not value:
        raise KeyFileError("the thresholds are empty or no object", value=repr(value), remedy=_REMEDY)
    for role, number in value.items():
        if type(number) is not int:
            raise KeyFileError(f"the threshold of {role} is no whole number", value=repr(number), remedy=_REMEDY)
    return dict(value)


def refuse_unreachable(thresholds: Mapping[str, int], keys: Iterable[tuple[str, str]]) -> None:
    """Refuse a number below 1 or above the distinct holders of its role.

    Args:
        thresholds: Number by role.
        keys: (role, holder) of each key.

    Raises:
        KeyFileError: Names the role.
    """
    holders: dict[str, set[str]] = {}
    for role, holder in keys:
        holders.setdefault(role, set()).add(holder)
    for role, number in thresholds.items():
        there = len(holders.get(role, ()))
        if not 1 <= number <= there:
            raise KeyFileError(
                f"the threshold of {role} is not from 1 to the {there} holders of that role",
                value=number,
                remedy=_REMEDY,
            )


def merge_thresholds(left: Mapping[str, int], right: Mapping[str, int]) -> dict[str, int]:
    """Return the thresholds of both files.

    Raises:
        KeyFileError: They state two numbers for one role.
    """
    for role in left.keys() & right.keys():
        if left[role] != right[role]:
            raise KeyFileError(
                f"two trust files state two thresholds for {role}",
                value=f"{left[role]} and {right[role]}",
                remedy="Agree on one.",
            )
    return {**left, **right}
