"""The page: self-contained, well-formed, deaf to hostile text, the same each time, and in two languages."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from seatrial.model.verdict import Reason, Verdict
from seatrial.reports.html import render_html
from seatrial.reports.reading import Diagnostic
from seatrial.reports.view import report_view
from seatrial.units import format_duration

VOID = {"meta", "br", "link", "img", "input", "hr"}
FETCHING = {"src", "href", "srcset", "data", "action", "poster", "background", "formaction", "xlink:href"}
HOSTILE = "</style></script><script>alert(1)</script><img src=http://evil.example onerror=alert(1)>\"'&{{7*7}}"


class Page(HTMLParser):
    """Collects elements, checks nesting, and keeps the visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), f"an attribute occurs twice in {tag}"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def named(self, *tags: str) -> list[dict[str, str | None]]:
        return [attrs for tag, attrs in self.elements if tag in tags]


@pytest.fixture(scope="module", params=["healthy", "collapsing", "worker_lost", "interrupted"])
def each(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def test_a_page_fetches_nothing_and_runs_nothing(each: Any) -> None:
    page = Page(each.page)
    for tag, attrs in page.elements:
        for name, value in attrs.items():
            assert not name.startswith("on"), (tag, name)
            if name in FETCHING:
                assert value is not None and value.startswith("#"), (tag, name, value)
    assert page.named("script", "iframe", "object", "embed", "link", "img", "base") == []
    assert "@import" not in each.page
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", each.page))
    policy = next(meta for meta in page.named("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert str(policy["content"]).startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")


def test_a_page_is_well_formed_and_its_ids_are_unique_and_all_found(each: Any) -> None:
    page = Page(each.page)
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    wanted = {str(v)[1:] for _, attrs in page.elements for k, v in attrs.items() if k == "href"}
    wanted |= {str(attrs["aria-labelledby"]) for _, attrs in page.elements if "aria-labelledby" in attrs}
    wanted |= set(re.findall(r"url\(#([^)]*)\)", each.page))
    assert wanted <= set(ids)


def test_headings_never_skip_a_level_and_tables_have_headers(each: Any) -> None:
    page = Page(each.page)
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
    assert all(attrs.get("scope") in ("col", "row") for attrs in page.named("th"))


def test_every_drawing_has_a_text_alternative_that_states_its_finding(each: Any) -> None:
    drawings = Page(each.page).named("svg")
    for drawing in drawings:
        assert drawing.get("aria-hidden") == "true" or (drawing["role"] == "img" and drawing["aria-label"])
    findings = re.findall(r'<p class="finding">([^<]*)</p>', each.page)
    for drawing in drawings:
        if "chart" in str(drawing.get("class")):
            assert drawing["aria-label"] in findings


def test_the_verdict_and_the_reasons_come_first(healthy: Any, collapsing: Any) -> None:
    for bundle in (healthy, collapsing):
        order = re.findall(r'<section [^>]*aria-labelledby="([^"]*)"', bundle.page)
        assert order[:3] == ["verdict-word", "why", "objectives"]
        assert order[-3:] == ["verify", "provenance", "terms"]
        assert bundle.verdict.reasons[0].text in bundle.page


def test_the_same_bundle_gives_the_same_bytes(collapsing: Any, made: Any, tmp_path: Any) -> None:
    again = made.collapsing(tmp_path / "elsewhere")
    assert render_html(report_view(tmp_path / "elsewhere", again)) == collapsing.page
    assert str(collapsing.folder) not in collapsing.page


def test_hostile_text_stays_text(interrupted: Any) -> None:
    view = interrupted.view
    assert view.plan is not None and view.policy is not None
    trial = replace(
        view.trials[0],
        name=HOSTILE,
        diagnostics=(Diagnostic(HOSTILE, HOSTILE, HOSTILE, HOSTILE, 3),),
        outcomes={"ok": 80, "timeout": 4},
    )
    reason = Reason(code="validity.interrupted", params={"detail": HOSTILE})
    hostile = replace(
        view,
        plan=view.plan.model_copy(update={"title": HOSTILE, "target": f"http://127.0.0.1/{HOSTILE}"}),
        policy=view.policy.model_copy(update={"title": HOSTILE, "note": HOSTILE}),
        environment=((HOSTILE, HOSTILE),),
        digests=((HOSTILE, HOSTILE),),
        trials=(trial, *view.trials[1:]),
        verdict=view.verdict.model_copy(update={"reasons": (reason,)}),
        journal=tuple(event.model_copy(update={"data": {HOSTILE: HOSTILE}}) for event in view.journal),
    )
    for language in ("en", "zh-Hant"):
        text = render_html(hostile, language)
        page = Page(text)
        assert page.named("script", "img") == []
        assert len(page.named("style")) == 1
        assert "".join(page.text).count(HOSTILE) >= 12
        assert "49" not in re.findall(r"evil.*?(\d+)", text)


def test_every_limit_is_drawn_with_its_label_in_both_sizes(healthy: Any) -> None:
    def drawn(figure: str) -> list[str]:
        inside = healthy.page.split(f'id="{figure}"')[1].split("</figure>")[0]
        return re.findall(r"<svg class=\"chart.*?</svg>", inside, flags=re.S)

    for figure, labels in {
        "t1-response": ("limit: p95 ≤ 2 s", "limit: p99 ≤ 5 s", "warm-up"),
        "t2-response": ("limit: p95 ≤ 4 s",),
        "t1-cpu": ("policy: at most 70 %",),
        "t1-lag": ("policy: at most 100 ms",),
    }.items():
        sizes = drawn(figure)
        assert len(sizes) == 2, figure
        for svg in sizes:
            for label in labels:
                # Twice: the label and the halo behind it, which a shaded or crossed label needs.
                assert svg.count(f">{label}</text>") >= 1, (figure, label)
    steps, levels = drawn("t2-steps")[:2], drawn("t2-steps")[2:]
    assert all("breakpoint: 6 P" in svg and "required 2 P" in svg for svg in steps)
    assert all("limit: p95 ≤ 4 s" in svg for svg in levels)
    assert len(steps) == len(levels) == 2


def test_an_invalid_run_shows_no_figure_and_no_kept_limit_that_could_be_taken_as_good(worker_lost: Any) -> None:
    before_charts = worker_lost.page.split('id="t1"')[0]
    assert "Response time at" not in before_charts
    assert "v-PASS" not in re.sub(r"<style>.*?</style>", "", worker_lost.page, flags=re.S)
    assert "neither a pass nor a fail" in before_charts
    assert '<td class="held-true">' not in worker_lost.page.split('id="health"')[0]


def test_an_invalid_stress_trial_shows_no_level_as_held_and_no_breakpoint(healthy: Any) -> None:
    load, stress = healthy.view.trials
    invalid = stress.verdict.model_copy(update={"verdict": Verdict.INVALID})
    trials = (healthy.verdict.trials[0], invalid)
    run = healthy.verdict.model_copy(update={"verdict": Verdict.INVALID, "trials": trials})
    page = render_html(replace(healthy.view, verdict=run, trials=(load, replace(stress, verdict=invalid))))
    figure = page.split('id="t2-steps"')[1].split("</figure>")[0]
    assert "No level was decided either way." in figure
    assert "breakpoint:" not in figure and ">✓<" not in figure
    assert "Capacity</dt>" not in page


def test_a_stretch_without_answers_is_shaded_and_not_a_fine_line(collapsing: Any) -> None:
    figure = collapsing.page.split('id="t1-response"')[1].split("</figure>")[0]
    assert 'fill="var(--c-error)"' in figure
    assert "Too many steps were never answered to tell even the median." in figure


def test_diagnostics_and_provenance_are_on_the_page(collapsing: Any) -> None:
    text = "".join(Page(collapsing.page).text)
    for expected in (
        "503 Service Unavailable: try later",
        "not tried: an earlier step failed",
        "seatrial verify BUNDLE --trust TRUST",
        "seatrial assess BUNDLE",
        "sha256:" + "ab" * 32,
        "app/server.py",
        "SHA-256 of plan.json",
        "machine.cores",
        "2026-11-23T07:00:00Z",
        "Seatrial demonstration policy",
    ):
        assert expected in text, expected


def test_the_chinese_page_is_chinese_and_keeps_the_code_of_the_verdict(interrupted: Any) -> None:
    page = render_html(interrupted.view, "zh-Hant")
    assert '<html lang="zh-Hant">' in page
    assert "無效" in page and '<span class="code" lang="en">INVALID</span>' in page
    assert "測試被中斷" in page
    for english in ("Verdict", "Why", "measured", "The trial", "Provenance"):
        assert english not in re.sub(r"<style>.*?</style>", "", page, flags=re.S)


def test_times_from_the_send_stand_beside_response_times_in_both_languages(healthy: Any) -> None:
    stage = healthy.verdict.trials[0].stages[0]
    assert None not in (stage.p95_ns, stage.service_p95_ns)
    row = next(line for line in healthy.page.splitlines() if f'<th scope="row">{stage.name}</th>' in line)
    for ns in (stage.p95_ns, stage.service_p50_ns, stage.service_p95_ns, stage.service_p99_ns):
        assert f'<td class="num">{format_duration(ns)}</td>' in row
    assert "p95 from send" in healthy.page
    assert "p95（由送出起計）" in render_html(healthy.view, "zh-Hant")
