"""Attempts that were retried beside the record of their step: the same parts whatever the order of the spool."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

from seatrial.engine.recorder import Recorder
from seatrial.model.sample import Outcome
from seatrial.samples.merge import merge_stage

ROWS = [
    (0, 1, 7, 1000, 1000, -1, 1100, Outcome.RETRIED, 0, 10, 0),
    (0, 1, 7, 1100, 1100, -1, 1200, Outcome.RETRIED, 0, 10, 0),
    (0, 1, 7, 1000, 1000, 1250, 1260, Outcome.OK, 200, 10, 90),
    (0, 2, 7, 1300, 1300, 1350, 1360, Outcome.OK, 200, 10, 90),
    (0, 2, 7, 1300, 1300, 1350, 1360, Outcome.HTTP_ERROR, 404, 10, 90),  # two resources of a page, at once
]


def test_attempts_stand_before_their_step_whatever_the_order_in_which_they_were_written(tmp_path: Path) -> None:
    merged = set()
    for number, rows in enumerate(permutations(ROWS)):
        spool = tmp_path / f"{number}.rows"
        recorder = Recorder(spool)
        for row in rows:
            recorder.add(*row)
        recorder.close()
        frame = merge_stage([spool], tmp_path / str(number), 0)
        merged.add((tuple(frame["outcome"]), tuple(frame["intended_ns"])))
    outcomes = (Outcome.RETRIED, Outcome.OK, Outcome.RETRIED, Outcome.OK, Outcome.HTTP_ERROR)
    assert merged == {(outcomes, (1000, 1000, 1100, 1300, 1300))}
