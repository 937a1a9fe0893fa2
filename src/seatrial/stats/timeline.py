"""A trial over time: loads, response-time percentiles, outcomes and send lag, bin by bin.

Every figure belongs to the bin in which its step was *intended*: a step that was answered a minute late stands
where a citizen began to wait, not where the answer came.

Steps without an answer (censored) rank as slower than every answered one. With n records in a bin, a of them
answered, the q-quantile has rank r = ⌈q·n⌉ (Hyndman and Fan, *Sample Quantiles in Statistical Packages*, 1996,
definition 1). Where r <= a it is the r-th smallest answered response time. Where r > a no answer bounds it: the
figure is then the r-th smallest waiting time of all, and the column ``..._at_least`` says so.
"""

from __future__ import annotations

import math

import polars as pl

from seatrial.model.sample import CENSORED, Outcome
from seatrial.units import MS, SECOND

__all__ = ["MAX_BINS", "QUANTILES", "bin_width_ns", "rank_index", "timeline"]

MAX_BINS = 240
"""More bins than this are no longer seen as separate on a page."""

QUANTILES: tuple[tuple[str, float], ...] = (("p50", 0.50), ("p95", 0.95), ("p99", 0.99))

_WIDTHS = [1, 2, 5, 10, 20, 50, 100, 200, 500]
_WIDTHS_NS = (
    [n * MS for n in _WIDTHS]
    + [n * SECOND for n in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600)]
    + [n * 3600 * SECOND for n in (1, 2, 4)]
)
_USED = ("session", "intended_ns", "sent_ns", "done_ns", "outcome")


def bin_width_ns(duration_ns: int, max_bins: int = MAX_BINS) -> int:
    """Return the narrowest round width with which ``duration_ns`` takes at most ``max_bins`` bins.

    Never narrower than 100 ms: below that a bin holds too few steps for a percentile to mean anything.

    Raises:
        ValueError: a duration or a number of bins that is not above zero.
    """
    if duration_ns <= 0 or max_bins <= 0:
        raise ValueError(f"neither can be zero or less: {duration_ns} ns in {max_bins} bins")
    needed = max(duration_ns / max_bins, 100 * MS)
    return next((width for width in _WIDTHS_NS if width >= needed), math.ceil(needed))


def timeline(
    records: pl.LazyFrame | pl.DataFrame,
    bin_ns: int,
    start_ns: int | None = None,
    end_ns: int | None = None,
) -> pl.DataFrame:
    """Return the records' story in bins of ``bin_ns`` by the time of intention.

    Args:
        records: Columns of :data:`seatrial.model.sample.COLUMNS`; times null where they never came.
        bin_ns: Width of a bin in nanoseconds, above zero.
        start_ns: Where the first bin begins; the first record where it is left out. Earlier records are left out.
        end_ns: Where the offering ended. A last bin that reaches beyond it is that much shorter, so that its rates
            are not diluted by time in which nothing was due. Steps intended later still get their bins.

    Returns:
        One row per bin, ascending, without a hole: ``at_ns``, ``width_ns``, ``steps``, ``offered_per_s``,
        ``achieved_per_s``, ``goodput_per_s``, ``p50_ns``, ``p50_at_least``, the same for p95 and p99,
        ``send_lag_p99_ns``, ``sessions`` (in progress at the bin's end), and one count per outcome, named by its
        label. A bin in which no step was intended is a gap: null, not zero, in every column but the first two and
        ``sessions``. No records: no rows.

    Raises:
        ValueError: ``bin_ns`` is not above zero.
    """
    if bin_ns <= 0:
        raise ValueError(f"a bin needs a width above zero: {bin_ns} ns")
    lazy = records.lazy().select(_USED)
    if start_ns is None:
        start_ns = lazy.select(pl.col("intended_ns").min()).collect().item()
        if start_ns is None:
            return _with_rates(_bins(lazy, bin_ns, 0), 0, bin_ns, None)
    lazy = lazy.filter(pl.col("intended_ns") >= start_ns)
    binned = _with_rates(_bins(lazy, bin_ns, start_ns), start_ns, bin_ns, end_ns)
    return _with_sessions(binned, lazy)


