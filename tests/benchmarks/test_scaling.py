"""Two workers against one: what may be said."""

from __future__ import annotations

import pytest
from benchmarks.scaling import Scaling, cores_for
from hypothesis import given
from hypothesis import strategies as st


def test_a_worker_has_a_core_of_its_own_where_there_are_enough():
    assert cores_for((0, 1, 2, 3), 1) == (1,)
    assert cores_for((0, 1, 2, 3), 2) == (1, 2)
    assert cores_for((4, 6), 1) == (6,)
    assert cores_for((4, 6), 2) == (4, 6)  # one of them is the server's


@given(cost_us=st.floats(1, 500), server_us=st.floats(0, 500))
def test_workers_that_share_nothing_scale_by_two_and_fill_two_cores_with_their_server(cost_us: float, server_us: float):
    alone, together = 1e6 / cost_us, 2e6 / (cost_us + server_us)
    found = Scaling(False, alone, together, cost_us, cost_us, server_us, cost_us)
    assert found.by_cost == pytest.approx(2)
    assert found.as_document()["share_of_ceiling"] == pytest.approx(1)


def test_a_request_that_gets_dearer_with_a_second_worker_costs_the_ratio():
    found = Scaling(True, 40_000, 72_000, 20.0, 25.0, 8.0, 21.0)
    assert found.measured == pytest.approx(1.8)
    assert found.by_cost == pytest.approx(1.6)
    assert "stands" in found.as_document()["meaning"]


def test_on_two_cores_the_measured_ratio_is_not_called_the_generators():
    assert "no ratio of the generator" in Scaling(False, 1, 1, 1, 1, 1, 1).as_document()["meaning"]


def test_a_rate_of_nothing_is_no_measurement():
    with pytest.raises(ValueError, match="nothing was measured"):
        Scaling(True, 0, 1, 1, 1, 1, 1)
