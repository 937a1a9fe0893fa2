"""What a plan reads of the service itself."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from seatrial.model.telemetry import Amount, Selector, Telemetry, parse_selector
from seatrial.units import SECOND

PAGE = "http://127.0.0.1:8080/metrics"


def telemetry(**sources: Any) -> Telemetry:
    return Telemetry.model_validate({"sources": sources})


def app(**series: Any) -> dict[str, Any]:
    return {"prometheus": PAGE, "series": series}


def test_a_telemetry_is_read_and_written_without_loss() -> None:
    found = Telemetry.model_validate(
        {
            "every": "500ms",
            "sources": {
                "app": app(
                    cpu={"rate": "process_cpu_seconds_total", "of": 2},
                    memory={"value": "process_resident_memory_bytes", "limit": "2 GB"},
                ),
                "box": {"process": "/run/app.pid", "limits": {"open_files": 1024}},
            },
        }
    )
    assert Telemetry.model_validate(found.model_dump(mode="json", by_alias=True, exclude_none=True)) == found
    assert found.every == SECOND // 2
    assert found.sources["app"].series["memory"].limit == Amount(2e9, "B")


def test_series_are_numbered_by_name_whatever_their_order_in_the_plan() -> None:
    series = {"zeta": {"value": "z"}, "alpha": {"value": "a"}}
    one = telemetry(web=app(**series), app={"process": "app.pid"})
    other = telemetry(app={"process": "app.pid"}, web=app(**dict(reversed(series.items()))))
    names = ["app.cpu", "app.memory", "app.open_files", "app.threads", "web.alpha", "web.zeta"]
    assert [s.name for s in one.series] == [s.name for s in other.series] == names
    assert [s.number for s in one.series] == list(range(6))
    assert one.named("web.zeta") == one.series[5]
    assert one.named("web.omega") is None


def test_a_series_has_the_unit_that_its_plan_its_limit_or_its_name_gives_it() -> None:
    found = telemetry(
        app=app(
            cpu={"rate": "process_cpu_seconds_total", "of": 2},
            heap={"value": "heap_bytes"},
            sent={"rate": "sent_bytes"},
            full={"value": "pool_ratio"},
            queue={"value": "queue_length"},
            pool={"value": "pool_used", "limit": "95%"},
        )
    )
    units = {series.name: series.unit for series in found.series}
    assert units == {
        "app.cpu": "share", "app.heap": "B", "app.sent": "number", "app.full": "share", "app.queue": "number",
        "app.pool": "share",
    }  # fmt: skip


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no source": ({}, "sources"),
    "two kinds": ({"app": {"prometheus": PAGE, "process": "x", "series": {"a": {"value": "a"}}}}, "either"),
    "neither kind": ({"app": {}}, "either"),
    "no series": ({"app": {"prometheus": PAGE}}, "no series"),
    "not an address": ({"app": {"prometheus": "ftp://x", "series": {"a": {"value": "a"}}}}, "http://host"),
    "a password": ({"app": {"prometheus": "http://u:p@x/", "series": {"a": {"value": "a"}}}}, "password"),
    "a bad port": ({"app": {"prometheus": "http://x:99999/", "series": {"a": {"value": "a"}}}}, "http://host"),
    "value and rate": ({"app": app(a={"value": "a", "rate": "b"})}, "either"),
    "of without rate": ({"app": app(a={"value": "a", "of": 2})}, "belongs to a rate"),
    "of nothing": ({"app": app(a={"rate": "a", "of": 0})}, "greater than 0"),
    "limit in bytes of a share": ({"app": app(a={"rate": "a", "of": 2, "limit": "2 GB"})}, "another unit"),
    "limit of nothing": ({"app": app(a={"value": "a", "limit": "0 GB"})}, "above zero"),
    "limit that is no amount": ({"app": app(a={"value": "a", "limit": "much"})}, "amount"),
    "not a selector": ({"app": app(a={"value": "a{b=c}"})}, "not a series"),
    "a name with a dot": ({"app": app(**{"a.b": {"value": "a"}})}, "pattern"),
    "series of a process": ({"box": {"process": "x", "series": {"a": {"value": "a"}}}}, "its own series"),
    "limits of no series": ({"box": {"process": "x", "limits": {"disk": 5}}}, "no series of that name"),
    "limits of a page": ({"app": {**app(a={"value": "a"}), "limits": {"a": 5}}}, "belongs to a process"),
    "too many": ({"app": app(**{f"s{n}": {"value": "a"} for n in range(257)})}, "more than 256"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_can_not_be_read_is_refused_with_its_reason(name: str) -> None:
    sources, said = WRONG[name]
    with pytest.raises(ValidationError, match=said):
        Telemetry.model_validate({"sources": sources})


@pytest.mark.parametrize("every", ["99ms", "61s"])
def test_readings_are_a_tenth_of_a_second_to_a_minute_apart(every: str) -> None:
    with pytest.raises(ValidationError, match="every"):
        Telemetry.model_validate({"every": every, "sources": {"box": {"process": "x"}}})


def test_a_selector_has_a_name_and_labels_that_may_hold_anything() -> None:
    assert parse_selector("up") == Selector("up")
    assert parse_selector("up{}") == Selector("up")
    assert parse_selector(' http_requests_total{code="500", path="/a,b}"} ') == Selector(
        "http_requests_total", (("code", "500"), ("path", "/a,b}"))
    )
    assert parse_selector(r'a{b="x\"y\\z\n"}') == Selector("a", (("b", 'x"y\\z\n'),))


@pytest.mark.parametrize("text", ["", "1up", "a{b}", 'a{b="c"', 'a{b="c" d="e"}', 'a{b="1",b="2"}', 'a{b=~"c"}', "a b"])
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"series|label"):
        parse_selector(text)


@given(text=st.text(alphabet='ab_:{}=",\\n \n1', max_size=60))
def test_any_text_is_a_selector_or_refused(text: str) -> None:
    try:
        found = parse_selector(text)
    except ValueError:
        return
    assert found.name in text
