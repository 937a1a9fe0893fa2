"""Records that are too many to be held are judged as those that are: whatever the chunks, and whatever their order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.verdict.made import DIGEST, Made, exponential, failing, load, make, plan_of, stress
from tests.verdict.made_closed import closed_plan, make_closed, prompt

from seatrial.model.sample import Outcome
from seatrial.model.verdict import TrialVerdict, Verdict
from seatrial.stats import ordered
from seatrial.units import MS
from seatrial.verdict import inputs, records
from seatrial.verdict.columns import NEEDED, StageColumns, by_session
from seatrial.verdict.facts import facts_of
from seatrial.verdict.inputs import TrialRecords
from seatrial.verdict.judge import judge_trial

LIMITS = (
    "p95 response time <= 2s",
    "mean service time <= 1s for step book",
    "errors <= 5%",
    "p90 response time <= 1s of admitted",
)
STEPS = ("book", "pay")
FAILING = failing(exponential(100 * MS), 0.01, Outcome.HTTP_ERROR, 503)
OPEN = make(plan_of(load(*LIMITS, warmup="5s"), steps=STEPS), FAILING)
STRESSED = make(plan_of(stress(*LIMITS, "capacity >= 1 P", to="2 P"), steps=STEPS), FAILING)
CLOSED = make_closed(closed_plan(20, ramp="4s", warmup="2s", pacing="500ms"), prompt())
TRIALS = {"a load": OPEN, "a stress trial": STRESSED}


@contextmanager
def read_by(rows: int, held: int = 0) -> Iterator[None]:
    """Read ``rows`` at once wherever a stage has more than ``held``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "WHOLE", held)
        patch.setattr(inputs, "CHUNK", rows)
        patch.setattr(records, "_BLOCK_BITS", 4)
        yield


def verdict_of(made: Made) -> TrialVerdict:
    return judge_trial(made.plan, DIGEST, made.policy, made.data)


