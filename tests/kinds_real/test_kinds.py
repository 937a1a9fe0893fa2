"""Every kind of trial for real: the healthy release passes, and each fault fails the right trial for the right reason.

Real plans (those of ``examples/kinds``), a real service in its own process, the command line as people use it.
"""

from __future__ import annotations

import json

import pytest
from tests.cli.running import seatrial
from tests.kinds_real.cases import CASES, EXAMPLES, Ended

from seatrial.authoring.yaml_plan import load_plan

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]


def of(*cases: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases)


def level(ended: Ended, name: str) -> dict[str, object]:
    return next(stage for stage in ended.trial["stages"] if stage["name"] == name)


@pytest.mark.parametrize("kind", ["load", "stress", "spike", "soak", "recovery", "scalability"])
def test_each_example_is_a_plan_of_its_kind_and_has_a_case(kind: str) -> None:
    plan = load_plan(EXAMPLES / f"{kind}.yaml").plan
    assert {trial.kind for trial in plan.trials} == {kind}
    assert kind in {case.kind for case in CASES.values()}


@of("load", "rising", "search", "spike", "soak", "overload", "fault", "sizes")
def test_the_healthy_release_passes_and_the_evidence_says_so_again(ended: Ended) -> None:
    assert (ended.code, ended.verdict) == (0, "PASS"), ended.shown
    again = seatrial("assess", ended.bundle, "--json")
    assert (again.code, again.json["trials"]) == (0, ended.document["trials"])


@of("load")
def test_each_of_three_runs_is_judged_on_its_own_draw(ended: Ended) -> None:
    stages = ended.trial["stages"]
    assert [stage["name"] for stage in stages] == ["1 P, run 1", "1 P, run 2", "1 P, run 3"]
    assert [stage["held"] for stage in stages] == [True, True, True], ended.shown


@of("load-dies")
def test_a_load_trial_fails_when_one_run_passes_and_the_service_dies_in_the_next(ended: Ended) -> None:
    assert (ended.code, ended.verdict) == (1, "FAIL"), ended.shown
    held = [stage["held"] for stage in ended.trial["stages"]]
    assert held == [True, False, False], ended.shown
    assert {"level": "1 P, run 3"} in ended.params("service.nothing_ok")
    errors = next(p for p in ended.params("objective.broken") if p["what"] == "errors")
    assert errors["level"] == "1 P, run 2"


@pytest.mark.parametrize(("case", "what"), [("load-errors", "errors"), ("load-slow", "response_quantile")])
def test_a_load_trial_names_the_limit_that_is_broken(ended: Ended, what: str) -> None:
    assert (ended.code, ended.verdict) == (1, "FAIL"), ended.shown
    assert what in {params["what"] for params in ended.params("objective.broken")}, ended.shown


@pytest.mark.parametrize(
    ("case", "how"),
    [
        ("rising", "refused"),
        ("rising-slows", "slow"),
        ("rising-hangs", "hung"),
        ("rising-errors", "errors_answered"),
    ],
)
def test_a_stress_trial_says_how_the_service_broke(ended: Ended, case: str, how: str) -> None:
    (found,) = ended.params("breakpoint.found")
    assert found["how"] == how, ended.shown
    assert ended.verdict == ("PASS" if case == "rising" else "FAIL"), ended.shown


@of("rising-collapses")
def test_a_stress_trial_says_that_goodput_fell_as_load_rose(ended: Ended) -> None:
    assert ended.verdict == "FAIL", ended.shown
    (collapse,) = ended.params("breakpoint.collapsed")
    assert float(collapse["value"]) < float(collapse["best_value"])


@of("search")
def test_a_search_finds_what_the_desks_can_do(ended: Ended) -> None:
    """Four desks at 36 ms carry 111 requests a second: 55.6 journeys of two, 2.78 P."""
    capacity = ended.trial["capacity"]
    assert 2.0 <= capacity["lower"] <= capacity["estimate"] <= capacity["upper"] <= 4.0, ended.shown
    assert len(ended.trial["stages"]) > 3  # it rose, broke, and looked between
    assert len({stage["name"] for stage in ended.trial["stages"]}) > 2


@of("search-too-low")
def test_a_search_that_starts_above_the_capacity_goes_down_and_fails(ended: Ended) -> None:
    assert (ended.code, ended.verdict) == (1, "FAIL"), ended.shown
    assert ended.trial["capacity"]["upper"] < 2, ended.shown
    assert "capacity.search_broken" in ended.codes


