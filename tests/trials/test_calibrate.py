"""A calibration finds what a generator can offer: the search with made generators, the rest with the real one."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.running import POLICY, seatrial

from seatrial.authoring.policies import load_policy
from seatrial.cli.calibrate import _print_case
from seatrial.clock import ManualClock
from seatrial.engine.null_server import NullServer
from seatrial.errors import UsageError
from seatrial.evidence.recompute import recompute
from seatrial.model.calibration import Calibration, CalibrationCase, CalibrationLimits
from seatrial.model.sample import NEVER
from seatrial.trials.calibrate import CASES, Probe, calibrate, prove, search
from seatrial.units import MS

LIMITS = CalibrationLimits(generator_cpu=0.7, send_lag_p99_ns=10 * MS, unsent=0.0)
HELD = Probe(100.0, 100, 0, 0, 0.2, 2e7, 0.1, 100_000, MS)


@dataclass
class Generator:
    """Uses a fixed share of its core, and ``session_us`` for each session; sends late above ``late_from``."""

    session_us: float = 50.0
    idle: float = 0.1
    late_from: float = 1e9
    offered: list[float] = field(default_factory=list)

    def __call__(self, rate: float) -> Probe:
        self.offered.append(rate)
        cpu = self.idle + rate * self.session_us / 1e6
        late = 50 * MS if rate > self.late_from else MS
        return replace(HELD, rate=rate, steps=max(1, int(rate)), cpu=cpu, lag_p99_ns=late)

    @property
    def limit(self) -> float:
        return min((LIMITS.generator_cpu - self.idle) / self.session_us * 1e6, self.late_from)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({}, None),
        ({"steps": 0}, "unsent"),
        ({"lag_p99_ns": NEVER}, "unsent"),
        ({"unsent": 1}, "unsent"),
        ({"cpu": 0.7}, "cpu"),
        ({"cpu": 0.6999}, None),
        ({"lag_p99_ns": 10 * MS}, None),
        ({"lag_p99_ns": 10 * MS + 1}, "send lag"),
        ({"not_ok": 1}, "answers"),
    ],
)
def test_a_rate_holds_only_when_every_rule_is_kept(changes: dict[str, int], rule: str | None) -> None:
    assert replace(HELD, **changes).broken(LIMITS) == rule  # type: ignore[arg-type]


@given(
    session_us=st.floats(5, 2000), idle=st.floats(0, 0.5), late_from=st.floats(50, 1e5), first_rate=st.floats(100, 4000)
)
def test_what_is_found_lies_close_below_the_generator_s_limit(
    session_us: float, idle: float, late_from: float, first_rate: float
) -> None:
    generator = Generator(session_us, idle, late_from)
    rate, stopped = search(generator, LIMITS, first_rate, 40)
    best, rule = prove(generator, LIMITS, rate, stopped, 40)
    assert best is not None
    assert best.rate <= generator.limit * (1 + 1e-9)
    assert best.rate >= generator.limit * 0.79 or best.rate == 200_000
    full = (0.7 - idle) / session_us * 1e6
    close = 0.79 < late_from / full < 1 / 0.79  # then a single step of the search may go beyond both
    assert rule == ("send lag" if late_from < full else "cpu") or close or best.rate >= 1e5


@pytest.mark.parametrize("session_us", [10.0, 60.0, 400.0])
def test_a_few_rates_are_enough(session_us: float) -> None:
    generator = Generator(session_us)
    rate, stopped = search(generator, LIMITS, 2000, 6)
    best, _ = prove(generator, LIMITS, rate, stopped, 5)
    assert best is not None
    assert best.rate >= generator.limit * 0.8
    assert len(generator.offered) <= 11


def test_a_rate_that_holds_for_a_moment_only_is_not_proven() -> None:
    wears_out = Generator(late_from=5000)
    best, stopped = prove(wears_out, LIMITS, 8000, "cpu", 5)
    assert best is not None
    assert wears_out.offered == pytest.approx([8000, 6400, 5120, 4096])
    assert (best.rate, stopped) == (pytest.approx(4096), "send lag")


def test_a_proof_that_nothing_broke_above_goes_on_rising_until_a_rule_breaks() -> None:
    generator = Generator()  # its limit lies at 12,000
    best, stopped = prove(generator, LIMITS, 8000, "time", 5)
    assert best is not None
    assert generator.offered == pytest.approx([8000, 10_000, 12_500])
    assert (best.rate, stopped) == (pytest.approx(10_000), "cpu")


def test_a_generator_that_keeps_no_rule_proves_nothing() -> None:
    broken = Generator(late_from=0)
    rate, stopped = search(broken, LIMITS, 900, 3)
    assert broken.offered == pytest.approx([900, 300, 100])
    assert (rate, stopped) == (pytest.approx(100 / 3), "send lag")
    assert prove(broken, LIMITS, rate, stopped, 3) == (None, "send lag")


@pytest.mark.parametrize(("workers", "seconds"), [(0, 30), (1, 0), (1, float("nan"))])
def test_no_workers_and_no_time_are_refused(workers: int, seconds: float) -> None:
    with pytest.raises(UsageError, match="needs workers, time and a case"):
        calibrate(workers, seconds, load_policy("default").policy, ManualClock())


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Calibration:
    """The real generator, one case, rules that a busy machine of many tests can keep as well."""
    file = tmp_path_factory.mktemp("policy") / "policy.yaml"
    file.write_text(POLICY)
    told: list[CalibrationCase] = []
    found = calibrate(1, 3, load_policy(str(file)).policy, ManualClock(), told.append, CASES[3:])
    assert tuple(told) == found.cases
    return found


def test_the_real_generator_is_measured_against_a_server_of_its_own(measured: Calibration) -> None:
    (case,) = measured.cases
    assert (case.requests, case.connections) == (3, "shared")
    assert case.sessions_per_s > 100
    assert case.steps_per_s == pytest.approx(3 * case.sessions_per_s, rel=0.01)
    assert case.cpu_us_per_request is not None
    assert 1 < case.cpu_us_per_request < 2000
    assert case.send_lag_p50_ns is not None
    assert case.send_lag_p99_ns is not None
    assert 0 <= case.send_lag_p50_ns <= case.send_lag_p99_ns
    timing = measured.timing
    assert timing.requests >= 20
    assert timing.held_p50_ns is not None
    # Whoever waits for a server can't report less than it waited.
    assert timing.reported_p50_ns >= timing.delay_ns == 20 * MS
    assert timing.error_ns == timing.reported_p50_ns - timing.delay_ns


def test_it_says_where_it_was_measured_as_the_environment_of_a_run_does(measured: Calibration) -> None:
    assert (measured.host, measured.cores) == (platform.node(), len(os.sched_getaffinity(0)))
    assert measured.measured_at == "2026-01-01T07:00:00Z"
    assert (measured.workers, measured.proof_s) == (1, 0.3)


PLAN = """\
seatrial: 1
title: Against nothing
target: TARGET
demand: {peak: 25/s}
journeys:
  visit: {steps: [{get: /a, name: look}, {pause: 40ms}, {get: /b, name: again}]}
