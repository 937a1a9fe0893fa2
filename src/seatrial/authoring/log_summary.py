"""What an access log says of demand: rates over time, sessions, journeys, think times. Nothing of any one person.

A session is what one client (address and agent) asks for until it has been silent for half an hour. Its steps are its
pages: styles, scripts and pictures, what was not there (400, 404, 405) and what robots sent are counted and left out,
and the same page asked for again at once is one step. A journey is a sequence of steps that five sessions or more took.

Think times are the gaps of a second or more from one page to the next, the answer's time included. They are taken to be
lognormal: the median is theirs, and sigma, of the logarithm, is found from the quartiles,

    sigma = (ln q75 − ln q25) / 1.349              1.349 = 2 · Φ⁻¹(0.75)

which the long tail of people who went to lunch does not spoil. Where a log has whole seconds, each gap is taken to be
spread evenly over its second.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias, TypeVar

from seatrial.authoring.access_log import AccessLog, Entry
from seatrial.authoring.log_paths import LEAST_CLIENTS, Paths, Template, is_asset, written
from seatrial.errors import PlanError, Problem

__all__ = ["BIN_WIDTHS_S", "LogJourney", "LogSummary", "Think", "summarise_log"]

BIN_WIDTHS_S = (10, 30, 60, 300, 900, 3600)
"""Widths of a bin that are tried when none is asked for: the first that leaves at most a thousand bins."""

_MOST_BINS = 1000
_LONGEST_S = 31 * 86_400
_MOST_OPEN = 200_000
_MOST_KINDS = 50_000
_MOST_STEPS = 20
_NOT_THERE = frozenset({400, 404, 405})
_MOST_SHOWN = 30
_QUARTILES = 1.3489795003921634

Step: TypeAlias = tuple[str, Template]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Think:
    """Think times between pages.

    Attributes:
        median_s: In seconds.
        sigma: Standard deviation of the logarithm, 0.01 at the least.
        gaps: How many were seen.
    """

    median_s: float
    sigma: float
    gaps: int


@dataclass(frozen=True, slots=True)
class LogJourney:
    """A sequence of steps that sessions took.

    Attributes:
        steps: (method, path template) each.
        pauses: Whether a citizen thinks before each step; never before the first.
        sessions: How many took it.
    """

    steps: tuple[tuple[str, str], ...]
    pauses: tuple[bool, ...]
    sessions: int


@dataclass(frozen=True, slots=True)
class LogSummary:
    """What logs say.

    Attributes:
        lines: Read.
        bad: Of these, in no known form.
        without_request: Of these, without a method and a path.
        robots: Requests whose agent says that no person sent them.
        assets: Requests for styles, scripts, pictures and the like.
        missing: Requests for what was not there.
        pages: Requests that are steps of sessions.
        late: Requests that were too far out of order to be put into it.
        cut: Sessions that were ended early, because too many were in progress to be kept.
        begun_s: Time of the first request, seconds since 1970 UTC.
        lasted_s: Seconds from the first request to the last.
        bin_s: Width of a bin.
        requests_per_s: Of all requests, by bin. Bins begin at whole multiples of their width since 1970.
        sessions_per_s: Sessions that began, by bin.
        sessions: In all.
        mean_duration_s: Of a session, from its first page to its last.
        paths: (method, template, requests), the most frequent first.
        journeys: The most frequent first.
        think: None where there was no gap.
    """

    lines: int
    bad: int
    without_request: int
    robots: int
    assets: int
    missing: int
    pages: int
    late: int
    cut: int
    begun_s: float
    lasted_s: float
    bin_s: int
    requests_per_s: tuple[float, ...]
    sessions_per_s: tuple[float, ...]
    sessions: int
    mean_duration_s: float
    paths: tuple[tuple[str, str, int], ...]
    journeys: tuple[LogJourney, ...]
    think: Think | None


def summarise_log(
    paths: Sequence[Path], *, bin_s: int | None = None, gap_s: float = 1800.0, most_bad: float = 0.01
) -> LogSummary:
    """Return what access logs say, read once and in bounded memory.

    Args:
        paths: Of the files, the oldest first.
        bin_s: Width of a bin in seconds; None for the finest of ``BIN_WIDTHS_S`` that leaves a thousand bins.
        gap_s: Seconds of silence that end a session.
        most_bad: Highest share of lines in no known form.

    Raises:
        PlanError: a file can't be read or is no log, the log is longer than 31 days or a thousand bins, or no session
            was seen.
    """
    log = AccessLog(paths, most_bad)
    names = ", ".join(str(path) for path in paths)
    reading = _Reading(gap_s, _Bins(bin_s, names))
    for entry in log.entries():
        reading.add(entry)
    reading.close_all()
    if not reading.sessions:
        remedy = "Name a log that people's requests for pages are in; styles, pictures and robots make no session."
        raise PlanError([Problem("an access log without a session", names, f"{log.lines} lines", remedy)])
    return reading.summary(log)


class _Bins:
    """Counts by time, in at most a thousand bins, which grow wider as the log grows longer."""

    def __init__(self, width_s: int | None, names: str) -> None:
        self._widths = [width_s] if width_s is not None else list(BIN_WIDTHS_S)
        self._names = names
        self.counts: tuple[Counter[int], Counter[int]] = (Counter(), Counter())
        self.first_s, self.last_s = math.inf, -math.inf

    @property
    def width_s(self) -> int:
        return self._widths[0]

    def add(self, kind: int, at_s: float) -> None:
        self.first_s, self.last_s = min(self.first_s, at_s), max(self.last_s, at_s)
        if self.last_s - self.first_s > _LONGEST_S:
            raise self._too_long("an access log of more than 31 days", "Name the logs of the busiest days alone.")
        while int(self.last_s // self.width_s) - int(self.first_s // self.width_s) >= _MOST_BINS:
            if len(self._widths) == 1:
                remedy = "Write a larger --bin, or name the logs of a shorter time."
                raise self._too_long(f"more than {_MOST_BINS} bins of {self.width_s} s", remedy)
            times = self._widths[1] // self._widths.pop(0)
            for counts in self.counts:
                coarse: Counter[int] = Counter()
                for index, number in counts.items():
                    coarse[index // times] += number
                counts.clear()
                counts.update(coarse)
        self.counts[kind][int(at_s // self.width_s)] += 1

    def _too_long(self, what: str, remedy: str) -> PlanError:
        return PlanError([Problem(what, self._names, f"{self.last_s - self.first_s:.0f} s", remedy)])

    def rates(self, kind: int) -> tuple[float, ...]:
        first, last = int(self.first_s // self.width_s), int(self.last_s // self.width_s)
        return tuple(self.counts[kind][index] / self.width_s for index in range(first, last + 1))


@dataclass(slots=True)
class _Open:
    """A session in progress."""

    begun_s: float
    page_s: float
    last_s: float
    steps: list[Step] = field(default_factory=list)


class _Reading:
    """Takes requests in the order of their times."""

    def __init__(self, gap_s: float, bins: _Bins) -> None:
        self._gap_s, self._bins = gap_s, bins
        self._open: OrderedDict[bytes, _Open] = OrderedDict()
        self._paths = Paths()
        self._steps: Counter[Step] = Counter()
        self._kinds: Counter[tuple[Step, ...]] = Counter()
        self._gaps: Counter[int] = Counter()  # by tenths of a second
        self._between: dict[tuple[Step, Step], list[int]] = {}
        self.robots = self.assets = self.missing = self.pages = self.cut = self.sessions = 0
        self._durations_s = 0.0

    def add(self, entry: Entry) -> None:
        self._bins.add(0, entry.at_s)
        self._end_idle(entry.at_s)
        if entry.is_robot:
            self.robots += 1
            return
        if entry.status in _NOT_THERE:
            self.missing += 1
            return
        session = self._open.get(entry.client)
        if is_asset(entry.path):
            self.assets += 1
            if session is not None:
                session.last_s = max(session.last_s, entry.at_s)
                self._open.move_to_end(entry.client)
            return
        self.pages += 1
        step = (entry.method, self._paths.note(entry.path, entry.client))
        if len(self._steps) < _MOST_KINDS or step in self._steps:
            self._steps[step] += 1
        if session is None:
            self._bins.add(1, entry.at_s)
            self.sessions += 1
            self._open[entry.client] = _Open(entry.at_s, entry.at_s, entry.at_s, [step])
            if len(self._open) > _MOST_OPEN:
                self.cut += 1
                self._end(self._open.popitem(last=False)[1])
            return
        self._follow(session, step, entry.at_s)
        self._open.move_to_end(entry.client)

    def _follow(self, session: _Open, step: Step, at_s: float) -> None:
        gap = max(0.0, at_s - session.page_s)
        before = session.steps[-1]
        session.page_s = max(session.page_s, at_s)
        session.last_s = max(session.last_s, at_s)
        if gap >= 1:
            self._gaps[round(gap * 10)] += 1
        if step == before and gap < 1:
            return
        pair = (before, step)
        if pair in self._between or len(self._between) < _MOST_KINDS:
            self._between.setdefault(pair, [0, 0])[gap >= 1] += 1
        if len(session.steps) < _MOST_STEPS:
            session.steps.append(step)

    def _end_idle(self, now_s: float) -> None:
        while self._open:
            client, session = next(iter(self._open.items()))
            if session.last_s >= now_s - self._gap_s:
                return
            del self._open[client]
            self._end(session)

    def close_all(self) -> None:
        """End every session."""
        while self._open:
            self._end(self._open.popitem(last=False)[1])

    def _end(self, session: _Open) -> None:
        self._durations_s += session.page_s - session.begun_s
        kind = tuple(session.steps)
        self._kinds[kind] += 1
        if len(self._kinds) > _MOST_KINDS:  # those that are rare now are rare in the end (Misra and Gries, 1982)
            self._kinds = Counter({kind: number - 1 for kind, number in self._kinds.items() if number > 1})

    def summary(self, log: AccessLog) -> LogSummary:
        """Return what was seen."""
        bins = self._bins
        return LogSummary(
            lines=log.lines,
            bad=log.bad,
            without_request=log.without_request,
            robots=self.robots,
            assets=self.assets,
            missing=self.missing,
            pages=self.pages,
            late=log.late,
            cut=self.cut,
            begun_s=bins.first_s,
            lasted_s=bins.last_s - bins.first_s,
            bin_s=bins.width_s,
            requests_per_s=bins.rates(0),
            sessions_per_s=bins.rates(1),
            sessions=self.sessions,
            mean_duration_s=self._durations_s / self.sessions,
            paths=tuple(self._shown_paths()),
            journeys=tuple(self._journeys()),
            think=_think(self._gaps, 1.0 if log.whole_seconds else 0.1),
        )

    def _shown(self, step: Step) -> tuple[str, str]:
        return step[0], written(self._paths.shown(step[1]))

    def _shown_paths(self) -> Iterator[tuple[str, str, int]]:
        merged: Counter[tuple[str, str]] = Counter()
        for step, number in self._steps.items():
            merged[self._shown(step)] += number
        for (method, path), number in _most(merged, _MOST_SHOWN):
            if number >= LEAST_CLIENTS:
                yield method, path, number

    def _journeys(self) -> Iterator[LogJourney]:
        pauses: dict[tuple[tuple[str, str], tuple[str, str]], list[int]] = {}
        for (before, step), (at_once, later) in self._between.items():
            seen = pauses.setdefault((self._shown(before), self._shown(step)), [0, 0])
            seen[0] += at_once
            seen[1] += later
        merged: Counter[tuple[tuple[str, str], ...]] = Counter()
        for kind, number in self._kinds.items():
            merged[tuple(self._shown(step) for step in kind)] += number
        for steps, number in _most(merged, _MOST_SHOWN):
            if number >= LEAST_CLIENTS:
                thought = (pauses.get(pair, [0, 1]) for pair in pairwise(steps))
                yield LogJourney(steps, (False, *(later >= at_once for at_once, later in thought)), number)


def _most(counts: Counter[T], most: int) -> Iterable[tuple[T, int]]:
    """Return the most frequent, those of one frequency in a fixed order."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]


def _think(gaps: Counter[int], resolution_s: float) -> Think | None:
    """Return the lognormal that fits gaps, which are counted by tenths of a second."""
    total = sum(gaps.values())
    if not total:
        return None
    lower, median, upper = (_quantile(gaps, total, q, resolution_s) for q in (0.25, 0.5, 0.75))
    return Think(median, max(0.01, math.log(upper / lower) / _QUARTILES), total)


def _quantile(gaps: Counter[int], total: int, q: float, resolution_s: float) -> float:
    """Return a quantile in seconds; each count is spread evenly over ``resolution_s`` about its gap."""
    below = 0
    for tenths in sorted(gaps):
        number = gaps[tenths]
        if below + number >= q * total:
            return tenths / 10 + resolution_s * ((q * total - below) / number - 0.5)
        below += number
    raise AssertionError("a quantile lies among the values")