@of("spike")
def test_a_spike_is_survived_by_refusing_clearly(ended: Ended) -> None:
    (recovery,) = ended.trial["recovery"]
    assert (recovery["state"], recovery["name"]) == ("recovered", "burst")
    burst = next(period for stage in ended.trial["stages"] for period in stage["periods"] if period["role"] == "burst")
    assert burst["refused"] > 0, "the burst was to be more than the service can carry"
    assert "recovery.kept" in ended.codes


@of("spike-slow")
def test_a_spike_whose_backlog_takes_too_long_is_a_recovery_that_is_broken(ended: Ended) -> None:
    assert (ended.code, ended.verdict) == (1, "FAIL"), ended.shown
    assert ended.trial["recovery"][0]["state"] in ("recovered", "slow"), ended.shown
    assert {"recovery.broken", "recovery.slow"} & ended.codes, ended.shown


@of("spike-stays-down", "overload-stays-down", "fault-not-mended")
def test_a_service_that_stays_down_when_the_disturbance_is_gone_is_metastable(ended: Ended) -> None:
    assert (ended.code, ended.verdict) == (1, "FAIL"), ended.shown
    assert ended.trial["recovery"][0]["state"] == "metastable", ended.shown
    assert "recovery.metastable" in ended.codes


@of("overload")
def test_an_overload_is_recovered_from_in_time(ended: Ended) -> None:
    (recovery,) = ended.trial["recovery"]
    assert (recovery["state"], recovery["name"]) == ("recovered", "overload")
    assert recovery["back_ns"]["upper"] <= 3e9
    assert "recovery.kept" in ended.codes


@of("fault", "fault-heals")
def test_a_fault_is_recovered_from_whether_somebody_mends_it_or_it_heals(ended: Ended, case: str) -> None:
    assert ended.verdict == "PASS", ended.shown
    (recovery,) = ended.trial["recovery"]
    assert (recovery["state"], recovery["name"]) == ("recovered", "fault")
    journal = [json.loads(line) for line in (ended.bundle / "journal.jsonl").read_text().splitlines()]
    done = [event["data"]["name"] for event in journal if event["event"] == "happened"]
    assert done == (["fault", "end of fault"] if case == "fault" else ["fault"])


@of("fault-heals")
def test_what_takes_a_second_and_a_half_to_heal_is_not_recovered_from_before(ended: Ended) -> None:
    (recovery,) = ended.trial["recovery"]
    assert recovery["back_ns"]["lower"] >= 1e9, ended.shown


@of("fault-not-made")
def test_a_trial_whose_fault_could_not_be_made_says_nothing(ended: Ended) -> None:
    assert (ended.code, ended.verdict) == (4, "INVALID"), ended.shown


@of("soak-slower")
def test_a_soak_finds_answers_that_come_later_by_the_minute(ended: Ended) -> None:
    assert (ended.code, ended.verdict) == (1, "FAIL"), ended.shown
    assert [params["what"] for params in ended.params("drift.broken")] == ["response_quantile"], ended.shown
    (line,) = ended.trial["drift"]
    assert line["direction"] == "rising"


@of("soak-leaks")
def test_a_soak_finds_memory_that_is_kept_for_ever(ended: Ended) -> None:
    assert (ended.code, ended.verdict) == (1, "FAIL"), ended.shown
    (broken,) = [o for o in ended.trial["objectives"] if o["verdict"] == "FAIL"]
    assert broken["objective"] == "telemetry app.memory drift <= 20%", ended.shown


@of("sizes")
def test_each_desk_brings_as_much_as_the_first(ended: Ended) -> None:
    sizes = ended.trial["sizes"]
    assert [size["units"] for size in sizes] == [1, 2, 4]
    assert all(size["capacity"]["lower"] > 0 for size in sizes), ended.shown
    assert all(size["efficiency"]["lower"] >= 0.5 for size in sizes), ended.shown


@of("sizes-shared")
def test_desks_that_wait_for_one_another_bring_less(ended: Ended) -> None:
    assert (ended.code, ended.verdict) == (1, "FAIL"), ended.shown
    assert {"units": "4", "level": "0.4 P"} in ended.params("size.none"), ended.shown
    assert ended.trial["sizes"][-1]["efficiency"]["upper"] < 1, ended.shown
