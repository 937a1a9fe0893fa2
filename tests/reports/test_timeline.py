"""Bins over time: against an exact sort, with gaps as gaps and the unanswered as lower bounds."""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.model.sample import CENSORED, Outcome
from seatrial.stats.timeline import MAX_BINS, bin_width_ns, timeline
from seatrial.units import SECOND

SCHEMA = {
    "session": pl.Int64,
    "intended_ns": pl.Int64,
    "sent_ns": pl.Int64,
    "done_ns": pl.Int64,
    "outcome": pl.Int8,
}


def frame(*rows: tuple[int, int | None, int, Outcome]) -> pl.DataFrame:
    """Records from (intended, sent, done, outcome), each in a session of its own."""
    return pl.DataFrame(
        [(i, intended, sent, done, int(outcome)) for i, (intended, sent, done, outcome) in enumerate(rows)],
        schema=SCHEMA,
        orient="row",
    )


records_in_one_bin = st.lists(
    st.tuples(st.integers(0, 999), st.integers(0, 10_000), st.sampled_from(list(Outcome))), min_size=1, max_size=60
)


@settings(max_examples=60, deadline=None)
@given(records_in_one_bin)
def test_a_percentile_is_that_of_an_exact_sort_with_the_unanswered_ranked_last(
    drawn: list[tuple[int, int, Outcome]],
) -> None:
    row = timeline(frame(*((at, at, at + wait, outcome) for at, wait, outcome in drawn)), 1000, 0).row(0, named=True)
    answered = sorted(wait for _, wait, outcome in drawn if outcome not in CENSORED)
    everyone = sorted(wait for _, wait, _ in drawn)
    for name, percent in (("p50", 50), ("p95", 95), ("p99", 99)):
        rank = math.ceil(percent * len(drawn) / 100)
        hidden = rank > len(answered)
        assert row[f"{name}_at_least"] is hidden
        assert row[f"{name}_ns"] == (everyone if hidden else answered)[rank - 1]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 500), st.sampled_from(list(Outcome))), min_size=1),
    st.integers(1, 5000),
)
def test_no_record_is_lost_or_counted_twice(drawn: list[tuple[int, int, Outcome]], bin_ns: int) -> None:
    bins = timeline(frame(*((at, at, at + wait, outcome) for at, wait, outcome in drawn)), bin_ns, 0)
    assert bins["steps"].sum() == len(drawn)
    for outcome in Outcome:
        assert bins[outcome.label].sum() == sum(1 for _, _, found in drawn if found is outcome)
    assert bins["at_ns"].to_list() == [i * bin_ns for i in range(bins.height)]


def test_a_bin_without_records_is_a_gap_and_not_zero() -> None:
    bins = timeline(frame((0, 0, 5, Outcome.OK), (30, 30, 35, Outcome.OK)), 10, 0)
    assert bins.height == 4
    for name in ("offered_per_s", "achieved_per_s", "goodput_per_s", "p95_ns", "p95_at_least", "send_lag_p99_ns", "ok"):
        assert bins[name].is_null().to_list() == [False, True, True, False], name


def test_no_records_give_no_bins() -> None:
    assert timeline(frame(), SECOND).height == 0
    assert timeline(frame(), SECOND, 0, SECOND).height == 0


def test_a_last_bin_cut_by_the_end_of_the_offering_keeps_its_rate() -> None:
    rows = [(at, at, at + 1, Outcome.OK) for at in range(0, 15 * SECOND, SECOND // 10)]
    bins = timeline(frame(*rows), 10 * SECOND, 0, 15 * SECOND)
    assert bins["offered_per_s"].to_list() == [10.0, 10.0]
    assert timeline(frame(*rows), 10 * SECOND, 0)["offered_per_s"].to_list() == [10.0, 5.0]


def test_what_was_not_sent_is_offered_but_neither_achieved_nor_goodput() -> None:
    rows = [(0, 3, 9, Outcome.OK), (1, 2, 9, Outcome.TIMEOUT), (2, None, 2, Outcome.UNSENT), (3, 7, 9, Outcome.OK)]
    (row,) = timeline(frame(*rows), SECOND, 0).to_dicts()
    assert (row["offered_per_s"], row["achieved_per_s"], row["goodput_per_s"]) == (4, 3, 2)
    assert row["send_lag_p99_ns"] == 4


def test_sessions_in_progress_are_those_begun_and_not_over() -> None:
    bins = timeline(frame((0, 0, 25, Outcome.OK), (5, 5, 9, Outcome.OK), (21, 21, 22, Outcome.OK)), 10, 0)
    assert bins["sessions"].to_list() == [1, 1, 0]


def test_a_bin_without_width_is_refused() -> None:
    with pytest.raises(ValueError, match="above zero"):
        timeline(frame((0, 0, 1, Outcome.OK)), 0)


@given(st.integers(1, 31 * 24 * 3600 * SECOND), st.integers(1, MAX_BINS))
def test_a_width_never_gives_more_bins_than_asked_for(duration_ns: int, bins: int) -> None:
    assert duration_ns / bin_width_ns(duration_ns, bins) <= bins
