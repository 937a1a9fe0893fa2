"""The look of the portal in a browser: axe, the keyboard, narrow screens, paper."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright
from tests.portal.specimens import LANGUAGES, PAGES, served

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, Scheme] = ("light", "dark")
NARROW, WIDE = 360, 1280
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

_REACHABLE = """() => {
  const groups = new Set();
  return [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, [tabindex="0"]')]
    .filter(e => e.checkVisibility() && !(e.type === 'radio' && groups.has(e.name) || !groups.add(e.name || {})))
    .map((e, n) => { e.dataset.stop = n; return e.outerHTML.slice(0, 120); });
}"""
_FOCUSED = """() => {
  const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();
  const seen = s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2
    && r.right > 0 && r.left < innerWidth && r.bottom > 0 && r.top < innerHeight;
  return [e.dataset.stop ?? null, seen];
}"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served() as url:
        yield url


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium")
    assert program is not None, "the browser tests need Debian's chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, url: str, scheme: Scheme = "light", width: int = WIDE, **more: Any) -> Iterator[Page]:
    """Open a page; what the browser complains of (the policy for contents, a missing file) fails the test."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **more)
    page, complaints = context.new_page(), []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    page.goto(url)
    try:
        yield page
    finally:
        context.close()
    assert complaints == []


@pytest.mark.parametrize("page_name", PAGES)
@pytest.mark.parametrize(("language", "scheme"), list(product(LANGUAGES, SCHEMES)))
def test_axe_finds_nothing_and_no_page_scrolls_sideways(
    chromium: Browser, address: str, page_name: str, language: str, scheme: Scheme
) -> None:
    with opened(chromium, f"{address}/{language}/{page_name}", scheme, NARROW) as page:
        for width in (NARROW, WIDE):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") == width
            found = Axe().run(page, options={"runOnly": RULES, "resultTypes": ["violations"]}).response["violations"]
            assert [(v["id"], [n["html"][:160] for n in v["nodes"]]) for v in found] == []


@pytest.mark.parametrize(("language", "scheme", "width"), [("en", "light", WIDE), ("zh-hant", "dark", NARROW)])
def test_the_keyboard_reaches_everything_and_shows_where_it_is(
    chromium: Browser, address: str, language: str, scheme: Scheme, width: int
) -> None:
    with opened(chromium, f"{address}/{language}/every_part", scheme, width) as page:
        wanted = page.evaluate(_REACHABLE)
        assert len(wanted) > 40
        page.evaluate("document.activeElement.blur(); document.querySelector('.skip').focus()")
        reached, unseen = {"0"}, []
        for _ in range(2 * len(wanted)):
            page.keyboard.press("Tab")
            stop, seen = page.evaluate(_FOCUSED)
            if stop == "0":
                break
            if stop is not None:
                reached.add(stop)
                unseen += [] if seen else [wanted[int(stop)]]
        assert [html for n, html in enumerate(wanted) if str(n) not in reached] == []
        assert unseen == []


def test_the_first_tab_offers_to_skip_to_the_content(chromium: Browser, address: str) -> None:
    with opened(chromium, f"{address}/en/question") as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"


def test_a_form_with_faults_begins_at_its_summary_without_a_script(chromium: Browser, address: str) -> None:
    with opened(chromium, f"{address}/en/every_part") as page:
        assert page.evaluate("document.activeElement.className") == "summary"
        page.click(".summary a >> nth=0")
        page.keyboard.type("ferry")
        assert page.input_value("#id_name") == "ferry"


def test_what_one_presses_is_large_enough_for_a_finger(chromium: Browser, address: str) -> None:
    with opened(chromium, f"{address}/en/every_part", width=NARROW, has_touch=True) as page:
        heights = page.evaluate(
            "[...document.querySelectorAll('button, .button, select, textarea, .choice label, .check label,"
            " nav.tabs a, .navigation a, .pagination a, input:not([type=hidden], [type=radio], [type=checkbox])')]"
            ".map(e => [e.outerHTML.slice(0, 80), e.getBoundingClientRect().height])"
        )
        assert len(heights) > 30
        assert [pair for pair in heights if pair[1] < 43.9] == []


def test_a_table_becomes_cards_on_a_phone_with_each_cell_named(chromium: Browser, address: str) -> None:
    with opened(chromium, f"{address}/en/every_part", width=NARROW) as page:
        label = "getComputedStyle(document.querySelector('.stack td'), '::before').content"
        assert page.evaluate(label) == '"System"'
        assert page.evaluate("getComputedStyle(document.querySelector('.stack td')).display") == "grid"
        page.set_viewport_size({"width": WIDE, "height": 900})
        assert page.evaluate(label) == "none"


def test_whoever_wants_no_motion_gets_none(chromium: Browser, address: str) -> None:
    for motion, wanted in (("no-preference", "0.12s"), ("reduce", "0s")):
        with opened(chromium, f"{address}/en/question", reduced_motion=motion) as page:
            found = page.evaluate("getComputedStyle(document.querySelector('.button')).transitionDuration")
            assert found == wanted


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_letter_on_paper_is_the_letter_alone_on_one_sheet(chromium: Browser, address: str, language: str) -> None:
    with opened(chromium, f"{address}/{language}/a_letter", "dark") as page:
        page.emulate_media(media="print")
        hidden = (
            "[...document.querySelectorAll('.head, .foot, .messages, .skip, aside')].filter(e => e.checkVisibility())"
        )
        assert page.evaluate(f"{hidden}.map(e => e.className)") == []
        assert page.evaluate("document.querySelector('.letter .verify').checkVisibility()")
        ground = "getComputedStyle(document.body).backgroundColor"
        assert page.evaluate(ground) == "rgb(255, 255, 255)"
        assert page.pdf(format="A4", prefer_css_page_size=True).count(b"/Type /Page\n") == 1


def test_a_case_on_paper_keeps_its_facts_and_loses_its_buttons(chromium: Browser, address: str) -> None:
    with opened(chromium, f"{address}/en/every_part") as page:
        page.emulate_media(media="print")
        assert page.evaluate("document.querySelector('.facts').checkVisibility()")
        assert page.evaluate("document.querySelector('.timeline').checkVisibility()")
        shown = "[...document.querySelectorAll('button, .button, input')].filter(e => e.checkVisibility()).length"
        assert page.evaluate(shown) == page.evaluate("document.querySelectorAll('.empty .button').length")
