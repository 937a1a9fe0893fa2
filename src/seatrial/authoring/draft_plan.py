"""From what a log says to a draft of a plan: journeys, weights, pauses and the curve of arrivals.

A draft is a beginning. A log does not say what was sent in a body, which identifiers are test data, or what an answer
must hold: the comments in the draft say where to write it. Its target is this machine.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

from seatrial.authoring.log_paths import ID
from seatrial.authoring.log_summary import LogJourney, LogSummary
from seatrial.errors import PlanError, Problem
from seatrial.model.demand import round_up
from seatrial.units import SECOND, format_share, write_duration, write_number, write_rate

__all__ = ["Draft", "draft_plan"]

_MOST_JOURNEYS = 8
_FEWEST = 20  # expected sessions of a journey in each trial: fewer than that may by chance be none
_STRETCH_S = 3600
_HOLD_S, _LONGEST_HOLD_S = 600, 86_400
_BODIED = ("POST", "PUT", "PATCH")


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft of a plan.

    Attributes:
        files: Name to text: ``plan.yaml``, ``arrivals.csv``, and ``ids.csv`` where a path has an identifier.
        peak: P, sessions per second in the busiest bin, rounded up to three significant figures.
        coverage: Share of all sessions that the plan's journeys stand for.
        whole: Whether the journeys are those of whole sessions; otherwise no sequence returned, and each is one page.
    """

    files: dict[str, str]
    peak: float
    coverage: float
    whole: bool


def draft_plan(summary: LogSummary, source: str) -> Draft:
    """Return a draft of a plan that ``load_plan`` takes as it is.

    Args:
        summary: Of the logs.
        source: What they are, for people.

    Raises:
        PlanError: there are too few sessions for a trial in which every journey is taken.
    """
    peak = round_up(max(summary.sessions_per_s))
    whole = bool(summary.journeys)
    found = summary.journeys or tuple(
        LogJourney(((method, path),), (False,), number) for method, path, number in summary.paths
    )
    found = found[:_MOST_JOURNEYS]
    points = _stretch(summary)
    if not found or _LONGEST_HOLD_S * peak * _share(found, 0) < 2 * _FEWEST:
        remedy = "Name logs of more or busier days."
        raise PlanError([Problem("too few sessions for a plan", source, f"{summary.sessions} sessions", remedy)])
    hold_s = max(_HOLD_S, int(2 * _FEWEST / (peak * _share(found, 0))) + 1)
    expected = _expected(points, peak)
    with_curve = expected * _share(found, 0) >= 2 * _FEWEST
    least = min(peak * hold_s, expected) if with_curve else peak * hold_s
    kept = tuple(journey for index, journey in enumerate(found) if least * _share(found, index) >= _FEWEST)
    of = summary.sessions if whole else summary.pages
    coverage = sum(journey.sessions for journey in kept) / of
    text = _head(summary, source, peak, coverage) + _journeys(kept, summary)
    text += _trials(hold_s, points if with_curve else (), source)
    files = {"plan.yaml": text, "arrivals.csv": _csv(summary)}
    if any(ID in path for journey in kept for _, path in journey.steps):
        files["ids.csv"] = "id\n1\n"
    return Draft(files, peak, coverage, whole)


def _share(journeys: tuple[LogJourney, ...], index: int) -> float:
    return journeys[index].sessions / sum(journey.sessions for journey in journeys)


def _points(summary: LogSummary) -> list[tuple[int, float]]:
    """Return (nanoseconds from the middle of the first bin, sessions per second) at the middle of each bin."""
    width_ns = summary.bin_s * SECOND
    return [(index * width_ns, float(f"{rate:.6g}")) for index, rate in enumerate(summary.sessions_per_s)]


def _stretch(summary: LogSummary) -> tuple[tuple[int, float], ...]:
    """Return the points of the hour about the busiest bin, from zero on; none where there is one bin only."""
    points = _points(summary)
    long = min(len(points), max(2, _STRETCH_S // summary.bin_s + 1))
    busiest = max(range(len(points)), key=lambda index: points[index][1])
    first = min(max(0, busiest - long // 2), len(points) - long)
    chosen = points[first : first + long]
    return tuple((at - chosen[0][0], rate) for at, rate in chosen) if long > 1 else ()


def _expected(points: tuple[tuple[int, float], ...], peak: float) -> float:
    """Return about how many sessions a curve brings once its highest point is ``peak``."""
    highest = max((rate for _, rate in points), default=0.0)
    pairs = pairwise(points)
    area = sum((later - at) / SECOND * (rate + after) / 2 for (at, rate), (later, after) in pairs)
    return area * peak / highest if highest else 0.0


def _head(summary: LogSummary, source: str, peak: float, coverage: float) -> str:
    said = json.dumps(f"{source}: sessions begun in the busiest {summary.bin_s} s", ensure_ascii=False)
    return (
        "# A draft, made from access logs. Before it is run: put the target and test data in, write what bodies hold\n"
        "# and what answers must hold (expect), and take P from a forecast: a log says what came, not what will come.\n"
        f"# Its journeys stand for {format_share(coverage)} of what was seen; weights are sessions seen.\n"
        "seatrial: 1\n"
        "title: Draft from access logs\n"
        "target: http://127.0.0.1:8080\n"
        f"demand: {{peak: {write_rate(peak)}, source: {said}}}\n"
    )


def _journeys(journeys: tuple[LogJourney, ...], summary: LogSummary) -> str:
    lines = ["journeys:"]
    for index, journey in enumerate(journeys, start=1):
        lines += [f"  journey {index}:", f"    weight: {journey.sessions}"]
        if any(ID in path for _, path in journey.steps):
            lines += ["    feed: {known: {csv: ids.csv, order: cycle}}  # identifiers of test data"]
        lines += ["    steps:"]
        seen: Counter[str] = Counter()
        for (method, path), pause in zip(journey.steps, journey.pauses, strict=True):
            if pause and summary.think is not None:
                median = write_number(float(f"{summary.think.median_s:.3g}"))
                sigma = write_number(float(f"{min(3.0, summary.think.sigma):.2g}"))
                lines += [f"      - pause: {{lognormal: {median}s, sigma: {sigma}}}"]
            name = f"{method} {path}"[:70]
            seen[name] += 1
            name += f" ({seen[name]})" if seen[name] > 1 else ""
            lines += [f"      - {method.lower()}: {json.dumps(path.replace(ID, '${known.id}'))}"]
            lines += [f"        name: {json.dumps(name)}"]
            lines += ["        # what was sent is not in a log: write json, form or body"] if method in _BODIED else []
    return "".join(f"{line}\n" for line in lines)


def _trials(hold_s: int, points: tuple[tuple[int, float], ...], source: str) -> str:
    limits = "    objectives: [p95 response time <= 2s, errors <= 0.1%, goodput >= 99% of offered]\n"
    text = f"trials:\n  - kind: load\n    at: 1 P\n    for: {write_duration(hold_s * SECOND)}\n{limits}"
    if not points:
        return text
    said = json.dumps(f"{source}, the hour about the busiest moment", ensure_ascii=False)
    rows = "".join(f"          - [{write_duration(at)}, {write_rate(rate)}]\n" for at, rate in points)
    shape = f"    shape:\n      curve:\n        source: {said}\n        scale: 1 P\n        points:\n{rows}"
    return f"{text}  - kind: load\n    name: as recorded\n{shape}{limits}"


def _csv(summary: LogSummary) -> str:
    rows = (f"{write_number(at / SECOND)},{write_number(rate)}\n" for at, rate in _points(summary))
    return "time,rate\n" + "".join(rows)