def _bins(lazy: pl.LazyFrame, bin_ns: int, start_ns: int) -> pl.DataFrame:
    answered = ~pl.col("outcome").is_in([int(outcome) for outcome in CENSORED])
    waited = pl.col("done_ns") - pl.col("intended_ns")
    lag = pl.col("sent_ns") - pl.col("intended_ns")
    counts = [(pl.col("outcome") == int(outcome)).sum().cast(pl.Int64).alias(outcome.label) for outcome in Outcome]
    quantiles = [part for name, q in QUANTILES for part in _quantile(name, q, answered, waited)]
    return (
        lazy.with_columns(((pl.col("intended_ns") - start_ns) // bin_ns).alias("bin"))
        .group_by("bin")
        .agg(
            pl.len().cast(pl.Int64).alias("steps"),
            pl.col("sent_ns").count().cast(pl.Int64).alias("sent"),
            *quantiles,
            lag.drop_nulls()
            .sort()
            .get(rank_index(0.99, pl.col("sent_ns").count()), null_on_oob=True)
            .alias("send_lag_p99_ns"),
            *counts,
        )
        .sort("bin")
        .collect()
    )


def rank_index(q: float, count: pl.Expr) -> pl.Expr:
    """Return the zero-based index of rank ⌈q·n⌉; the subtrahend keeps 0.95 · 100 from becoming rank 96."""
    return (count.cast(pl.Float64) * q - 1e-9).ceil().clip(lower_bound=1).cast(pl.Int64) - 1


def _quantile(name: str, q: float, answered: pl.Expr, waited: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    index = rank_index(q, pl.len())
    known = waited.filter(answered).sort().get(index, null_on_oob=True)
    bound = waited.sort().get(index, null_on_oob=True)
    hidden = index >= answered.sum().cast(pl.Int64)
    return pl.when(hidden).then(bound).otherwise(known).alias(f"{name}_ns"), hidden.alias(f"{name}_at_least")


def _with_rates(found: pl.DataFrame, start_ns: int, bin_ns: int, end_ns: int | None) -> pl.DataFrame:
    """Fill the holes between the first bin and the last with gaps, and turn counts into rates."""
    last = int(found["bin"].max() or 0) if found.height else -1  # type: ignore[arg-type]
    grid = pl.DataFrame({"bin": pl.Series(range(last + 1), dtype=pl.Int64)})
    rows = grid.join(found, on="bin", how="left", maintain_order="left").with_columns(
        (pl.col("bin") * bin_ns + start_ns).alias("at_ns"), pl.lit(bin_ns, dtype=pl.Int64).alias("width_ns")
    )
    if end_ns is not None and rows.height:
        cut = (pl.col("bin") == last) & (pl.col("at_ns") < end_ns) & (pl.col("at_ns") + bin_ns > end_ns)
        rows = rows.with_columns(pl.when(cut).then(end_ns - pl.col("at_ns")).otherwise("width_ns").alias("width_ns"))
    seconds = pl.col("width_ns") / SECOND
    quantiles = [f"{name}_{end}" for name, _ in QUANTILES for end in ("ns", "at_least")]
    return rows.select(
        "at_ns",
        "width_ns",
        "steps",
        (pl.col("steps") / seconds).alias("offered_per_s"),
        (pl.col("sent") / seconds).alias("achieved_per_s"),
        (pl.col(Outcome.OK.label) / seconds).alias("goodput_per_s"),
        *quantiles,
        "send_lag_p99_ns",
        pl.lit(None, dtype=pl.Int64).alias("sessions"),
        *[outcome.label for outcome in Outcome],
    )


def _with_sessions(rows: pl.DataFrame, lazy: pl.LazyFrame) -> pl.DataFrame:
    """Count the sessions in progress at each bin's end: begun by then, and their last step not yet done."""
    spans = lazy.group_by("session").agg(pl.col("intended_ns").min(), pl.col("done_ns").max()).collect()
    ends = rows["at_ns"] + rows["width_ns"]
    begun = spans["intended_ns"].sort().search_sorted(ends, side="left").cast(pl.Int64)
    over = spans["done_ns"].sort().search_sorted(ends, side="left").cast(pl.Int64)
    return rows.with_columns((begun - over).alias("sessions"))
