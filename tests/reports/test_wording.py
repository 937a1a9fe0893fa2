"""Figures against their limits, in words and as drawn."""

from __future__ import annotations

from seatrial.model.verdict import Bounded, ObjectiveResult, Reason, Retries, TrialVerdict, Verdict
from seatrial.reports.texts import say_in
from seatrial.reports.wording import bounds, gauge, measured, measured_of, objective_text, relied_on, retries_line

EN, ZH = say_in("en"), say_in("zh-Hant")


def result(objective: str, unit: str, limit: float, *value: float | None, verdict: str = "PASS") -> ObjectiveResult:
    bounded = Bounded(estimate=value[0], lower=value[1], upper=value[2])
    return ObjectiveResult(
        objective=objective,
        verdict=Verdict(verdict),
        value=bounded,
        limit=limit,
        unit=unit,
        samples=9,  # type: ignore[arg-type]
    )


def test_the_limit_stands_at_the_same_place_and_the_figure_on_the_side_that_the_verdict_says() -> None:
    kept = gauge(result("p95 response time <= 2s", "ns", 2e9, 1e9, 0.9e9, 1.2e9), EN)
    broken = gauge(result("p95 response time <= 2s", "ns", 2e9, 3e9, 2.5e9, None, verdict="FAIL"), EN)
    few = gauge(result("goodput >= 99% of offered", "share", 0.99, 0.98, 0.97, 0.985, verdict="FAIL"), EN)
    capacity = gauge(result("capacity >= 2.0 P", "P", 2.0, 3.0, 3.0, None), EN)
    assert kept and broken and few and capacity
    assert kept.limit == broken.limit == few.limit == capacity.limit
    assert kept.dot is not None and kept.low <= kept.dot <= kept.high < kept.limit
    assert broken.dot is not None and broken.breaks_right and broken.dot > broken.limit and broken.high == 100
    assert few.breaks_right and few.low > few.limit
    assert capacity.dot is not None and not capacity.breaks_right and capacity.dot > capacity.limit


def test_a_figure_hidden_by_unanswered_steps_is_drawn_as_an_open_bound() -> None:
    hidden = gauge(result("p95 response time <= 2s", "ns", 2e9, None, 30e9, None, verdict="FAIL"), EN)
    assert hidden and hidden.dot is None and hidden.limit < hidden.low < hidden.high == 100


def test_a_limit_of_no_errors_at_all_can_be_drawn() -> None:
    none = gauge(result("errors <= 0%", "share", 0.0, 0.0, 0.0, 0.0), EN)
    some = gauge(result("errors <= 0%", "share", 0.0, 0.01, 0.005, 0.02, verdict="FAIL"), EN)
    assert none and some and none.dot == 0 and some.dot == 100


def test_nothing_measured_is_never_drawn_and_never_a_figure() -> None:
    nothing = result("errors <= 1%", "share", 0.01, None, None, None, verdict="INCONCLUSIVE")
    assert gauge(nothing, EN) is None
    assert measured(nothing.value, "share", EN) == "nothing measured"
    assert bounds(nothing.value, "share", EN) == "–"


def test_what_is_known_only_in_part_says_so() -> None:
    assert measured(Bounded(estimate=None, lower=8e9, upper=None), "ns", EN) == "at least 8 s"
    assert measured(Bounded(estimate=None, lower=None, upper=1.0), "P", EN) == "below 1 P"
    assert bounds(Bounded(estimate=2.0, lower=2.0, upper=None), "P", EN) == "2 P or more"
    assert bounds(Bounded(estimate=None, lower=8e9, upper=None), "ns", ZH) == "8 s 或以上"


def test_an_objective_is_said_in_the_language_of_the_page() -> None:
    assert objective_text("p95 response time <= 2s for step book", EN) == "p95 response time ≤ 2 s for step book"
    assert objective_text("p95 response time <= 2s for step book", ZH) == "步驟「book」：p95 響應時間 ≤ 2 s"
    assert objective_text("mean service time <= 300ms", ZH) == "平均服務時間 ≤ 300 ms"
    assert objective_text("something of a later grammar", ZH) == "something of a later grammar"


def test_retries_are_said_with_what_the_service_met_and_nothing_is_said_where_nobody_may_retry() -> None:
    many = Retries(count=1234, per_step=0.25, requests_per_s=150.0, amplification=1.25)
    assert retries_line(many, EN).startswith("Retries: 1,234, 25 % of steps. The service met 150 requests/s, 1.25 ×")
    assert retries_line(many, ZH).startswith("重試：1,234 次，相當於步驟的 25 %。該服務每秒實收 150 個請求")
    none = Retries(count=0, per_step=0.0, requests_per_s=80.0, amplification=1.0)
    assert retries_line(none, EN) == "Retries: none. Nobody gave up waiting to try again."
    assert retries_line(None, EN) == retries_line(None, ZH) == ""


def test_an_invalid_trial_says_nothing_of_retries() -> None:
    none = Retries(count=0, per_step=0.0, requests_per_s=80.0, amplification=1.0)
    reasons = (Reason(code="validity.not_started"),)
    told = {"name": "load", "kind": "load", "reasons": reasons, "objectives": (), "retries": none}
    assert relied_on(TrialVerdict(verdict=Verdict.INVALID, **told)).retries is None
    assert relied_on(TrialVerdict(verdict=Verdict.FAIL, **told)).retries == none


def test_the_best_that_could_still_have_come_is_not_shown_as_what_was_measured() -> None:
    cut = result("errors <= 1%", "share", 0.01, 0.43, 0.4, 0.46, verdict="FAIL")
    assert measured_of(cut, EN) == "43 %"
    assert measured_of(cut.model_copy(update={"best_case": True}), EN) == "43 % at best"
