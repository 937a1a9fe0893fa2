"""What a cited calibration says of a trial: proven, not proven, or not of this generator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.verdict.made import DIGEST, POLICY, Made, constant, health, load, make, plan_of, stress

from seatrial.evidence.recompute import recompute
from seatrial.model.calibration import Calibration
from seatrial.model.journal import Event, EventKind
from seatrial.model.plan import plan_document, trial_slug
from seatrial.model.verdict import RunVerdict, TrialVerdict, Verdict
from seatrial.units import MS
from seatrial.verdict.calibration import Calibrated, OfferedLoad, read_calibration, weigh
from seatrial.verdict.judge import judge, judge_trial

PLAN = plan_of(load("errors <= 5%"), steps=("sign in", "list", "book"), arrivals="even")
GOOD = make(PLAN, constant(20 * MS))
MACHINE = {"host": "pier", "processor": "A Processor", "cores": 2, "workers": 1, "seatrial": "0.1.0"}


def case(sessions: float, steps: float, connections: str = "session") -> dict[str, Any]:
    figures = {"cpu_us_per_request": 20.0, "generator_cpu": 0.6, "server_cpu": 0.3}
    lag = {"send_lag_p50_ns": 100_000, "send_lag_p99_ns": 2_000_000}
    rates = {"sessions_per_s": float(sessions), "steps_per_s": float(steps), "stopped_by": "cpu"}
    return {"requests": 3, "connections": connections} | rates | figures | lag


def document(*cases: dict[str, Any], **changes: Any) -> dict[str, Any]:
    whole = {
        "format": "seatrial-calibration/1",
        "measured_at": "2026-11-23T07:00:00Z",
        "python": "3.11.2",
        "platform": "Linux",
        "memory_bytes": 2**33,
        "proof_s": 1.4,
        "limits": {"generator_cpu": 0.7, "send_lag_p99_ns": 10 * MS, "unsent": 0.0},
        "cases": list(cases) or [case(64, 192)],
        "timing": {
            "delay_ns": 20 * MS, "held_p50_ns": 20 * MS, "reported_p50_ns": 20 * MS + 1, "error_ns": 1, "requests": 200,
        },
    }  # fmt: skip
    return json.loads(json.dumps(whole | MACHINE | changes))


def judged(calibrated: Calibrated | None, made: Made = GOOD) -> TrialVerdict:
    return judge_trial(made.plan, DIGEST, POLICY, made.data, calibrated)


def cited(*cases: dict[str, Any], **changes: Any) -> Calibrated:
    return read_calibration(document(*cases, **changes), MACHINE)


def test_a_proven_generator_is_said_to_be_so_and_the_verdict_stays_what_it_was() -> None:
    without = judged(None)
    verdict = judged(cited(case(64, 192)))
    assert verdict.verdict is without.verdict is Verdict.PASS
    assert verdict.reasons[:-1] == without.reasons
    assert verdict.reasons[-1].code == "generator.proven"
    assert verdict.reasons[-1].text.startswith("The generator was proven at 1.6 × the load of 1 P")
    assert "40 and 120" in verdict.reasons[-1].text


@pytest.mark.parametrize(("sessions", "steps"), [(39, 1000), (1000, 119), (0, 0)])
def test_a_calibration_below_the_load_in_sessions_or_in_steps_is_invalid(sessions: float, steps: float) -> None:
    verdict = judged(cited(case(sessions, steps)))
    assert verdict.verdict is Verdict.INVALID
    assert [reason.code for reason in verdict.reasons] == ["validity.calibration_low"]


def test_one_case_must_prove_both_rates_at_once() -> None:
    apart = cited(case(1000, 100), case(30, 1000))
    assert judged(apart).verdict is Verdict.INVALID
    assert judged(cited(case(1000, 100), case(40, 120))).verdict is Verdict.PASS


def test_a_case_with_other_connections_proves_nothing() -> None:
    verdict = judged(cited(case(1000, 3000, "shared")))
    assert [reason.code for reason in verdict.reasons] == ["validity.calibration_lacks"]
    shared = plan_of(load("errors <= 5%"), steps=("sign in",), connections="shared")
    assert judged(cited(case(1000, 3000, "shared")), make(shared, constant(MS))).verdict is Verdict.PASS


@pytest.mark.parametrize("name", sorted(MACHINE))
def test_a_calibration_of_another_machine_proves_nothing(name: str) -> None:
    other = 7 if isinstance(MACHINE[name], int) else "another"
    for calibrated in (cited(**{name: other}), read_calibration(document(), {**MACHINE, name: None})):
        (reason,) = judged(calibrated).reasons
        assert (reason.code, reason.params["name"]) == ("validity.calibration_other", name)
        assert judged(calibrated).verdict is Verdict.INVALID


@pytest.mark.parametrize(
    "limits",
    [{"generator_cpu": 0.71}, {"send_lag_p99_ns": 10 * MS + 1}, {"unsent": 0.0051}],
)
def test_a_calibration_under_looser_rules_than_the_policy_s_proves_nothing(limits: dict[str, float]) -> None:
    kept = {"generator_cpu": 0.7, "send_lag_p99_ns": 10 * MS, "unsent": 0.005}
    assert judged(cited(limits=kept)).verdict is Verdict.PASS
    assert [reason.code for reason in judged(cited(limits=kept | limits)).reasons] == ["validity.calibration_rules"]


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        ({"format": "seatrial-calibration/2"}, "format"),
        ({"cases": []}, "cases"),
        ({"cases": [case(1, 1) | {"sessions_per_s": -1.0}]}, "cases.0.sessions_per_s"),
        ({"cores": 0}, "cores"),
        ({"mood": "good"}, "mood"),
    ],
)
def test_a_malformed_calibration_is_invalid_and_says_where(wrong: dict[str, Any], part: str) -> None:
    (reason,) = judged(cited(**wrong)).reasons
    assert (reason.code, reason.params["part"]) == ("validity.calibration_unreadable", part)
    assert judged(read_calibration([], MACHINE)).verdict is Verdict.INVALID


def test_of_a_stress_trial_the_highest_level_decides() -> None:
    plan = plan_of(stress("errors <= 5%", to="2 P"), arrivals="even")
    made = make(plan, constant(MS))
    proven = judged(cited(case(88, 88)), made)
    assert proven.reasons[-1].params["level"] == "2 P"
    assert proven.reasons[-1].params["times"] == "1.1"
    assert judged(cited(case(79, 79)), made).verdict is Verdict.INVALID


def test_a_trial_that_is_invalid_anyway_is_not_said_to_be_proven() -> None:
    busy = GOOD.but(health=health(GOOD.stages, cpu=0.9, of=GOOD.records))
    assert [reason.code for reason in judged(cited(), busy).reasons] == ["validity.cpu"]


@given(sessions=st.floats(0.1, 1e4), each=st.floats(1, 20), proven=st.floats(0, 1e5), steps=st.floats(0, 1e6))
def test_what_is_said_to_be_proven_is_never_more_than_was_offered(
    sessions: float, each: float, proven: float, steps: float
) -> None:
    wrong, said = weigh(PLAN, POLICY, cited(case(proven, steps)), [OfferedLoad("1 P", sessions, sessions * each)])
    assert bool(wrong) is not bool(said)
    if said is not None:
        times = float(said.params["times"].replace(",", ""))
        assert times >= 1
        assert times * sessions <= proven * (1 + 1e-9)
        assert times * sessions * each <= steps * (1 + 1e-9)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / "plan.json").write_text(json.dumps(plan_document(PLAN)))
    (tmp_path / "policy.json").write_text(json.dumps(POLICY.as_document()))
    (tmp_path / "environment.json").write_text(json.dumps({"plan_digest": DIGEST, **MACHINE}))
    log, slug = GOOD.stages[0], trial_slug(0, PLAN.trial_names()[0])
    facts = {"load_end_ns": log.load_end_ns, "drained_ns": log.drained_ns, "sessions": log.sessions}
    events = [
        Event(at_ns=1, event=EventKind.TRIAL_STARTED, trial=0, data={"workers": 1}),
        Event(at_ns=log.started_ns, event=EventKind.STAGE_STARTED, trial=0, stage=0),
        Event(at_ns=log.drained_ns or 0, event=EventKind.STAGE_ENDED, trial=0, stage=0, data=facts),
        Event(at_ns=10, event=EventKind.TRIAL_ENDED, trial=0),
    ]
    (tmp_path / "journal.jsonl").write_text("".join(event.line() for event in events))
    for folder in ("health", f"records/{slug}"):
        (tmp_path / folder).mkdir(parents=True)
    GOOD.health.write_parquet(tmp_path / "health" / f"{slug}.parquet")
    GOOD.records.write_parquet(tmp_path / "records" / slug / "part-0000.parquet")
    return tmp_path


def codes(verdict: RunVerdict) -> list[str]:
    return [reason.code for reason in verdict.trials[0].reasons]


def test_the_bundle_s_calibration_enters_the_recomputed_verdict(bundle: Path) -> None:
    without = recompute(bundle)
    assert without == judge(PLAN, DIGEST, POLICY, [GOOD.data])
    assert codes(without) == ["objective.kept"]
    file = bundle / "calibration.json"
    file.write_text(json.dumps(document()))
    assert codes(recompute(bundle)) == ["objective.kept", "generator.proven"]
    file.write_text(json.dumps(document(cores=64)))
    assert codes(recompute(bundle)) == ["validity.calibration_other"]
    file.write_text("{")
    assert codes(recompute(bundle)) == ["validity.calibration_unreadable"]
    file.unlink()
    file.symlink_to(bundle / "nowhere")
    assert codes(recompute(bundle)) == ["validity.calibration_unreadable"]


def test_a_calibration_reads_back_as_it_was_written() -> None:
    found = Calibration.model_validate(document())
    assert Calibration.model_validate(json.loads(found.model_dump_json())) == found
