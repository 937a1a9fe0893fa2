"""Which attempt on its seal a run was, and what became of those before, in words."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.model.attempt import KILLED, Attempt, EarlierAttempt
from seatrial.reports.texts import Say

__all__ = ["AttemptRow", "attempt_line", "attempt_rows"]


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """An earlier attempt as a row: its number, bundle, verdict, how it ended, and the digest of its evidence."""

    number: str
    bundle: str
    verdict: str
    ending: str
    evidence: str


def attempt_line(attempt: Attempt | None, say: Say) -> str:
    """Return ``Attempt 3 of this seal; attempts 1 and 2: FAIL, not ended``; empty where nothing was sealed first."""
    if attempt is None:
        return ""
    if not attempt.earlier:
        return say("attempt.first")
    *some, last = [str(one.number) for one in attempt.earlier]
    numbers = say("attempt.and", some=say("attempt.comma").join(some), last=last) if some else last
    outcomes = say("attempt.comma").join(_outcome(one, say) for one in attempt.earlier)
    key = "attempt.after_more" if some else "attempt.after_one"
    return say(key, number=str(attempt.number), earlier=numbers, outcomes=outcomes)


def attempt_rows(attempt: Attempt | None, say: Say) -> list[AttemptRow]:
    """Return a row for every earlier attempt, the first first."""
    dash = say("page.dash")
    return [
        AttemptRow(
            number=str(one.number),
            bundle=one.bundle,
            verdict=say("attempt.not_ended") if one.verdict is None else say(f"verdict.{one.verdict}"),
            ending=dash if one.ending is None else _ending(one.ending, say),
            evidence=dash if one.evidence is None else f"sha256:{one.evidence}",
        )
        for one in (attempt.earlier if attempt else ())
    ]


def _outcome(one: EarlierAttempt, say: Say) -> str:
    return say("attempt.not_ended") if one.verdict is None else say(f"verdict.{one.verdict}")


def _ending(ending: str, say: Say) -> str:
    return say("attempt.killed" if ending == KILLED else f"ending.{ending.replace(' ', '_')}")