def orders(frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return {
        "by session": frame,
        "by intention": frame.sort("intended_ns", "session", "step"),
        "backwards": frame.reverse(),
        "shuffled": frame.sample(fraction=1.0, shuffle=True, seed=3),
        "step by step": frame.sort("step", "session"),
    }


@pytest.mark.parametrize("kind", TRIALS)
@settings(max_examples=5, deadline=None)
@given(rows=st.integers(20, 6000), order=st.sampled_from(sorted(orders(OPEN.records))))
def test_the_verdict_is_the_same_whole_and_in_chunks_of_any_size_and_order(kind: str, rows: int, order: str) -> None:
    made = TRIALS[kind]
    made = made.but(records=orders(made.records)[order])
    whole = verdict_of(made)
    assert whole.verdict is not Verdict.INVALID
    assert {limit.verdict for limit in whole.stages[0].objectives} == {Verdict.PASS}
    with read_by(max(rows, len(made.records) // 40)):
        assert verdict_of(made) == whole


@pytest.mark.parametrize("exact", [0, 1000, 10**7])
def test_many_records_have_one_verdict_whatever_the_chunks(monkeypatch: pytest.MonkeyPatch, exact: int) -> None:
    monkeypatch.setattr(ordered, "EXACT", exact)
    whole = verdict_of(OPEN)
    for rows in (300, 1999, 5000):
        with read_by(rows):
            assert verdict_of(OPEN) == whole


def test_users_are_judged_alike_whole_and_in_chunks() -> None:
    made = CLOSED
    whole = verdict_of(made)
    assert whole.verdict is not Verdict.INVALID
    for order, frame in orders(made.records).items():
        with read_by(len(frame) // 7):
            assert verdict_of(made.but(records=frame)) == whole, order


def spoiled(made: Made) -> dict[str, tuple[pl.DataFrame, str]]:
    frame = made.records
    middle = len(frame) // 2
    last = int(frame["session"].to_numpy().max())
    stranger = frame[:1].with_columns(session=pl.lit(last + 1000, pl.Int64))
    return {
        "a session gone": (frame.filter(pl.col("session") != 7), "validity.sessions_missing"),
        "a step gone": (pl.concat([frame[:middle], frame[middle + 1 :]]), "validity.steps_missing"),
        "a step twice, far from its own": (pl.concat([frame, frame[middle : middle + 1]]), "validity.records_twice"),
        "a stranger": (pl.concat([stranger, frame]), "validity.sessions_extra"),
        "a record of another trial's stage": (
            pl.concat([frame, frame[:1].with_columns(session=pl.lit(2**32 * 9, pl.Int64))]),
            "validity.stray_records",
        ),
        "an attempt of no step": (
            pl.concat([frame, frame[5:6].with_columns(outcome=pl.lit(int(Outcome.RETRIED), pl.Int8))]),
            "validity.attempts",
        ),
        "a null": (
            frame.with_columns(done_ns=pl.when(pl.col("session") == 9).then(None).otherwise(pl.col("done_ns"))),
            "validity.records_unreadable",
        ),
        "an end before the beginning": (
            frame.with_columns(done_ns=pl.when(pl.col("session") == 9).then(0).otherwise(pl.col("done_ns"))),
            "validity.records_unreadable",
        ),
    }


@pytest.mark.parametrize("name", spoiled(OPEN))
@pytest.mark.parametrize("order", ["by intention", "shuffled", "backwards"])
def test_what_is_wrong_is_found_in_any_order_of_many_records(name: str, order: str) -> None:
    frame, code = spoiled(OPEN)[name]
    frame = orders(frame)[order]
    with read_by(400):
        found = verdict_of(OPEN.but(records=frame))
    assert found.verdict is Verdict.INVALID
    assert code in {reason.code for reason in found.reasons}
    assert found == verdict_of(OPEN.but(records=frame))


@pytest.mark.parametrize("order", orders(OPEN.records))
def test_parts_hold_whole_sessions_and_every_record_once(order: str) -> None:
    frame = orders(OPEN.records)[order]
    with read_by(250):
        rows, _ = TrialRecords(frame).stage(0)
        parts = [part for part in rows.parts() if len(part)]
    assert len(parts) > 5
    seen = [set(part.session.tolist()) for part in parts]
    assert sum(map(len, seen)) == len(set().union(*seen))
    assert [max(one) for one in seen] == sorted(max(one) for one in seen)
    assert sum(map(len, parts)) == len(rows) == len(frame)
    assert max(map(len, parts)) <= 250


def test_of_sorted_records_each_chunk_is_read_once_in_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    frame, read = orders(OPEN.records)["by intention"], []
    original = TrialRecords._read

    def counted(self: TrialRecords, chunk: records.Chunk, index: int) -> StageColumns:
        read.append(chunk.start)
        return original(self, chunk, index)

    monkeypatch.setattr(TrialRecords, "_read", counted)
    with read_by(250):
        rows, _ = TrialRecords(frame).stage(0)
        read.clear()
        assert facts_of(rows).count == len(frame)
    assert sorted(read) == list(range(0, len(frame), 250))


def test_what_is_asked_again_is_not_read_again() -> None:
    with read_by(250):
        rows, _ = TrialRecords(OPEN.records).stage(0)
        assert facts_of(rows) is facts_of(rows)


@given(st.lists(st.tuples(st.integers(0, 2**32), st.integers(0, 2**62)), max_size=50))
def test_rows_by_session_stand_as_a_stable_sort_has_them(rows: list[tuple[int, int]]) -> None:
    session, second = (np.array([row[i] for row in rows], dtype=np.int64) for i in (0, 1))
    assert by_session(session, second).tolist() == np.lexsort((second, session)).tolist()
    few = session % 3, second % 2
    assert by_session(*few).tolist() == np.lexsort((few[1], few[0])).tolist()


def test_columns_that_a_verdict_does_not_need_are_not_read() -> None:
    assert {"bytes_in", "bytes_out", "first_byte_ns"}.isdisjoint(NEEDED)
