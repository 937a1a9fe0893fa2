"""Each simulated service against the answer that it is known to have."""

from __future__ import annotations

import numpy as np
import pytest
from tests.truth.cases import recovery
from tests.truth.services import aging, clients, exact, queues
from tests.verdict.made import Int64, Law, make, plan_of, stress

from seatrial.model.profile import Stage
from seatrial.units import MS, SECOND

COUNT = 150_000
STAGE: Stage = plan_of(stress("errors <= 5%")).trials[0].stages(0, plan_of(stress("errors <= 5%")))[0]


def poisson(rate: float, count: int = COUNT, seed: int = 1) -> Int64:
    return np.cumsum(np.random.default_rng(seed).exponential(SECOND / rate, count)).astype(np.int64)


def served(law: Law, rate: float, count: int = COUNT, seed: int = 2) -> np.ndarray:
    """Return response times in seconds, the first tenth left out, while the queue comes into balance."""
    at = poisson(rate, count, 100 + seed)
    return np.asarray(law(at, STAGE, np.random.default_rng(seed)).wait_ns)[count // 10 :] / SECOND


QUEUES = {
    "mm1": (queues.mm1(50), exact.mm1_tail(30, 50)),
    "md1": (queues.md1(50), exact.md1_tail(30, 50)),
    "mm4": (queues.mmc(12.5, 4), exact.mmc_tail(30, 12.5, 4)),
    "sharing": (queues.processor_sharing(50), exact.sharing_tail(30, 50)),
}


@pytest.mark.parametrize("name", QUEUES)
@pytest.mark.parametrize("quantile", [0.5, 0.95, 0.99])
def test_a_queue_s_percentiles_are_those_of_theory(name: str, quantile: float) -> None:
    law, tail = QUEUES[name]
    theory = exact.quantile_of(tail, quantile, 0.05)
    assert np.quantile(served(law, 30), quantile) == pytest.approx(theory, rel=0.04)


@pytest.mark.parametrize("name", QUEUES)
def test_the_tail_in_theory_has_the_mean_in_theory(name: str) -> None:
    """The mean is the integral of the tail; Pollaczek and Khinchine's, Erlang's, and 1/(m - l) for the other two."""
    times = np.linspace(0, 2, 8001)
    area = np.trapezoid([QUEUES[name][1](t) for t in times], times) if name != "md1" else md1_area()
    waits = exact.erlang_c(30, 12.5, 4) / (50 - 30) + 1 / 12.5
    means = {"mm1": 1 / 20, "sharing": 1 / 20, "mm4": waits, "md1": 0.02 + 0.6 * 0.02 / (2 * 0.4)}
    assert area == pytest.approx(means[name], rel=1e-4)


def md1_area() -> float:
    times = np.linspace(0.02, 0.5, 961)
    return 0.02 + float(np.trapezoid([QUEUES["md1"][1](t) for t in times], times))


def test_one_server_of_many_is_a_queue_of_one_server() -> None:
    for t in (0.01, 0.1, 0.3):
        assert exact.mmc_tail(30, 50, 1)(t) == pytest.approx(exact.mm1_tail(30, 50)(t))


def test_processor_sharing_by_hand() -> None:
    """Two jobs of 2 s at 0 and 1: alone for one second, then half a server each."""
    at, work = np.array([0, SECOND]), np.array([2.0, 2.0]) * SECOND
    assert queues.shared(at, work) / SECOND == pytest.approx([3, 4])


def test_the_load_at_which_a_percentile_meets_its_limit_is_found() -> None:
    found = exact.load_at(lambda rate: exact.quantile_of(exact.mm1_tail(rate, 50), 0.95, 0.05), 0.3, 50)
    assert found == pytest.approx(50 - np.log(20) / 0.3)


def test_a_bounded_queue_refuses_and_admits_as_erlang_says() -> None:
    answers = queues.bounded(50, 8)(poisson(45), STAGE, np.random.default_rng(30))
    refused = np.asarray(answers.status) == 503
    assert refused.mean() == pytest.approx(exact.blocking(45, 50, 8), rel=0.06)
    admitted = np.asarray(answers.wait_ns)[~refused] / SECOND
    theory = exact.quantile_of(exact.bounded_tail(45, 50, 8), 0.95, 0.05)
    assert np.quantile(admitted, 0.95) == pytest.approx(theory, rel=0.02)


def test_a_freeze_has_the_percentiles_of_even_waiting() -> None:
    times = served(aging.freezing(20 * MS, SECOND, 10 * SECOND), 50)
    for quantile in (0.5, 0.95, 0.99):
        assert np.quantile(times, quantile) == pytest.approx(exact.freeze_quantile(0.02, 1, 10, quantile), rel=0.03)


def test_a_leak_slows_every_percentile_in_a_straight_line() -> None:
    at = poisson(50, 2 * COUNT)
    law = aging.leaking(100, 50, 1.0, int(at[-1]))
    times = np.asarray(law(at, STAGE, np.random.default_rng(40)).wait_ns) / SECOND
    quarters = [np.median(part) for part in np.array_split(times, 4)]
    assert quarters == pytest.approx([np.log(2) / 50 * (1 + part) for part in (1 / 8, 3 / 8, 5 / 8, 7 / 8)], rel=0.04)


def test_memory_grows_by_what_it_is_said_to() -> None:
    at = np.arange(0, 7200 * SECOND, SECOND)
    slope, begin = np.polyfit(at / (7200 * SECOND), aging.memory(at, 1e9, 0.2, 7200 * SECOND, 0.01, 1), 1)
    assert (begin, slope) == (pytest.approx(1e9, rel=0.005), pytest.approx(2e8, rel=0.03))


def test_independent_retries_multiply_the_load_as_the_series_says() -> None:
    """Without a queue each try is late with probability exp(-m patience), whatever the others do."""
    at, rng = poisson(50), np.random.default_rng(50)
    result = clients.storm(at, rng.exponential(20 * MS, (len(at), 3)), 20 * MS, 3, one_server=False)
    late = np.exp(-1)
    assert result.attempts.mean() == pytest.approx(exact.attempts_each(late, 3), rel=0.01)
    assert 1 - result.ok.mean() == pytest.approx(late**3, rel=0.05)


def test_with_endless_patience_a_storm_is_a_plain_queue() -> None:
    at, rng = poisson(30, 5000), np.random.default_rng(60)
    work = rng.exponential(20 * MS, (len(at), 3))
    result = clients.storm(at, work, np.inf, 3)
    assert result.attempts.max() == 1
    assert result.wait_ns == pytest.approx(queues.first_come(at, work[:, 0]) - at)


@pytest.mark.parametrize(("tries", "recovers"), [(1, True), (2, False)])
def test_after_an_overload_a_storm_lasts_if_and_only_if_the_retries_alone_are_too_much(
    tries: int, recovers: bool
) -> None:
    """40/s of 60/s; a minute of 120/s; then 40/s again. Tried twice, 80/s is too much for ever; once, it is not."""
    parts = [(0, 60, 40), (60, 120, 120), (120, 600, 40)]
    at = np.sort(np.concatenate([np.arange(a * SECOND, b * SECOND, SECOND // rate) for a, b, rate in parts]))
    result = clients.storm(at, np.full((len(at), tries), SECOND / 60), 2 * SECOND, tries)
    last = at > 500 * SECOND
    assert result.ok[at < 60 * SECOND].all()
    assert result.ok[last].all() if recovers else not result.ok[last].any()
    if not recovers:
        assert (result.attempts[last] == tries).all()


def test_a_stampede_fetches_as_often_as_expected() -> None:
    over, shares = 60, []
    for seed in range(20):
        at = np.sort(np.random.default_rng(seed).integers(0, over * SECOND, 100 * over))
        key = np.random.default_rng(100 + seed).integers(0, 200, len(at))
        shares.append(clients.misses(at, key, 200, 2 * SECOND).mean())
    assert np.mean(shares) == pytest.approx(exact.stampede_share(200, 100, 2, over), rel=0.02)


def test_a_backlog_is_worked_off_when_the_balance_of_rates_says() -> None:
    made = make(recovery._plan(["recovery time <= 1m"], 1), queues.md1(60), seed=2)
    assert recovery._last_bad_s(made) == pytest.approx(recovery.drained_s(60), rel=0.1)
    assert recovery.drained_s(60) == 174
