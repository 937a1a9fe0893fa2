"""From samples to requests a second and CPU time a request."""

from __future__ import annotations

import pytest
from benchmarks.trials import below_saturation, bottleneck
from benchmarks.window import Sample, spread, steady
from hypothesis import given
from hypothesis import strategies as st


def samples(start_up_s: float, busy_s: float, rps: int, cpu_us: float, report_s: float) -> list[Sample]:
    """Return looks 0.1 s apart at a tool that starts up, works evenly and reports, at full CPU throughout."""
    looks = []
    for tenth in range(round((start_up_s + busy_s + report_s) * 10) + 1):
        at_s = tenth / 10
        worked = min(max(at_s - start_up_s, 0.0), busy_s)
        idle = at_s - worked
        requests = round(worked * rps)
        cpu_s = idle + requests * cpu_us / 1e6
        looks.append(Sample(100 + at_s, 7 + requests, cpu_s, worked / 2, worked / 100, cpu_s + worked / 4))
    return looks


@given(start_up_s=st.floats(0, 3), rps=st.integers(100, 100_000), cpu_us=st.floats(1, 500), report_s=st.floats(0, 3))
def test_start_up_and_report_of_a_tool_do_not_enter(start_up_s: float, rps: int, cpu_us: float, report_s: float):
    part = steady(samples(start_up_s, 5.0, rps, cpu_us, report_s))
    assert part.rps == pytest.approx(rps, rel=0.01)
    assert part.cpu_us == pytest.approx(cpu_us, rel=0.01)
    assert part.server_share == pytest.approx(0.5, rel=0.01)
    assert part.others_share == pytest.approx(0.25, rel=0.01)
    assert part.steal_share == pytest.approx(0.01, rel=0.01)


def test_a_tool_that_sent_nothing_has_no_numbers():
    with pytest.raises(ValueError, match="saw no request"):
        steady([Sample(at / 10, 5, at / 10, 0, 0, 0) for at in range(50)])
    with pytest.raises(ValueError, match="saw no request"):
        steady([])


def test_a_run_that_is_too_short_has_no_numbers():
    with pytest.raises(ValueError, match="only 2 samples"):
        steady([Sample(at / 10, at, at, 0, 0, 0) for at in range(4)])


def test_repeats_are_told_by_their_median_and_their_ends():
    told = spread([3.0, 1.0, 10.0])
    assert (told.median, told.least, told.most) == (3.0, 1.0, 10.0)
    with pytest.raises(ValueError, match="no repeats"):
        spread([])


@pytest.mark.parametrize(
    ("client", "server", "others", "told"),
    [
        (0.97, 0.50, 0.01, "client"),
        (0.50, 0.97, 0.01, "server"),
        (0.97, 0.97, 0.00, "client and server"),
        (0.60, 0.40, 0.01, "neither"),
        (0.94, 0.97, 0.06, "disturbed"),
    ],
)
def test_a_rate_is_the_generators_own_only_where_it_had_its_core_and_used_it(client, server, others, told):
    assert bottleneck(client, server, others) == told


def test_who_answered_all_that_was_offered_was_not_at_its_limit():
    assert below_saturation({"offered_rps": 10_000.0, "answered_rps": 9_950.0})
    assert not below_saturation({"offered_rps": 10_000.0, "answered_rps": 9_600.0})
    assert not below_saturation({})  # a tool that is offered nothing goes as fast as it can