connections: shared
trials:
  - kind: load
    at: 1 P
    for: 22s
    objectives: [p50 response time <= 1s, errors <= 20%]
"""


@pytest.mark.real
def test_a_real_run_keeps_little_s_law_and_cites_its_calibration(tmp_path: Path, measured: Calibration) -> None:
    calibration, policy = tmp_path / "c.json", tmp_path / "policy.yaml"
    calibration.write_text(measured.model_dump_json())
    policy.write_text(POLICY)
    with NullServer(30 * MS) as server:
        plan = tmp_path / "plan.yaml"
        plan.write_text(PLAN.replace("TARGET", server.url))
        options = ("--workers", 1, "--policy", policy, "--calibration", calibration, "--json")
        done = seatrial("run", plan, "--out", tmp_path / "bundle", *options)
    assert done.code == 0, done.out + done.err
    codes = [reason["code"] for reason in done.json["trials"][0]["reasons"]]
    assert codes == ["objective.kept", "objective.kept", "generator.proven"]
    bundle = tmp_path / "bundle"
    assert (bundle / "calibration.json").read_bytes() == calibration.read_bytes()
    assert "calibration.json" in (bundle / "manifest.json").read_text()
    # The same bundle with health rows that lost sessions contradicts itself.
    import polars as pl

    (rows,) = (bundle / "health").glob("*.parquet")
    honest = pl.read_parquet(rows)
    assert np.mean(honest["sessions"].to_numpy()) > 1
    honest.with_columns(pl.lit(0).cast(pl.Int32).alias("sessions")).write_parquet(rows)
    (reason,) = recompute(bundle).trials[0].reasons
    assert reason.code == "validity.littles_law"


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "can't be read"), ("{", "is not JSON"), ('{"format": "seatrial-calibration/1"}', "this is no calibration")],
)
def test_a_run_that_cites_no_calibration_at_all_does_not_begin(tmp_path: Path, content: str | None, said: str) -> None:
    file, plan = tmp_path / "c.json", tmp_path / "plan.yaml"
    plan.write_text(PLAN.replace("TARGET", "http://127.0.0.1:1"))
    if content is not None:
        file.write_text(content)
    done = seatrial("run", plan, "--out", tmp_path / "bundle", "--calibration", file)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert not (tmp_path / "bundle").exists()


@pytest.mark.real
def test_the_command_prints_and_writes_what_it_measured(tmp_path: Path) -> None:
    refused = seatrial("calibrate", "--out", tmp_path / "no" / "c.json")
    assert (refused.code, refused.out) == (2, "")
    done = seatrial("calibrate", "--workers", 1, "--seconds", 15, "--out", tmp_path / "c.json", "--json")
    assert done.code == 0, done.err
    assert json.loads((tmp_path / "c.json").read_text()) == done.json
    found = Calibration.model_validate(done.json)
    assert [(case.requests, case.connections) for case in found.cases] == [
        (1, "session"), (1, "shared"), (3, "session"), (3, "shared"),
    ]  # fmt: skip
    assert done.seconds < 60


def test_people_read_what_was_proven_and_what_was_not(capsys: pytest.CaptureFixture[str]) -> None:
    proven = CalibrationCase(
        requests=3, connections="shared", sessions_per_s=4000.0, steps_per_s=12000.0, stopped_by="send lag",
        cpu_us_per_request=18.25, generator_cpu=0.61, server_cpu=0.2, send_lag_p50_ns=90_000, send_lag_p99_ns=2 * MS,
    )  # fmt: skip
    _print_case(proven)
    said = capsys.readouterr().out
    assert "sessions of 3 requests, shared connections" in said
    assert "12,000 requests/s in 4,000 sessions/s; more was sent late" in said
    assert "18.2 µs of CPU per request; busiest worker 61 % of its time, null server 20 %" in said
    assert "send lag p50 90 µs, p99 2 ms" in said
    nothing = {"sessions_per_s": 0.0, "steps_per_s": 0.0, "cpu_us_per_request": None, "requests": 1}
    _print_case(proven.model_copy(update=nothing | {"send_lag_p50_ns": None, "send_lag_p99_ns": None}))
    assert (
        capsys.readouterr().out == "sessions of 1 request, shared connections\n  no rate held: more was sent late\n\n"
    )
