"""What a report shows of each kind of trial: pictures, tables and sentences, from evidence made in virtual time."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.reports import made_kinds
from tests.reports.made_kinds import Shown

from seatrial.model.verdict import Bounded, Capacity, RunVerdict, StageResult, Verdict
from seatrial.model.verdict_parts import DriftLine, SizeResult
from seatrial.reports.charts_compare import RatioRow, ratio_chart
from seatrial.reports.charts_drift import limit_of
from seatrial.reports.charts_recovery import comebacks
from seatrial.reports.charts_sizes import capacity_by_size_chart
from seatrial.reports.facts import facts
from seatrial.reports.figure import Figure
from seatrial.reports.figures import trial_figures
from seatrial.reports.figures_kinds import kind_figures, search_figure
from seatrial.reports.html import render_html
from seatrial.reports.tables import PartTable, part_tables
from seatrial.reports.text import render_text
from seatrial.reports.texts import say_in
from seatrial.reports.wording import is_search, level_of, period_name, span_text, stages_in_order
from seatrial.units import SECOND

EN, ZH = say_in("en"), say_in("zh-Hant")


def _shown(name: str) -> Callable[[pytest.TempPathFactory], Shown]:
    @pytest.fixture(scope="module", name=name)
    def made(tmp_path_factory: pytest.TempPathFactory) -> Shown:
        return getattr(made_kinds, name)(tmp_path_factory.mktemp("kinds") / name)  # type: ignore[no-any-return]

    return made  # type: ignore[return-value]


spiking, stuck, mended = _shown("spiking"), _shown("stuck"), _shown("mended")
soaking, scaling, searching, running = (_shown(n) for n in ("soaking", "scaling", "searching", "running"))


def texts_of(svg: str) -> list[str]:
    """Return the words of a drawing, without the halos behind them."""
    found = re.findall(r"<text([^>]*)>([^<]+)</text>", svg)
    return [text for look, text in found if 'fill="var(--page)"' not in look]


def figure_of(shown: Shown, kind: str) -> Figure:
    return next(f for f in kind_figures(shown.view.trials[0], EN) if f.identity == f"t1-{kind}")


def table_of(shown: Shown, title: str) -> PartTable:
    return next(t for t in part_tables(shown.verdict.trials[0], EN) if t.title == title)


def test_a_recovery_stands_in_the_picture_where_the_verdict_says(spiking: Shown) -> None:
    view = spiking.view.trials[0]
    (back,) = comebacks(view)
    recovery = spiking.verdict.trials[0].recovery
    assert recovery is not None
    assert back.gone_ns == 84 * SECOND
    assert back.lower_ns == 84 * SECOND + (recovery[0].back_ns.lower or 0)
    assert back.end_ns == 144 * SECOND
    figure = figure_of(spiking, "recovery")
    assert figure.svg.count("<svg") == 4
    assert texts_of(figure.svg).count("disturbance over") == 2
    assert "After “burst” it took 11.6 s" in figure.finding
    assert {"calm", "burst", "after burst", "limit: p95 ≤ 500 ms"} <= set(texts_of(figure.svg))


def test_a_fault_is_shown_from_the_moment_of_its_request_to_that_of_its_mending(mended: Shown) -> None:
    (back,) = comebacks(mended.view.trials[0])
    assert back.gone_ns == pytest.approx(80.5 * SECOND)
    figure = figure_of(mended, "recovery")
    # In both sizes, as the name of the period and as that of the line.
    assert texts_of(figure.svg).count("fault") == 4
    assert "✓ back to normal: 7.9 s" in texts_of(figure.svg)


def test_a_metastable_service_is_shown_as_such_in_both_languages(stuck: Shown) -> None:
    figure = figure_of(stuck, "recovery")
    assert "a metastable state" in figure.finding
    assert "✗ stays down (metastable)" in texts_of(figure.svg)
    assert "back to normal" not in figure.svg
    table = table_of(stuck, "How it came back")
    assert table.rows[0][1:4] == ("stays down (metastable)", "at least 1 min 30 s", "2 min")
    chinese = kind_figures(stuck.view.trials[0], ZH)[0]
    assert "✗ 未能恢復（亞穩定）" in texts_of(chinese.svg)
    assert {"之前", "過載", "之後"} <= set(texts_of(chinese.svg))


def test_every_period_has_its_row(spiking: Shown) -> None:
    table = table_of(spiking, "Period by period")
    assert [row[0] for row in table.rows] == ["calm", "burst", "after burst"]
    assert [row[1] for row in table.rows] == ["1 min", "24 s", "1 min"]
    assert all(len(row) == len(table.head) for row in table.rows)


def test_an_invalid_trial_shows_no_recovery_and_no_capacity(spiking: Shown, searching: Shown) -> None:
    def invalid(shown: Shown) -> Shown:
        trial = shown.verdict.trials[0].model_copy(update={"verdict": Verdict.INVALID})
        run = shown.verdict.model_copy(update={"verdict": Verdict.INVALID, "trials": (trial,)})
        view = replace(shown.view, verdict=run, trials=(replace(shown.view.trials[0], verdict=trial),))
        return Shown(shown.folder, run, view)

    figure = figure_of(invalid(spiking), "recovery")
    assert figure.finding == "Nothing is judged on how the service came back."
    assert "back to normal" not in figure.svg
    steps = trial_figures(invalid(searching).view.trials[0], EN)[0]
    assert steps.finding == "No level was decided either way."
    assert not any("capacity" in text for text in texts_of(steps.svg))
    assert "How it came back" not in render_text(invalid(spiking).verdict)
    assert len(facts(invalid(searching).view, EN)) == 1


def test_a_drift_is_drawn_with_its_line_and_the_limit_at_its_end(soaking: Shown) -> None:
    view, trial = soaking.view.trials[0], soaking.verdict.trials[0]
    assert trial.drift is not None
    times, shares = trial.drift
    assert times.start is not None
    assert limit_of(times, 0.2) == pytest.approx(times.start * 1.2)
    assert shares.start is not None
    assert limit_of(shares, 0.02) == pytest.approx(shares.start + 0.02)
    first, second = kind_figures(view, EN)
    assert first.title == "Over time: drift of p95 response time"
    assert re.search(r"It changed by 4\d\.\d+ % .*: rising\.", first.finding)
    assert {"trend", "limit: rise ≤ 20 %"} <= set(texts_of(first.svg))
    assert "limit: rise ≤ 2 %" in texts_of(second.svg)
    assert [row[4] for row in table_of(soaking, "What drifts").rows] == ["rising", "rising"]


def test_a_hidden_drift_has_no_line_and_says_so(soaking: Shown) -> None:
    trial = soaking.verdict.trials[0]
    assert trial.drift is not None
    nothing = Bounded(estimate=None, lower=0.1, upper=None)
    line: DriftLine = trial.drift[0].model_copy(update={"start": None, "rise": nothing, "change": nothing})
    hidden = trial.model_copy(update={"drift": (line,)})
    (figure,) = kind_figures(replace(soaking.view.trials[0], verdict=hidden), EN)
    assert figure.finding == "Steps without an answer hide how much it changed: rising."
    assert "trend" not in texts_of(figure.svg)
    assert "limit: rise ≤ 20 %" not in texts_of(figure.svg)


def test_each_size_has_its_capacity_beside_perfect_scaling(scaling: Shown) -> None:
    figure = figure_of(scaling, "sizes")
    assert figure.finding == "At 4 units each brings 60 % of what it brings at 1 (54.55 % to 70 %)."
    assert {"ideal", "capacity", "efficiency", "limit: efficiency ≥ 80 %"} <= set(texts_of(figure.svg))
    rows = table_of(scaling, "Size by size").rows
    assert [(row[0], row[1], row[3], row[4]) for row in rows] == [
        ("1", "1.25 P", "1.25 P", "100 %"),
        ("2", "1 P", "2 P", "80 %"),
        ("4", "0.75 P", "3 P", "60 %"),
    ]


def test_a_size_that_never_broke_ends_in_a_triangle_and_one_that_never_held_has_no_dot() -> None:
    whole = Bounded(estimate=1.0, lower=1.0, upper=1.0)
    first = SizeResult(units=1, capacity=Bounded(estimate=2, lower=2, upper=None), efficiency=whole, unit="/s")
    none = Bounded(estimate=None, lower=0, upper=0.5)
    second = SizeResult(units=2, capacity=none, efficiency=none, unit="/s")
    layers = capacity_by_size_chart([first, second], EN)["wide"]["layer"]
    by_type = [(layer["mark"].get("shape") or layer["mark"]["type"], layer["data"]["values"]) for layer in layers]
    assert [len(values) for kind, values in by_type if kind == "triangle-up"] == [1]
    dots = next(values for kind, values in by_type if kind == "point")
    assert [dot["units"] for dot in dots] == [1]


def test_a_search_is_shown_by_load_with_its_interval_and_required_capacity(searching: Shown) -> None:
    view, trial = searching.view.trials[0], searching.verdict.trials[0]
    offered = [level_of(stage.name) for stage in trial.stages]
    assert is_search(trial)
    assert offered != sorted(offered, key=lambda load: load or 0)
    assert [span.name for span in view.spans] == [stage.name for stage in trial.stages]
    figure = trial_figures(view, EN)[0]
    found = trial.capacity
    assert found is not None
    assert figure.identity == "t1-steps"
    assert f"The service carries {found.estimate:.4g} P (95 % interval: " in figure.finding
    assert {"required 1.5 P", f"capacity {found.estimate:.4g} P", "knee"} <= set(texts_of(figure.svg))
    text = render_text(searching.verdict)
    shown = [line.split()[0] for line in text.splitlines() if re.search(r"(✓|✗|\?) (held|broke|not decided)$", line)]
    assert shown == [f"{load:g}" for load in sorted(load for load in offered if load)]
    assert "Contention (σ)" in text
    assert facts(searching.view, EN)[-1].note.startswith("95 % interval: 1.")


def test_levels_that_were_offered_again_stand_side_by_side(searching: Shown) -> None:
    trial = searching.verdict.trials[0]
    first = trial.stages[0]
    again: StageResult = first.model_copy(update={"index": 90, "name": f"{first.name} (2)"})
    capacity = Capacity(estimate=1, lower=0.5, upper=None, unit="P", method="bracket")
    repeated = trial.model_copy(update={"stages": (*trial.stages, again), "capacity": capacity})
    names = [stage.name for stage in stages_in_order(repeated)]
    assert names[:2] == ["0.5 P", "0.5 P (2)"]
    figure = search_figure(replace(searching.view.trials[0], verdict=repeated), repeated, EN)
    assert figure.finding == "What the service carries lies here: 0.5 P or more."


def test_rising_steps_are_no_search() -> None:
    assert level_of("1.25 P") == 1.25
    assert level_of("1.25 P (3)") == 1.25
    assert level_of("40/s") == 40
    assert level_of("2 × 1.25 P") is None


def test_each_run_has_a_row_for_each_limit(running: Shown) -> None:
    table = table_of(running, "Run by run")
    assert [row[0] for row in table.rows] == [f"1 P, run {n}" for n in (1, 1, 2, 2, 3, 3)]
    assert [row[4] for row in table.rows] == ["PASS", "PASS", "PASS", "PASS", "FAIL", "PASS"]
    assert len(table.gauges) == 6
    page = render_html(running.view, "zh-Hant")
    assert "1 P，第 3 次" in page
    assert "底紋：階段開始時不納入評定的部分。" in page


def test_the_page_of_a_kind_has_its_name_its_tables_and_its_first_figure(mended: Shown) -> None:
    page = render_html(mended.view)
    assert "Recovery test" in page
    assert "<h3>Period by period</h3>" in page
    assert "Back to normal after “fault”</dt>" in page
    assert page.index('id="t1-recovery"') < page.index('id="t1-load"')


def test_terminal_and_json_tell_the_same_parts(mended: Shown, scaling: Shown) -> None:
    text = render_text(mended.verdict, "zh-Hant")
    for expected in ("各時段結果", "恢復情況", "故障", "恢復正常"):
        assert expected in text
    assert "Size by size" in render_text(scaling.verdict)
    document = scaling.verdict.as_document()
    assert [size["units"] for size in document["trials"][0]["sizes"]] == [1, 2, 4]
    assert RunVerdict.model_validate(document) == scaling.verdict


@pytest.mark.parametrize(
    ("name", "english", "chinese"),
    [("burst 2", "burst 2", "尖峰 2"), ("after burst 2", "after burst 2", "尖峰後 2"), ("<b>", "<b>", "<b>")],
)
def test_a_period_is_named_in_the_language_of_the_page(name: str, english: str, chinese: str) -> None:
    assert (period_name(name, EN), period_name(name, ZH)) == (english, chinese)


def test_a_time_by_its_bounds_is_one_figure_where_they_read_the_same() -> None:
    assert span_text(0, 0, EN) == "at once"
    assert span_text(1.5 * SECOND, 1.5 * SECOND + 1, EN) == "1.5 s"
    assert span_text(0, 2 * SECOND, EN) == "0 s to 2 s"


ROWS = [
    RatioRow("p95 response time, book", 1.42, 1.2, 1.7, worse=True),
    RatioRow("p95 response time, list", 0.7, 0.6, 0.8, worse=False),
    RatioRow("p50 response time, list", 1.02, 0.9, 1.2, worse=None),
    RatioRow("a step that nobody answered", None, 1.1, None, worse=None),
]


def test_a_comparison_says_in_words_what_it_says_in_colours() -> None:
    for document in ratio_chart(ROWS, EN).values():
        values = [row for layer in document["layer"] for row in layer["data"]["values"]]
        said = [row["text"] for row in values if "text" in row]
        assert {"1.42 ×  ✗ worse", "0.7 ×  ✓ better", "1.02 ×  ? not shown", "unknown  ? not shown"} <= set(said)
        spots = [layer for layer in document["layer"] if layer["mark"].get("filled")]
        assert [spot["shape"] for layer in spots for spot in layer["data"]["values"]] == ["cross", "circle", "diamond"]


def test_one_stands_in_the_middle_of_the_ratios_and_bounds_that_are_not_there_run_to_the_edge() -> None:
    document = ratio_chart(ROWS, EN)["wide"]
    bars = next(
        layer for layer in document["layer"] if layer["mark"].get("strokeWidth") == 4 and "x2" in layer["encoding"]
    )
    low, high = bars["encoding"]["x"]["scale"]["domain"]
    assert low * high == pytest.approx(1)
    assert 1.0 in bars["encoding"]["x"]["axis"]["values"]
    assert bars["data"]["values"][3]["upper"] == high
    assert all(low <= row["ratio"] <= row["upper"] <= high for row in bars["data"]["values"])


def test_a_comparison_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="without rows"):
        ratio_chart([], EN)


def test_the_same_evidence_gives_the_same_page(mended: Shown, tmp_path: Path) -> None:
    again = made_kinds.mended(tmp_path / "again")
    assert kind_figures(again.view.trials[0], EN) == kind_figures(mended.view.trials[0], EN)


def test_rising_steps_show_their_knee_and_the_stretch_that_is_not_decided(tmp_path: Path) -> None:
    shown = made_kinds.rising(tmp_path / "rising")
    trial = shown.verdict.trials[0]
    assert trial.knee is not None
    assert not is_search(trial)
    figure = trial_figures(shown.view.trials[0], EN)[0]
    assert texts_of(figure.svg).count("knee") == 2
    assert texts_of(figure.svg).count("required 1.5 P") == 2
    assert figure.svg.count('opacity="0.14"') == 2


def test_of_many_bursts_the_slowest_is_told_and_all_are_drawn(tmp_path: Path) -> None:
    shown = made_kinds.many_bursts(tmp_path / "many")
    recovery = shown.verdict.trials[0].recovery
    assert recovery is not None
    slowest = max(recovery, key=lambda one: one.back_ns.upper or 0)
    figure = figure_of(shown, "recovery")
    assert figure.finding.startswith("The service was back to normal after 5 of 5 disturbances; the worst: ")
    assert f"After “{slowest.name}” it took" in figure.finding
    drawn = set(texts_of(figure.svg))
    assert all(any(text.startswith(f"✓ {one.name}: back to normal") for text in drawn) for one in recovery)
