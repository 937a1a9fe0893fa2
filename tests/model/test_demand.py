"""From a forecast to P: the arithmetic, held to its laws."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from seatrial.model.demand import derive, round_up
from seatrial.model.demand_words import TERMS, concurrency_note, show_line
from seatrial.model.forecast import BASE, FACTORS, HIGH, HOUR_NS, Forecast
from seatrial.model.objective import Load
from seatrial.model.shape import Curve, CurvePoint, Shape
from seatrial.units import SECOND

SAID = {"source": "somebody counted"}
PLAIN: dict[str, Any] = {
    "forecast": 1,
    "title": "Booking",
    "people": {"count": 360_000, "of": "registered users", **SAID},
    "coming": {"share": "10%", **SAID},
    "peak_hour": {"share": "50%", **SAID},
    "rush": {"at": "07:00", "first": [{"within": "1min", "share": "20%"}, {"within": "10min", "share": "50%"}], **SAID},
    "journeys": {"book": {"lasts": "2min", "weight": 3, **SAID}, "look": {"lasts": "20s", **SAID}},
    "cases": {"high": {"coming": {"times": 1.5, "source": "judgement"}}},
}


def forecast(**changed: Any) -> Forecast:
    return Forecast.model_validate({key: value for key, value in (PLAIN | changed).items() if value is not None})


@st.composite
def forecasts(draw: st.DrawFn) -> Forecast:
    def share(least: float = 0.1, most: float = 100.0) -> dict[str, str]:
        return {"share": f"{draw(st.floats(least, most)):.4f}%", **SAID}

    changed: dict[str, Any] = {
        "people": {
            "count": draw(st.integers(1, 10**9)),
            "of": draw(st.sampled_from(["population", "registered users"])),
        }
        | SAID,
        "coming": share(most=50),
        "peak_hour": share(),
    }
    if draw(st.booleans()):
        times = sorted(draw(st.lists(st.integers(1, 3599), min_size=1, max_size=6, unique=True)))
        shares = sorted(draw(st.lists(st.integers(1, 100), min_size=len(times), max_size=len(times))))
        first = [{"within": f"{at}s", "share": f"{each}%"} for at, each in zip(times, shares, strict=True)]
        changed["rush"] = {"at": "07:00", "first": first, **SAID}
    else:
        changed |= {"rush": None, "busiest_minute": {"times": draw(st.floats(1, 60)), **SAID}}
    if draw(st.booleans()):
        changed["retries"] = {"per_person": draw(st.floats(0.01, 20)), **SAID}
    if draw(st.booleans()):
        changed["bots"] = share(most=90)
    if draw(st.booleans()):
        changed["growth"] = {"times": draw(st.floats(0.1, 10)), **SAID}
    found = forecast(**changed)
    assume(all(_is_possible(found, case) for case in (BASE, HIGH)))
    return found


def _is_possible(found: Forecast, case: str) -> bool:
    try:
        derive(found, case)
    except ValueError:
        return False
    return True


def test_p_of_a_forecast_worked_out_by_hand() -> None:
    # 360,000 x 10 % = 36,000 visitors, 18,000 in the hour; 20 % of them in a minute are 60 a second.
    base = derive(forecast(), BASE)
    assert (base.arrivals, base.peak) == (18_000, 60.0)
    assert base.mean_s == pytest.approx((3 * 120 + 20) / 4)
    assert base.concurrency == pytest.approx(60 * 95)
    assert derive(forecast()).peak == 90.0
    with_both = forecast(
        retries={"per_person": 0.5, **SAID}, bots={"share": "25%", **SAID}, growth={"times": 2, **SAID}
    )
    assert derive(with_both, BASE).peak == pytest.approx(60 * 1.5 / 0.75 * 2)


def test_an_hour_without_a_rush_has_its_busiest_minute() -> None:
    found = derive(forecast(rush=None, busiest_minute={"times": 2, **SAID}), BASE)
    assert (found.peak, found.peak_lasts_ns) == (10.0, 60 * SECOND)


@given(forecasts(), st.sampled_from([BASE, HIGH]))
def test_the_curve_is_a_shape_of_a_plan_with_the_hours_arrivals_and_p_at_its_top(found: Forecast, case: str) -> None:
    derived = derive(found, case)
    points = tuple(CurvePoint(at, Load(rate, "/s")) for at, rate in derived.points)
    shape = Shape(curve=Curve(scale=Load(1.0, "P"), points=points))
    profile = shape.profile(derived.peak)
    assert profile.duration_ns == HOUR_NS
    assert profile.peak == pytest.approx(derived.peak, rel=1e-12)
    assert derived.arrivals * (1 - 1e-9) <= profile.expected <= derived.arrivals * 1.0101


@given(forecasts())
def test_p_is_never_below_the_mean_and_littles_law_holds(found: Forecast) -> None:
    derived = derive(found, BASE)
    assert derived.peak >= derived.arrivals / 3600 * (1 - 1e-9)
    assert derived.concurrency == pytest.approx(derived.peak * derived.mean_s)
    assert derived.is_sustained == (derived.peak_lasts_ns >= derived.mean_s * SECOND)


@given(forecasts(), st.floats(1, 50))
def test_arrivals_grow_in_proportion_to_the_people(found: Forecast, times: float) -> None:
    case = {"high": {"people": {"times": times, **SAID}}}
    more = Forecast.model_validate(found.model_dump(mode="json") | {"cases": case})
    assume(_is_possible(more, HIGH))
    base, high = derive(more, BASE), derive(more, HIGH)
    assert high.arrivals == pytest.approx(base.arrivals * times)
    assert high.peak == pytest.approx(base.peak * times, rel=0.011)


@given(forecasts())
def test_a_forecast_reads_back_from_its_document_to_the_same_p(found: Forecast) -> None:
    again = Forecast.model_validate(found.model_dump(mode="json", exclude_none=True))
    assert derive(again).peak == derive(found).peak


@given(st.floats(1e-9, 1e7))
def test_rounding_goes_up_by_less_than_one_part_in_a_hundred_and_is_done_once(value: float) -> None:
    up = round_up(value)
    assert value * (1 - 1e-11) <= up <= value * 1.01 + 1e-15
    assert round_up(up) == up
    assert float(f"{up:.2e}") == up


@pytest.mark.parametrize(("value", "up"), [(0.1 + 0.2, 0.3), (120.00000000000001, 120), (120.1, 121), (999.5, 1000)])
def test_rounding_up_takes_no_notice_of_the_noise_of_floats(value: float, up: float) -> None:
    assert round_up(value) == up


def test_every_assumption_is_listed_with_its_source_and_every_result_with_its_formula() -> None:
    cases = {
        "high": {factor: {"times": 1.1, "source": f"why {factor}"} for factor in FACTORS if "minute" not in factor}
    }
    whole = forecast(
        growth={"times": 1.1, **SAID}, retries={"per_person": 1, **SAID}, bots={"share": "5%", **SAID}, cases=cases
    )
    derived = derive(whole)
    assert all(bool(line.formula) != bool(line.assumptions) for line in derived.lines)
    for language in ("en", "zh-Hant"):
        shown = [show_line(line, language) for line in derived.lines]  # type: ignore[arg-type]
        text = " ".join(line.source for line in shown)
        assert all(f"why {factor}" in text for factor in cases["high"])
        assert all(line.term and line.figure and (line.source or line.formula) for line in shown)
        assert concurrency_note(derived, language)  # type: ignore[arg-type]
    assert {line.term for line in derived.lines} < set(TERMS)


def test_a_peak_shorter_than_a_journey_is_said_to_bound_the_concurrency_only() -> None:
    assert "upper bound" in concurrency_note(derive(forecast()), "en")
    assert "upper bound" not in concurrency_note(derive(forecast(journeys={"a": {"lasts": "5s", **SAID}})), "en")


@settings(deadline=None)
@given(st.floats(1.01, 10))
def test_a_rush_that_a_case_sharpens_brings_no_more_people(times: float) -> None:
    found = forecast(cases={"high": {"rush": {"times": times, **SAID}}})
    base, high = derive(found, BASE), derive(found, HIGH)
    assert math.isclose(base.arrivals, high.arrivals)
    assert high.peak > base.peak
    assert high.peak <= 18_000 / 60  # all in the first minute


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no source": ({"coming": {"share": "10%", "source": "  "}}, "an empty source"),
    "a bare number": ({"coming": {"share": 0.1, **SAID}}, "not a share"),
    "nothing of the hour": ({"rush": None}, "neither of rush and busiest_minute"),
    "both": ({"busiest_minute": {"times": 2, **SAID}}, "both of rush and busiest_minute"),
    "no high case": ({"cases": {"worse": {"coming": {"times": 2, **SAID}}}}, "no case called high"),
    "a case called base": ({"cases": {"base": {"coming": {"times": 2, **SAID}}}}, "a case called base"),
    "an idle case": ({"cases": {"high": {}}}, "a case that changes nothing"),
    "a share beyond all": ({"cases": {"high": {"coming": {"times": 11, **SAID}}}}, "brings coming to 1.1 times all"),
    "nothing to multiply": ({"cases": {"high": {"bots": {"times": 2, **SAID}}}}, "multiplies bots, which"),
    "bots alone": ({"bots": {"share": "100%", **SAID}}, "bots as all of the arrivals"),
    "a rush backwards": (
        {"rush": PLAIN["rush"] | {"first": PLAIN["rush"]["first"][::-1]}},
        "a time less than a second after",
    ),
    "a rush that shrinks": (
        {"rush": PLAIN["rush"] | {"first": [PLAIN["rush"]["first"][1], {"within": "20min", "share": "1%"}]}},
        "a share below the one before",
    ),
    "an hour not full": ({"rush": PLAIN["rush"] | {"first": [{"within": "1h", "share": "90%"}]}}, "less than 100%"),
    "no time of day": ({"rush": PLAIN["rush"] | {"at": "7 am"}}, "not a time of day"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_an_impossible_forecast_is_refused(kind: str) -> None:
    changed, what = WRONG[kind]
    with pytest.raises(ValidationError, match=what):
        forecast(**changed)


def test_a_rate_beyond_any_generator_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a forecast of .* journeys a second"):
        derive(forecast(people={"count": 10**10, "of": "population", **SAID}, coming={"share": "60%", **SAID}))
