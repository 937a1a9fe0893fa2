"""Charts: valid Vega-Lite, labels that do not collide, axes that hold what they show."""

from __future__ import annotations

import itertools
from typing import Any

import altair
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.reports.chart import axis_time_unit, draw, linear, logarithmic, spread
from seatrial.reports.charts_steps import level_response_chart, step_chart
from seatrial.reports.charts_time import cpu_chart, error_chart, lag_chart, load_chart, response_chart
from seatrial.reports.texts import say_in

SAY = say_in("en")


def test_every_chart_is_valid_vega_lite(collapsing: Any) -> None:
    load, stress = collapsing.view.trials
    names = [stage.name for stage in stress.verdict.stages]
    charts = [
        load_chart(load, SAY),
        response_chart(load, [("limit", 2e9)], SAY),
        error_chart(load, SAY),
        cpu_chart(load, 0.7, SAY),
        lag_chart(load, 1e8, SAY),
        step_chart(stress.verdict, [*names, "9 P"], ("required 9 P", "9 P"), SAY),
        level_response_chart(stress.verdict, names, [("limit", 4e9)], SAY),
    ]
    for documents in charts:
        assert set(documents) == {"wide", "narrow"}
        for document in documents.values():
            for layer in document["layer"]:  # a few rows show the form; the rest only take time
                layer["data"]["values"] = layer["data"]["values"][:2]
            altair.LayerChart.from_dict(document, validate=True)


def test_a_drawing_depends_on_nothing_drawn_before(interrupted: Any) -> None:
    documents = load_chart(interrupted.view.trials[0], SAY)
    first = draw(documents, "a", "A finding.")
    draw(documents, "b", "Another.")
    assert draw(documents, "a", "A finding.") == first
    assert 'aria-label="A finding."' in first
    assert "http" not in first


def test_a_finding_can_not_break_out_of_its_attribute(interrupted: Any) -> None:
    documents = load_chart(interrupted.view.trials[0], SAY)
    assert '"><script>' not in draw(documents, "a", '"><script>')


@given(st.lists(st.floats(-50, 250), max_size=12), st.floats(1, 40))
def test_labels_stay_inside_in_order_and_apart(wanted: list[float], gap: float) -> None:
    places = spread(wanted, gap, 0, 200)
    assert all(-1e-6 <= place <= 200 + 1e-6 for place in places)
    fair = min(gap, 200 / max(1, len(wanted) - 1))
    ordered = sorted(places)
    assert all(b - a >= fair - 1e-6 for a, b in itertools.pairwise(ordered))
    for (a, place_a), (b, place_b) in itertools.combinations(zip(wanted, places, strict=True), 2):
        assert (a - b) * (place_a - place_b) >= -1e-6


@given(st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=20))
def test_an_axis_holds_every_value_between_its_ends(values: list[float]) -> None:
    for axis in (linear(values, ""), logarithmic(values, "", "")):
        assert axis.low <= min(values) and max(values) <= axis.high
        assert all(axis.low <= tick <= axis.high * (1 + 1e-9) for tick in axis.ticks)
        assert 1 <= len(axis.ticks) <= 20
        assert axis.pixel(axis.high, 200) == pytest.approx(0)
        assert axis.pixel(axis.low, 200) == pytest.approx(200)


def test_time_is_in_the_unit_that_reads_best() -> None:
    assert [axis_time_unit(int(s * 1e9))[0] for s in (20, 3600, 12 * 3600)] == ["s", "min", "h"]
