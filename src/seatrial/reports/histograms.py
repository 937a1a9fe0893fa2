"""A bundle's times as histograms: one for each second, journey, step and measure, as other tools read them.

Three measures, each a tag of its own, ``trial/journey/step/measure``:

    response     from the intended start, of every step, whatever became of it
    service      from the actual send, of the steps that were sent
    unanswered   from the intended start, of the steps without an answer alone: what was waited

An interval log has no word for "at least": in ``response`` and ``service`` a step without an answer stands with the
time that was waited for it, so that percentiles of the log are lower bounds where there are such steps. How many there
are says ``unanswered``, second by second. Attempts that were given up and retried are no steps and are left out.

A record belongs to the second in which its step was meant to start, warm-up included. Parts are read one after the
other, each in the order of intended starts, so memory stays flat.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import ValidationError

from seatrial.errors import BundleError, EvidenceError
from seatrial.evidence.bundle import ENVIRONMENT, PLAN, read_part
from seatrial.evidence.canonical import parse_json
from seatrial.model.plan import Plan, trial_slug
from seatrial.model.sample import CENSORED, Outcome
from seatrial.samples.merge import part_files
from seatrial.stats.hdr_log import Interval, tag_of, write_log
from seatrial.stats.histogram import Histogram, histograms
from seatrial.units import SECOND
from seatrial.verdict.inputs import check_records, guarded

__all__ = ["MEASURES", "bundle_intervals", "totals", "write_bundle_log"]

Int64 = npt.NDArray[np.int64]

MEASURES = ("response", "service", "unanswered")
_NEEDED = ("journey", "step", "intended_ns", "sent_ns", "done_ns", "outcome")
_AGAIN = "Take the bundle from its source again."
_STEPS = 1 << 16
_GATHERED = 64
_COMMENTS = (
    "Times in nanoseconds, by the second in which a step was meant to start. Tag: trial/journey/step/measure.",
    "response: from the intended start. service: from the actual send, of the steps that were sent.",
    "A step without an answer stands with the time that was waited; those alone: unanswered.",
)


def write_bundle_log(bundle_dir: Path, file: TextIO) -> int:
    """Write a bundle's interval log and return how many intervals it holds.

    Args:
        bundle_dir: An opened bundle.
        file: Where to.

    Raises:
        BundleError: plan or records can't be read, are no records, or are not in the order of their intended starts; or
            there is no record at all.
        OSError: the file can't be written.
    """
    try:
        return write_log(file, bundle_intervals(bundle_dir), _base_ns(bundle_dir), _COMMENTS)
    except ValueError as error:
        raise BundleError("the records make no interval log", value=error, remedy=_AGAIN) from error


def bundle_intervals(bundle_dir: Path) -> Iterator[Interval]:
    """Yield the histograms of a bundle in the order of time, starts from the run's epoch.

    Raises:
        BundleError: as for :func:`write_bundle_log`.
    """
    try:
        plan = Plan.model_validate(parse_json(read_part(bundle_dir, PLAN), PLAN))
    except (ValidationError, EvidenceError) as error:
        first = str(error).split("\n")[0]
        raise BundleError(f"{PLAN} is not a plan", value=first, remedy=_AGAIN) from error
    found = False
    for index, name in enumerate(plan.trial_names()):
        gathered = _Seconds(name, plan)
        for part in part_files(bundle_dir / "records" / trial_slug(index, name)):
            found = True
            yield from gathered.over(gathered.add(_read(part)))
        yield from gathered.over(None)
    if not found:
        raise BundleError("there are no records in the bundle", value=bundle_dir, remedy="Use one of a finished run.")


def totals(intervals: Iterable[Interval]) -> dict[str, Histogram]:
    """Return the sum of all intervals of each tag, by tag in the order of the alphabet.

    Raises:
        ValueError: intervals of one tag have different layouts.
    """
    gathered: dict[str, list[Histogram]] = {}
    for interval in intervals:
        parts = gathered.setdefault(interval.tag, [])
        parts.append(interval.histogram)
        if len(parts) >= _GATHERED:
            parts[:] = [Histogram.merged(parts)]
    return {tag: Histogram.merged(parts) for tag, parts in sorted(gathered.items())}


def _base_ns(bundle_dir: Path) -> int:
    """Return when the run started, in nanoseconds since 1970; 0 where the environment does not say."""
    try:
        document: Any = parse_json(read_part(bundle_dir, ENVIRONMENT), ENVIRONMENT)
        started = document.get("started_at") if isinstance(document, dict) else None
        seconds = datetime.fromisoformat(str(started)).timestamp()
    except (EvidenceError, ValueError, OverflowError):
        return 0
    return round(seconds * 1000) * (SECOND // 1000) if 0 <= seconds < 1e11 else 0


def _read(part: Path) -> pl.DataFrame:
    """Return the columns of a part that are needed, retried attempts left out."""
    if part.is_symlink() or not part.is_file():
        raise BundleError("not a plain file", value=part.name, remedy=_AGAIN)
    lazy = pl.scan_parquet(part, glob=False)
    check_records(lazy)
    frame = guarded(part.name, lazy.select(_NEEDED).filter(pl.col("outcome") != int(Outcome.RETRIED)).collect)
    for name in _NEEDED:
        if name != "sent_ns" and frame[name].null_count():
            raise BundleError("a column is not what it should be", value=f"{name} (null)", remedy=_AGAIN)
    if not frame["intended_ns"].is_sorted():
        raise BundleError("records out of order", value=part.name, remedy=_AGAIN)
    return frame


class _Seconds:
    """Histograms of a trial whose second may not be over yet."""

    def __init__(self, trial: str, plan: Plan) -> None:
        self._trial = trial
        self._names = [(name, journey.labels) for name, journey in plan.journeys.items()]
        self._open: dict[tuple[int, str], list[Histogram]] = {}

    def add(self, frame: pl.DataFrame) -> int | None:
        """Take a part's records and return its last second, which the next part may go on with; None without any."""
        if not len(frame):
            return None
        columns = {name: frame[name].fill_null(-1).to_numpy().astype(np.int64, copy=False) for name in _NEEDED}
        second = columns["intended_ns"] // SECOND
        pair, place = np.unique(columns["journey"] * _STEPS + columns["step"], return_inverse=True)
        labels = [self._label(*divmod(int(one), _STEPS)) for one in pair.tolist()]
        sent = columns["sent_ns"] >= 0
        response_ns = columns["done_ns"] - columns["intended_ns"]
        chosen: tuple[tuple[Int64, Any], ...] = (
            (response_ns, slice(None)),
            (columns["done_ns"] - columns["sent_ns"], sent),
            (response_ns, np.isin(columns["outcome"], sorted(CENSORED))),
        )
        for measure, (times_ns, which) in zip(MEASURES, chosen, strict=True):
            group = (second * len(pair) + place)[which]
            for cell, histogram in histograms(group, times_ns[which]):
                at, label = divmod(cell, len(pair))
                self._open.setdefault((at, tag_of(self._trial, *labels[label], measure)), []).append(histogram)
        return int(second[-1])

    def over(self, second: int | None) -> Iterator[Interval]:
        """Yield what is before a second, and no longer hold it; None for all of it."""
        done = sorted(key for key in self._open if second is None or key[0] < second)
        for key in done:
            yield Interval(key[1], key[0] * SECOND, SECOND, Histogram.merged(self._open.pop(key)))

    def _label(self, journey: int, step: int) -> tuple[str, str]:
        """Return the names of a journey and its step; the numbers of those that the plan does not have."""
        if not 0 <= journey < len(self._names):
            return f"#{journey}", f"#{step}"
        name, labels = self._names[journey]
        return name, labels[step] if step < len(labels) else f"#{step}"
