"""The switches of the service: its opening, and the faults that it can be told to show.

Each has a name, a strict kind and a range; an unknown name or a value out of range is refused, never guessed at.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from seatrial.sandbox.problems import SandboxError

__all__ = ["SWITCHES", "Freeze", "Switch", "Value", "parse_assignments", "parse_switches"]


@dataclass(frozen=True, slots=True)
class Freeze:
    """A time in which something is gone: it starts ``after_s`` and lasts ``for_s`` seconds; 0 and 0 is never."""

    after_s: float
    for_s: float

    def __str__(self) -> str:
        return f"{self.after_s:g}:{self.for_s:g}"


Value = float | int | bool | Freeze


@dataclass(frozen=True, slots=True)
class Switch:
    """One switch: its kind, its range (inclusive) and what it does.

    Attributes:
        kind: ``number``, ``count`` (a whole number), ``flag`` (on or off) or ``freeze`` (AFTER:FOR in seconds).
        most: The largest value; the smallest is always 0, which means off.
        meaning: What a value other than 0 does.
    """

    kind: str
    most: float
    meaning: str


SWITCHES: Mapping[str, Switch] = {
    "opens_in_s": Switch("number", 86_400, "seconds until the service opens; the displayed time is 07:00"),
    "latency_ms": Switch("number", 60_000, "milliseconds added to each answer, outside the service's own work"),
    "latency_growth": Switch("number", 60_000, "milliseconds by which each answer is later for every minute from now"),
    "freeze": Switch("freeze", 3_600, "AFTER:FOR - nothing is answered for FOR seconds, AFTER seconds from now"),
    "outage": Switch("freeze", 3_600, "AFTER:FOR - the database can't be reached for FOR seconds, as in a restart"),
    "desks": Switch("count", 10_000, "requests worked on at one time, in place of the release's own number"),
    "shared_ms": Switch("number", 60_000, "milliseconds of each request's work that only one desk can do at a time"),
    "sticky_overload": Switch(
        "number", 1_000, "times as long that work takes for whoever waited 0.3 s: overload stays"
    ),
    "error_rate": Switch("number", 1, "share of requests answered with 500"),
    "refuse_connections": Switch("number", 1, "share of new connections reset before a byte is read"),
    "close_early": Switch("number", 1, "share of requests whose connection is closed without an answer"),
    "drip": Switch("number", 600, "seconds over which each body is spread, in ten pieces"),
    "leak_mb_per_request": Switch("number", 64, "memory kept for ever by each request, in MB, up to 1,024 MB"),
    "slow_growth": Switch("number", 60_000, "milliseconds of work added for each 1,000 bookings made so far"),
    "double_sell": Switch("flag", 1, "courts are held and sold without looking whether they are taken"),
    "garbage": Switch("number", 1, "share of answers that are not HTTP"),
    "wrong_length": Switch("number", 1, "share of answers that end before their Content-Length"),
    "crash_after": Switch("count", 1_000_000_000, "requests answered before the next one kills the process"),
}


def _remedy(name: str, switch: Switch) -> str:
    if switch.kind == "flag":
        return "Use on or off."
    if switch.kind == "freeze":
        return f"Use AFTER:FOR in seconds, each from 0 to {switch.most:g}, for example {name}=10:3."
    whole = "a whole number" if switch.kind == "count" else "a number"
    return f"Use {whole} from 0 to {switch.most:.0f}."


def _number(raw: object, most: float) -> float | None:
    """Return ``raw`` as a finite number from 0 to ``most``, or None when it is not one."""
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        return None
    try:
        value = float(raw)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) and 0 <= value <= most else None


def _parse(name: str, raw: object) -> Value:
    switch = SWITCHES[name]
    value: Value | None = None
    if switch.kind == "flag":
        value = raw if isinstance(raw, bool) else {"on": True, "off": False}.get(str(raw))
    elif switch.kind == "freeze":
        parts = [_number(part, switch.most) for part in raw.split(":")] if isinstance(raw, str) else []
        if len(parts) == 2 and parts[0] is not None and parts[1] is not None:
            value = Freeze(parts[0], parts[1])
    else:
        value = _number(raw, switch.most)
        if switch.kind == "count" and value is not None:
            value = int(value) if value == int(value) else None
    if value is None:
        raise SandboxError(f"switch {name} has a value it can't take", value=repr(raw), remedy=_remedy(name, switch))
    return value


def parse_switches(raw: Mapping[str, object]) -> dict[str, Value]:
    """Return the switches in ``raw`` (from JSON or from text) as checked values.

    Raises:
        SandboxError: a name is not a switch, or a value is not of its kind or out of its range.
    """
    for name in raw:
        if name not in SWITCHES:
            raise SandboxError("there is no such switch", value=name, remedy=f"Use one of {', '.join(SWITCHES)}.")
    return {name: _parse(name, value) for name, value in raw.items()}


def parse_assignments(assignments: list[str]) -> dict[str, Value]:
    """Return the switches written as ``name=value``, as on the command line.

    Raises:
        SandboxError: one is not an assignment, a name comes twice, or :func:`parse_switches` refuses it.
    """
    raw: dict[str, object] = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise SandboxError("a switch is not written as name=value", value=text, remedy="Use error_rate=0.1.")
        if name in raw:
            raise SandboxError("a switch is given twice", value=name, remedy="Give it once.")
        raw[name] = value
    return parse_switches(raw)
