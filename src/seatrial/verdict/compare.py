"""This round against the last: what got worse, by how much, and whether chance would do as much.

A pure function of the evidence of two runs. In this order:

1. Evidence that is INVALID is no basis: the comparison is INVALID, and says which round it was.
2. Trials are matched by name and kind, levels by the load that was offered, steps by journey and label. What only one
   round has is named; a level at another load is another level. Stages at the same load count together.
3. Of each level, for all its steps together (where both plans mix them alike) and for each step: p50, p95 and p99 of
   response time by their ratio, the share of errors by its difference (:mod:`seatrial.stats.contrast`), with Holm's
   correction over all of them. Levels of a search that the old round did not hold promise nothing, and are left out.
4. Capacities, times to recover and drifts stand side by side (:mod:`seatrial.verdict.compare_beside`).

FAIL: something is worse, significantly and beyond the smallest change that matters. INCONCLUSIVE: nothing is, but the
worse end of some interval lies beyond it, or the new round has no records of what the old one showed. PASS: every
interval excludes a worsening that matters. Each of these intervals must exclude it, so that none needs a correction
(Berger, *Technometrics* 24 (1982): intersection-union test).

How much longer: bounds close in with 1/sqrt(n) (:mod:`seatrial.stats.longer`); where no error was seen on either side,
with 1/n. Of a change that looks worse it is asked when that would be significant after the correction, of any other
when a worsening that matters would be excluded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from scipy.special import ndtri

from seatrial.model.comparison import Beside, ComparedFigure, ComparedPart, Comparison
from seatrial.model.verdict import Bounded, Reason, Verdict
from seatrial.stats.contrast import Change, Contrast, Judged, Smallest, contrasts, judge, superiority
from seatrial.stats.longer import HOPELESS, longer_for_mean
from seatrial.verdict.compare_beside import beside
from seatrial.verdict.compare_levels import Level, OfTrial, Round, Seen, Step, run_of, trials_of
from seatrial.verdict.compare_plans import plan_differences
from seatrial.verdict.compare_words import beside_reason, figure_reason, names, not_worse, undecided_reasons

__all__ = ["Round", "compare", "refused"]

_ORDER = {"worse": 0, "undecided": 1, "better": 2, "equal": 3}


@dataclass(slots=True)
class _Pair:
    """A part in both rounds, before all figures together are judged."""

    trial: str
    level: str
    step: Step | None
    records: tuple[int, int]
    goodput: tuple[float, float]
    superiority: Bounded
    contrasts: tuple[Contrast, ...]


@dataclass(slots=True)
class _Matched:
    pairs: list[_Pair] = field(default_factory=list)
    beside: list[Beside] = field(default_factory=list)
    only_old: list[str] = field(default_factory=list)
    only_new: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def compare(old: Round, new: Round, smallest: Smallest | None = None) -> Comparison:
    """Return this round against the last.

    Args:
        old: The last round.
        new: This one.
        smallest: The smallest change that matters; a ratio of 1.05 and 0.1 percentage points where it is left out.
    """
    smallest = smallest or Smallest()
    if invalid := [*_invalid(old, "comparison.old_invalid"), *_invalid(new, "comparison.new_invalid")]:
        return refused(invalid, smallest)
    confidence = max(old.policy.validity.confidence, new.policy.validity.confidence)
    found = _match(old, new, confidence)
    differences = plan_differences(old, new)
    said = [Reason(code="comparison.other_plan", params=names(d.where for d in differences))] if differences else []
    if found.only_new:
        said.append(Reason(code="comparison.only_new", params=names(found.only_new)))
    if found.left_out:
        said.append(Reason(code="comparison.left_out", params=names(found.left_out)))
    parts = _parts(found.pairs, confidence, smallest)
    if not parts and not found.beside:
        verdict, reasons = Verdict.INVALID, [Reason(code="comparison.nothing_common")]
    else:
        verdict, reasons = _verdict(parts, found, smallest)
    return Comparison(
        verdict=verdict,
        reasons=(*reasons, *said),
        confidence=confidence,
        smallest_ratio=smallest.ratio,
        smallest_points=smallest.points,
        parts=parts,
        beside=tuple(found.beside),
        differences=differences,
        only_old=tuple(found.only_old),
        only_new=tuple(found.only_new),
        left_out=tuple(found.left_out),
    )


def refused(reasons: Sequence[Reason], smallest: Smallest) -> Comparison:
    """Return the comparison of evidence that is no basis for one.

    Args:
        reasons: Why; at least one.
        smallest: The smallest change that would have mattered.
    """
    return Comparison(
        verdict=Verdict.INVALID,
        reasons=tuple(reasons),
        confidence=None,
        smallest_ratio=smallest.ratio,
        smallest_points=smallest.points,
    )


def _invalid(one: Round, code: str) -> list[Reason]:
    if one.verdict.verdict is not Verdict.INVALID:
        return []
    torn = [trial.name for trial in one.verdict.trials if trial.verdict is Verdict.INVALID]
    return [Reason(code=code, params=names(torn))]


def _match(old: Round, new: Round, confidence: float) -> _Matched:
    found, before, after = _Matched(), trials_of(old), trials_of(new)
    found.only_old += [name for name, kind in before if (name, kind) not in after]
    found.only_new += [name for name, kind in after if (name, kind) not in before]
    for key, trial in before.items():
        if key in after:
            _trial(trial, after[key], confidence, found)
    found.only_old, found.only_new = list(dict.fromkeys(found.only_old)), list(dict.fromkeys(found.only_new))
    return found


def _trial(old: OfTrial, new: OfTrial, confidence: float, found: _Matched) -> None:
    name = old.verdict.name
    found.beside += beside(old.verdict, new.verdict)
    common = [load for load in old.levels if load in new.levels]
    # Which levels a search offers is its own affair; where none is common, the trial was not repeated.
    lone_old, lone_new = (found.left_out,) * 2 if old.searches and common else (found.only_old, found.only_new)
    lone_old += [f"{name}, {level.name}" for load, level in old.levels.items() if load not in new.levels]
    lone_new += [f"{name}, {level.name}" for load, level in new.levels.items() if load not in old.levels]
    for load in common:
        if old.searches and old.levels[load].broke:
            found.left_out.append(f"{name}, {old.levels[load].name}")
        else:
            _level(old, new, (old.levels[load], new.levels[load]), confidence, found)


def _level(old: OfTrial, new: OfTrial, levels: tuple[Level, Level], confidence: float, found: _Matched) -> None:
    before, after = old.seen(levels[0]), new.seen(levels[1])
    trial, level = old.verdict.name, levels[0].name
    steps = list(dict.fromkeys([*before.places, *after.places]))
    if len(steps) > 1 and old.mix == new.mix:
        found.pairs.append(_pair(trial, level, None, before, after, confidence))
    for step in steps:
        pair = _pair(trial, level, step, before, after, confidence)
        if all(pair.records):
            found.pairs.append(pair)
        elif any(pair.records):
            (found.only_old if pair.records[0] else found.only_new).append(f"{trial}, {step[0]}, {step[1]}")


def _pair(trial: str, level: str, step: Step | None, old: Seen, new: Seen, confidence: float) -> _Pair:
    before, after = old.of(step), new.of(step)
    records = (len(before), len(after))
    goodput = (int(before.ok.sum()) / old.seconds, int(after.ok.sum()) / new.seconds)
    if not all(records):
        return _Pair(trial, level, step, records, goodput, Bounded(estimate=None, lower=None, upper=None), ())
    runs = run_of(before), run_of(after)
    return _Pair(
        trial, level, step, records, goodput, superiority(*runs, confidence), contrasts(runs[0], runs[1], confidence)
    )


def _parts(pairs: Sequence[_Pair], confidence: float, smallest: Smallest) -> tuple[ComparedPart, ...]:
    every = [one for pair in pairs for one in pair.contrasts]
    judged = iter(judge(every, confidence, smallest))
    strict = _stricter(len(every), confidence)
    parts = [
        ComparedPart(
            trial=pair.trial,
            level=pair.level,
            journey=pair.step[0] if pair.step else None,
            step=pair.step[1] if pair.step else None,
            records_old=pair.records[0],
            records_new=pair.records[1],
            goodput_old=pair.goodput[0],
            goodput_new=pair.goodput[1],
            superiority=pair.superiority,
            figures=tuple(_figure(next(judged), smallest, strict) for _ in pair.contrasts),
        )
        for pair in pairs
    ]
    return tuple(sorted(parts, key=lambda part: min((_rank(one, smallest) for one in part.figures), default=(9, 0.0))))


def _rank(one: ComparedFigure, smallest: Smallest) -> tuple[int, float]:
    """Return what worst figures have least of: worse first, then by how far the estimate is beyond what matters."""
    rank = _ORDER[one.change] if one.change != "undecided" or not one.ruled_out else _ORDER["equal"]
    at = one.effect.estimate if one.effect.estimate is not None else one.effect.lower
    if at is None:
        return rank, -math.inf
    if one.kind == "difference":
        return rank, -at / smallest.points
    return rank, -math.log(at) / math.log(smallest.ratio) if at > 0 else math.inf


def _stricter(figures: int, confidence: float) -> float:
    """Return how many times as wide an interval is that is significant among so many figures, at the worst."""
    alpha = (1 - confidence) / 2
    return float(ndtri(1 - alpha / max(figures, 1)) / ndtri(1 - alpha))


def _figure(judged: Judged, smallest: Smallest, strict: float) -> ComparedFigure:
    one = judged.contrast
    matters = smallest.ratio if one.kind == "ratio" else smallest.points
    ruled_out = one.effect.upper is not None and one.effect.upper <= matters
    open_ = judged.change is not Change.WORSE and not ruled_out
    return ComparedFigure(
        what=one.what,
        kind=one.kind,
        old=one.old,
        new=one.new,
        effect=one.effect,
        p_value=one.p_value,
        adjusted=judged.adjusted,
        change=judged.change.value,
        ruled_out=ruled_out,
        longer=_longer(one, matters, strict) if open_ else None,
    )


def _longer(one: Contrast, matters: float, strict: float) -> float | None:
    effect = one.effect
    if effect.estimate is None or effect.lower is None or effect.upper is None:
        return None
    if one.kind == "difference" and one.old == one.new == 0:
        times = effect.upper / matters
        return max(1.1, math.ceil(times * 10) / 10) if times < HOPELESS else None
    at, lower, upper, limit = effect.estimate, effect.lower, effect.upper, matters
    if one.kind == "ratio":
        if min(at, lower) <= 0:
            return None
        at, lower, upper, limit = math.log(at), math.log(lower), math.log(upper), math.log(limit)
    return longer_for_mean((at - lower) * strict, at) if at > limit else longer_for_mean(upper - at, limit - at)


def _verdict(parts: Sequence[ComparedPart], found: _Matched, smallest: Smallest) -> tuple[Verdict, list[Reason]]:
    figures = sorted(((part, one) for part in parts for one in part.figures), key=lambda pair: _rank(pair[1], smallest))
    worse = [figure_reason(part, one) for part, one in figures if one.change == "worse"]
    worse += [beside_reason(one) for one in found.beside if one.change == "worse"]
    undecided = [(part, one) for part, one in figures if one.change != "worse" and not one.ruled_out]
    reasons = [*worse, *undecided_reasons(undecided, smallest)]
    if found.only_old:
        reasons.append(Reason(code="comparison.only_old", params=names(found.only_old)))
    if worse:
        return Verdict.FAIL, reasons
    if undecided or found.only_old or not figures:
        return Verdict.INCONCLUSIVE, reasons or [Reason(code="comparison.only_beside")]
    return Verdict.PASS, [not_worse(len(figures), smallest)]
