"""Every sentence of the grammar: what it means, and that it can be written again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.model.objective import EXAMPLES, KINDS_OF, Metric, Objective, parse_objective, write_objective
from seatrial.units import SECOND

MEANS: dict[str, dict[str, Any]] = {
    "p95 response time <= 2s of admitted": {"admitted": True, "quantile": 0.95, "unit": "ns"},
    "p95 response time <= 2s of admitted for every 30s for step book": {
        "admitted": True, "window_ns": 30 * SECOND, "step": "book",
    },
    "mean service time <= 1s for every 1m": {"window_ns": 60 * SECOND, "statistic": "mean"},
    "errors <= 0.1% of admitted": {"metric": Metric.ERRORS, "admitted": True, "limit": 0.001},
    "timeouts <= 0.1%": {"metric": Metric.TIMEOUTS, "unit": "share", "of_records": True},
    "refusals <= 5% for journey reserve": {"metric": Metric.REFUSALS, "journey": "reserve"},
    "http errors <= 0.1% of admitted": {"metric": Metric.HTTP_ERRORS, "admitted": True},
    "failed checks <= 0.1%": {"metric": Metric.FAILED_CHECKS},
    "connection errors <= 0.1%": {"metric": Metric.CONNECTION_ERRORS},
    "goodput >= 40/s": {"metric": Metric.GOODPUT_RATE, "limit": 40.0, "unit": "/s", "is_share": False},
    "goodput >= 2400/min for step book": {"metric": Metric.GOODPUT_RATE, "limit": 40.0, "step": "book"},
    "goodput >= 99% of offered for every 30s": {"metric": Metric.GOODPUT, "window_ns": 30 * SECOND, "is_share": True},
    "efficiency >= 80%": {"metric": Metric.EFFICIENCY, "limit": 0.8, "unit": "share", "of_records": False},
    "recovery time <= 5m": {"metric": Metric.RECOVERY_TIME, "limit": 300 * SECOND, "unit": "ns", "is_time": False},
    "p95 response time drift <= 10%": {
        "drift": True, "limit": 0.1, "unit": "share", "quantile": 0.95, "is_time": False, "of_records": False,
        "kinds": frozenset({"soak"}),
    },
    "mean service time drift <= 10% for step book": {"drift": True, "statistic": "mean", "step": "book"},
    "errors drift <= 0.1%": {"metric": Metric.ERRORS, "drift": True, "is_share": False},
    "mean telemetry app.cpu <= 70%": {
        "metric": Metric.TELEMETRY, "statistic": "mean", "series": "app.cpu", "limit": 0.7, "unit": "share",
    },
    "max telemetry app.memory <= 2 GB": {"statistic": "max", "limit": 2e9, "unit": "B", "of_records": False},
    "mean telemetry app.queue <= 200": {"limit": 200.0, "unit": "number"},
    "mean telemetry app.cache >= 90%": {"relation": ">=", "limit": 0.9},
    "telemetry app.memory drift <= 10%": {"drift": True, "series": "app.memory", "statistic": None, "unit": "share"},
    "telemetry app.memory exhausted after >= 36h": {
        "metric": Metric.EXHAUSTION, "series": "app.memory", "limit": 36 * 3600 * SECOND, "unit": "ns",
        "kinds": frozenset({"soak"}),
    },
}  # fmt: skip


@pytest.mark.parametrize("text", MEANS)
def test_a_sentence_means_what_it_says(text: str) -> None:
    objective = parse_objective(text)
    assert {name: getattr(objective, name) for name in MEANS[text]} == MEANS[text]


WRONG = {
    "refusals <= 1% of admitted": "what 'of admitted' leaves out",
    "goodput >= 99% of admitted": "of offered",
    "timeouts <= 1% of offered": "is written: timeouts <= 1%",
    "goodput >= 40/s for every 30s": "windows are for times and shares",
    "capacity >= 2 P for every 30s": "windows are for times and shares",
    "goodput <= 40/s": "limited by >=",
    "goodput >= 0/s": "nothing can break",
    "goodput >= 40/fortnight": "not a rate",
    "goodput drift <= 10%": "drift of goodput",
    "errors drift <= 0%": "a drift of nothing",
    "errors drift >= 1%": "limited by <=",
    "p95 response time drift <= 2s": "not a share",
    "p95 response time drift <= 10% of admitted": "over all steps",
    "p95 response time drift <= 10% for every 30s": "windows are for",
    "errors <= 1% for every 0s": "windows of no length",
    "errors <= 1% for every tick": "not a duration",
    "efficiency >= 0%": "nothing can break",
    "efficiency <= 80%": "limited by >=",
    "efficiency >= 80% for step book": "property of the whole service",
    "recovery time <= 0s": "no time",
    "recovery time >= 5m": "limited by <=",
    "recovery time <= 5m for journey book": "recovery time is a property of the whole service",
    "mean telemetry app.cpu <= 70 parsecs": "not an amount",
    "max telemetry app.cpu >= 70%": "limited by <=",
    "mean telemetry app.cpu = 70%": "limited by <= or >=",
    "max telemetry app.cpu <= 70% for step book": "telemetry is a property of the whole service",
    "telemetry app.memory drift >= 10%": "limited by <=",
    "telemetry app.memory exhausted after <= 36h": "limited by >=",
    "telemetry app.memory exhausted after >= 0s": "nothing can break",
    "telemetry app.memory <= 2 GB": "Write for example: .*telemetry app.memory",
    "mean telemetry cpu <= 70%": "Write for example: mean telemetry app.cpu <= 70%",
    "95th percentile response time <= 2s": "Write for example: p95 response time <= 2s",
    "errors <= 0,1%": "Write for example: errors <= 0.1%",
    "recovery within 5m": "Write for example: recovery time <= 5m",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_not_of_the_grammar_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match=WRONG[text]):
        parse_objective(text)


def test_there_is_an_example_of_every_metric_and_each_is_read() -> None:
    assert {parse_objective(example).metric for example in EXAMPLES} == set(Metric) == set(KINDS_OF)
    for text in EXAMPLES:
        with pytest.raises(ValueError, match=r"Write for example: "):
            parse_objective(f"{text[0]}{text[2:].replace('<=', 'under').replace('>=', 'over')}")


METRICS = st.builds(
    "{} {} time".format,
    st.integers(1, 99).map("p{}".format) | st.sampled_from(["p99.9", "p0.5", "mean", "median"]),
    st.sampled_from(["response", "service"]),
)
FAILURES = st.sampled_from(["errors", "timeouts", "http errors", "failed checks", "connection errors"])
PERCENT = st.integers(1, 9999).map(lambda hundredths: f"{hundredths / 100:g}%")
LENGTHS = st.integers(1, 10**6).flatmap(lambda n: st.sampled_from(["ns", "us", "ms", "s"]).map(lambda u: f"{n}{u}"))
SERIES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}\.[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
NAMES = st.from_regex(
    r"[a-z]{1,6}( for every [a-z]{1,3}| of admitted| for step x)?( [a-z<=%0-9.]{1,6})?", fullmatch=True
)
SUBJECTS = st.one_of(
    st.tuples(METRICS, st.just("<="), LENGTHS, st.sampled_from(["", "of admitted"])),
    st.tuples(FAILURES, st.just("<="), PERCENT, st.sampled_from(["", "of admitted"])),
    st.tuples(st.sampled_from(["goodput", "achieved"]), st.just(">="), PERCENT, st.just("of offered")),
)
ENDS = st.one_of(
    st.just(""), st.tuples(st.sampled_from(["step", "journey"]), NAMES).map(lambda p: f"for {p[0]} {p[1]}")
)
WINDOWED = st.tuples(SUBJECTS, st.just("") | LENGTHS.map("for every {}".format), ENDS).map(
    lambda parts: " ".join([*parts[0], *parts[1:]])
)
WHOLE = st.one_of(
    st.tuples(METRICS.map("{} drift".format) | FAILURES.map("{} drift".format), st.just("<="), PERCENT, ENDS),
    st.tuples(st.just("goodput >="), st.integers(1, 10**6).map("{}/s".format), ENDS),
    st.tuples(st.just("capacity >="), st.floats(0.001, 1000).map("{:.6f} P".format)),
    st.tuples(st.just("efficiency >="), PERCENT),
    st.tuples(st.just("recovery time <="), LENGTHS),
    st.tuples(
        st.sampled_from(["mean", "max"]), st.just("telemetry"), SERIES, st.just("<="),
        PERCENT | st.integers(0, 10**12).map(str) | st.tuples(
            st.integers(1, 999), st.sampled_from(["B", "kB", "MB", "GB", "MiB"])
        ).map(lambda p: f"{p[0]} {p[1]}"),
    ),
    st.tuples(st.just("telemetry"), SERIES, st.just("drift <="), PERCENT),
    st.tuples(st.just("telemetry"), SERIES, st.just("exhausted after >="), LENGTHS),
).map(" ".join)  # fmt: skip
SENTENCES = (WINDOWED | WHOLE).map(lambda text: " ".join(text.split()))


def without_text(objective: Objective) -> Objective:
    return replace(objective, text="")


@given(text=SENTENCES)
def test_every_sentence_can_be_written_again(text: str) -> None:
    objective = parse_objective(text)
    assert objective.text == text
    written = write_objective(objective)
    assert without_text(parse_objective(written)) == without_text(objective)
    assert write_objective(parse_objective(written)) == written


@given(text=SENTENCES, data=st.data())
def test_how_words_are_spaced_does_not_matter(text: str, data: st.DataObject) -> None:
    spaces = st.sampled_from([" ", "  ", "\n    ", "\t"])
    spread = "".join(data.draw(spaces) if letter == " " else letter for letter in f" {text} ")
    assert without_text(parse_objective(spread)) == without_text(parse_objective(text))


@given(text=SENTENCES)
def test_a_limit_is_kept_by_itself_and_on_one_side_of_it(text: str) -> None:
    objective = parse_objective(text)
    further = objective.limit * 1.01 + 1e-9
    assert objective.meets(objective.limit)
    assert objective.meets(further) == (objective.relation == ">=")


@given(text=SENTENCES, place=st.integers(0, 60), letter=st.sampled_from("x?=<7 %"))
def test_a_letter_too_many_is_read_or_refused_with_an_example(text: str, place: int, letter: str) -> None:
    try:
        parse_objective(text[:place] + letter + text[place:])
    except ValueError as error:
        assert len(str(error)) > 20
