"""When a confirmation is void: the policy's rules, each a reason of its own.

    drill               the contingency drill that it rests on is more than 90 days old
    window              it is meant for an event that is not now
    conditions          a condition is overdue, and no trusted facts say that it was met before it was due
    forecast            the forecast is more than 10 % above the tested peak
    dependency limits   their document is not the one that is bound
    incident            a severe incident happened since it was issued
    independence        a declaration of independence proved false
    evidence            the evidence as it is kept has another digest than the one that is bound

A changed subject is the gate's own step, and so are expiry and revocation. Facts that are not trusted only add
reasons. A fact that is bound and not known is a reason too: what can't be checked does not count as right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from seatrial.clock import to_rfc3339
from seatrial.confirmation.facts import Facts, GivenFacts, Severity
from seatrial.confirmation.statement import Confirmation
from seatrial.errors import SeatrialError

__all__ = ["RULES", "evidence_reasons", "rests_on", "void_reasons"]


@dataclass(frozen=True, slots=True)
class _Case:
    confirmed: Confirmation
    facts: Facts | None
    trusted: bool
    now: datetime


def void_reasons(confirmed: Confirmation, given: GivenFacts | None, now: datetime) -> list[str]:
    """Say everything that makes a confirmation void now; empty when nothing is known to.

    Args:
        confirmed: The confirmation, verified.
        given: The facts; None when none were given.
        now: The current time, with a zone.
    """
    case = _Case(confirmed, given.facts if given else None, given.trusted if given else False, now)
    reasons = list(given.problems) if given else []
    for rule in RULES:
        reasons += rule(case)
    return reasons


def rests_on(confirmed: Confirmation, given: GivenFacts | None) -> list[str]:
    """Say, for an ALLOW, how its conditions stand and what it knows of the facts."""
    closed = _closed(given.facts, trusted=given.trusted) if given else {}
    found = [
        f"condition {c.id} was met at {to_rfc3339(closed[c.id])}: {c.text}"
        if c.id in closed
        else f"condition {c.id} is due at {to_rfc3339(c.due)}: {c.text}"
        for c in confirmed.conditions
    ]
    if given is None or given.facts is None:
        return [*found, "no facts were given: forecast, incidents and declarations were not looked at"]
    whose = "signed by a case officer" if given.trusted else "not signed"
    return [*found, f"the facts of {to_rfc3339(given.facts.as_of)}, {whose}, do not void it"]


def _closed(facts: Facts | None, *, trusted: bool) -> dict[str, datetime]:
    """Return when each condition was met; none where no case officer says so."""
    return {c.id: c.closed_at for c in facts.closed} if facts and trusted else {}


def _drill(case: _Case) -> Iterator[str]:
    until = case.confirmed.void_when.drill_valid_until
    if until is not None and case.now >= until:
        yield f"the contingency drill counted until {to_rfc3339(until)}"


def _window(case: _Case) -> Iterator[str]:
    window = case.confirmed.void_when.window
    if window is not None and not window[0] <= case.now < window[1]:
        yield f"it is confirmed for the window from {to_rfc3339(window[0])} until {to_rfc3339(window[1])}, not for now"


def _conditions(case: _Case) -> Iterator[str]:
    closed = _closed(case.facts, trusted=case.trusted)
    for condition in case.confirmed.conditions:
        at = closed.get(condition.id)
        if at is not None and at < case.confirmed.issued_at:
            yield f"condition {condition.id} is said to be met at {to_rfc3339(at)}, before it was set"
        elif at is not None and at >= condition.due:
            yield (
                f"condition {condition.id} was met at {to_rfc3339(at)}, when it was overdue since "
                f"{to_rfc3339(condition.due)}: the confirmation was void by then"
            )
        elif at is None and case.now >= condition.due:
            yield f"condition {condition.id} is overdue since {to_rfc3339(condition.due)}: {condition.text}"


def _forecast(case: _Case) -> Iterator[str]:
    highest = case.confirmed.void_when.forecast_above_per_s
    if case.facts is None:
        return
    if case.facts.forecast_peak_per_s is None:
        yield "the facts do not state the forecast, which is bound"
    elif case.facts.forecast_peak_per_s > highest:
        yield (
            f"the forecast is {case.facts.forecast_peak_per_s:g} journeys per second; "
            f"{case.confirmed.tested_peak_per_s:g} were tested, which carries {highest:g}"
        )


def _dependency_limits(case: _Case) -> Iterator[str]:
    bound = case.confirmed.void_when.dependency_limits_digest
    if bound is None:
        return
    stated = case.facts.dependency_limits_digest if case.facts else None
    if stated is not None and stated != bound:
        yield f"the dependency limits changed: bound sha256:{bound}, in force sha256:{stated}"
    elif case.facts is None:
        yield "the dependency limits are bound and could not be checked: no facts were given, or none that can be read"
    elif stated is None:
        yield "the facts do not state the dependency limits, which are bound"
    elif not case.trusted:
        yield "the dependency limits are bound and could not be checked: no case officer's word says what they are"


def _incidents(case: _Case) -> Iterator[str]:
    for incident in case.facts.incidents if case.facts else ():
        if incident.severity is Severity.SEVERE and incident.at >= case.confirmed.issued_at:
            yield f"a severe incident happened at {to_rfc3339(incident.at)}: {incident.text}"


def _independence(case: _Case) -> Iterator[str]:
    for false in case.facts.false_declarations if case.facts else ():
        proved = to_rfc3339(false.proved_false_at)
        yield f"the declaration of independence {false.declaration} proved false at {proved}: {false.text}"


def _evidence(case: _Case) -> Iterator[str]:
    kept = case.facts.evidence_digest if case.facts else None
    if kept is not None and kept != case.confirmed.evidence_digest:
        yield f"the evidence differs: bound sha256:{case.confirmed.evidence_digest}, kept sha256:{kept}"


RULES: tuple[Callable[[_Case], Iterator[str]], ...] = (
    _drill,
    _window,
    _conditions,
    _forecast,
    _dependency_limits,
    _incidents,
    _independence,
    _evidence,
)
"""Each gives a sentence for everything that it finds."""


def evidence_reasons(path: Path, bound_digest: str) -> list[str]:
    """Say what is wrong with the evidence itself; empty when it is all there and is the one that is bound.

    Args:
        path: The bundle, as a directory or packed.
        bound_digest: The evidence digest in the confirmation.

    Returns:
        Never raises for what lies at ``path``: what can't be read is a reason.
    """
    # Only whoever gives evidence waits for what reads it.
    from seatrial.evidence.bundle import open_bundle, read_part
    from seatrial.evidence.canonical import sha256_hex
    from seatrial.evidence.manifest import MANIFEST, check_directory, parse_manifest

    try:
        with open_bundle(path.resolve()) as directory:
            manifest = read_part(directory, MANIFEST)
            kept = sha256_hex(manifest)
            if kept != bound_digest:
                return [f"the evidence differs: bound sha256:{bound_digest}, kept sha256:{kept}"]
            differences = check_directory(directory, parse_manifest(manifest))
            return [f"the evidence was changed: {difference.sentence}" for difference in differences]
    except (SeatrialError, OSError, RuntimeError, ValueError) as e:
        return [f"the evidence can't be read: {e}"]
