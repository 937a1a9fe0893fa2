"""The rows of a comparison, as they stand on the terminal and in the page: text in cells, no layout."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.model.comparison import Beside, ComparedFigure, ComparedPart, Comparison
from seatrial.reports.texts import Say
from seatrial.units import format_number, format_share
from seatrial.verdict.compare_words import beside_figure, effect_bounds, effect_text, figure_text, p_text

__all__ = ["BesideRow", "FigureRow", "beside_rows", "figure_rows", "part_name"]

_ORDER = {"worse": 0, "undecided": 1, "better": 2, "not_worse": 3, "equal": 4}


@dataclass(frozen=True, slots=True)
class FigureRow:
    """One figure of one part.

    Attributes:
        place: Trial and load.
        step: Journey and step.
        what: ``p95``, or the word for errors.
        old: In the old round.
        new: In the new one.
        change: With its sign or factor.
        interval: Of the change.
        p: Corrected p value.
        superiority: Of the part, with its interval.
        goodput: Of the part, old and new.
        state: ``worse``, ``better``, ``equal``, ``not_worse`` or ``undecided``.
        result: The same in words.
    """

    place: str
    step: str
    what: str
    old: str
    new: str
    change: str
    interval: str
    p: str
    superiority: str
    goodput: str
    state: str
    result: str


@dataclass(frozen=True, slots=True)
class BesideRow:
    """One figure that stands side by side: trial, what it is, both rounds, and the result as state and in words."""

    trial: str
    what: str
    old: str
    new: str
    state: str
    result: str


def part_name(part: ComparedPart, say: Say) -> str:
    """Return the name of a part's step for people."""
    return say("compare.all_steps") if part.step is None else f"{part.journey} / {part.step}"


def figure_rows(comparison: Comparison, say: Say) -> list[FigureRow]:
    """Return every figure, the worst first."""
    rows = [_row(part, one, say) for part in comparison.parts for one in part.figures]
    return sorted(rows, key=lambda row: _ORDER[row.state])


def beside_rows(comparison: Comparison, say: Say) -> list[BesideRow]:
    """Return what stands side by side, in the order of the trials."""
    return [_beside(one, say) for one in comparison.beside]


def _row(part: ComparedPart, one: ComparedFigure, say: Say) -> FigureRow:
    state = "not_worse" if one.change == "undecided" and one.ruled_out else one.change
    at = one.effect.estimate if one.effect.estimate is not None else one.effect.lower
    known = at is not None
    more = "" if one.effect.estimate is not None else "≥ "
    by = part.superiority
    chance = "–" if by.estimate is None else format_share(round(by.estimate, 3))
    if by.lower is not None and by.upper is not None:
        chance += f" ({format_share(round(by.lower, 3))} – {format_share(round(by.upper, 3))})"
    return FigureRow(
        place=f"{part.trial}, {part.level}",
        step=part_name(part, say),
        what=say("compare.errors") if one.kind == "difference" else one.what,
        old=figure_text(one, one.old),
        new=figure_text(one, one.new),
        change=f"{more}{effect_text(one.kind, at)}" if known else say("page.dash"),
        interval=effect_bounds(one),
        p=p_text(one.adjusted),
        superiority=chance,
        goodput=f"{format_number(part.goodput_old)}/s → {format_number(part.goodput_new)}/s",
        state=state,
        result=say(f"compare.{state}"),
    )


def _beside(one: Beside, say: Say) -> BesideRow:
    what = say("compare.capacity") if one.what == "capacity" else say(f"compare.{one.what}", name=one.name)
    key = "beside_undecided" if one.change == "undecided" else one.change
    old, new = beside_figure(one, one.old), beside_figure(one, one.new)
    return BesideRow(one.trial, what, old, new, one.change, say(f"compare.{key}"))
