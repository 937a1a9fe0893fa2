"""One simulated trial through the judge."""

from __future__ import annotations

from tests.truth.harness import Letters
from tests.verdict.made import DIGEST, Made

from seatrial.model.verdict import TrialVerdict, Verdict
from seatrial.verdict.judge import judge

LETTER = {Verdict.PASS: "P", Verdict.FAIL: "F", Verdict.INCONCLUSIVE: "I", Verdict.INVALID: "X"}
APART = 7919
"""Seeds of trials lie so far apart that no two of their stages draw the same numbers."""


def judged(made: Made) -> TrialVerdict:
    """Return the judge's verdict on the one trial of a plan."""
    return judge(made.plan, DIGEST, made.policy, [made.data]).trials[0]


def letters_of(verdict: TrialVerdict, questions: tuple[str, ...]) -> Letters:
    """Return the verdict on each limit, in the plan's order; INVALID is INVALID for all."""
    if verdict.verdict is Verdict.INVALID:
        return dict.fromkeys(questions, "X")
    return {name: LETTER[o.verdict] for name, o in zip(questions, verdict.objectives, strict=True)}


def yes(holds: bool) -> str:
    """Return the letter of yes or no."""
    return "+" if holds else "-"
