"""The look of the portal: parts say what they must, colours can be read, and the stylesheet stays small."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from django import forms
from django.core.paginator import Paginator
from django.template import engines
from django.template.backends.django import Template
from django.test import override_settings
from django.utils import translation
from django.utils.formats import reset_format_cache
from selectolax.lexbor import LexborHTMLParser
from tests.portal.specimens import LANGUAGES, PAGES, PORTAL, STYLESHEET, EveryField, Filter, rendered

from seatrial.portal.cases.states import State
from seatrial.portal.look import TONES, Tone, tone_of

PARTS = sorted(path.name for path in (PORTAL / "templates" / "portal" / "parts").glob("*.html"))
CSS = re.sub(r"/\*.*?\*/", "", STYLESHEET.read_text(), flags=re.S)
TONE_NAMES = [tone.value for tone in Tone]
EVERY_PAGE = list(product(PAGES, LANGUAGES))


def part(name: str, /, **context: Any) -> LexborHTMLParser:
    template = engines["django"].get_template(f"portal/parts/{name}.html")
    assert isinstance(template, Template)
    return LexborHTMLParser(f"<body>{template.render(context)}</body>")


def words(tree: LexborHTMLParser, selector: str = "body") -> str:
    return " ".join(" ".join(node.text(separator=" ") for node in tree.css(selector)).split())


# Colours


def _properties(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+):\s*(#[0-9a-f]{3,6})", block))


def _schemes() -> dict[str, dict[str, str]]:
    light, dark, printed = re.findall(r":root\s*\{(.*?)\}", CSS, flags=re.S)
    found = {"light": _properties(light)}
    return found | {"dark": found["light"] | _properties(dark), "print": found["light"] | _properties(printed)}


def _luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2: 0 (black) to 1 (white)."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_reckoned_as_the_guidelines_do() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#fff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_every_text_can_be_read_on_every_ground_it_stands_on(scheme: str) -> None:
    colour = _schemes()[scheme]
    pairs = [*product(("ink", "soft", "link", "link-hover", "bad", "warning"), ("page", "card", "shade"))]
    pairs += [("on-mark", ground) for ground in ("link", "link-hover", "bad")] if scheme != "print" else []
    pairs += [(tone, f"{tone}-bg") for tone in TONE_NAMES] + [("ink", f"{tone}-bg") for tone in TONE_NAMES]
    faint = {pair: contrast(colour[pair[0]], colour[pair[1]]) for pair in pairs}
    assert {pair: ratio for pair, ratio in faint.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_the_edge_of_whatever_one_fills_in_can_be_seen(scheme: str) -> None:
    colour = _schemes()[scheme]
    for line, ground in product(("edge", "link", "bad"), ("page", "card")):
        assert contrast(colour[line], colour[ground]) >= 3, (line, ground)


def test_dark_and_print_change_no_colour_that_light_lacks() -> None:
    schemes = _schemes()
    assert set(schemes["light"]) == set(schemes["dark"]) == set(schemes["print"])
    assert all(schemes["light"][name] != schemes["dark"][name] for name in schemes["light"])


# The stylesheet


def test_the_stylesheet_is_small_and_asks_for_nothing_from_elsewhere() -> None:
    assert len(STYLESHEET.read_bytes()) <= 16 * 1024
    assert "url(" not in CSS
    assert "@import" not in CSS


def test_every_property_that_is_used_is_defined() -> None:
    defined = set(re.findall(r"(--[a-z-]+):", CSS))
    assert set(re.findall(r"var\((--[a-z-]+)", CSS)) == defined


def test_a_state_has_the_same_colour_in_the_stylesheet_as_in_the_table() -> None:
    found: dict[str, str] = {state.value: "neutral" for state in State}
    for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", CSS):
        states = re.findall(r"\.state-([a-z_]+)", selectors)
        found |= dict.fromkeys(states, "".join(re.findall(r"--t: var\(--([a-z]+)\)", body)))
    assert found == {state.value: tone.value for state, tone in TONES.items()}


def test_every_state_has_a_tone_and_no_other_word_has() -> None:
    assert set(TONES) == set(State)
    assert set(TONES.values()) == set(Tone)
    assert tone_of("refused") is tone_of(State.REFUSED) is Tone.BAD
    with pytest.raises(ValueError, match="waived"):
        tone_of("waived")


# Pages


@pytest.mark.parametrize(("page", "language"), EVERY_PAGE)
def test_a_page_has_no_style_or_script_of_its_own_and_asks_nobody_else(page: str, language: str) -> None:
    html = rendered(page, language)
    tree = LexborHTMLParser(html)
    assert tree.css("script, style, [style]") == []
    assert re.search(r"\son[a-z]+=", html) is None
    sources = [n.attributes.get("href") or n.attributes.get("src") or "" for n in tree.css("link, img, iframe, object")]
    assert sources
    assert all(source.startswith("/static/portal/") for source in sources)


@pytest.mark.parametrize(("page", "language"), EVERY_PAGE)
def test_what_a_page_points_to_is_there_once(page: str, language: str) -> None:
    tree = LexborHTMLParser(rendered(page, language))
    ids = [node.attributes["id"] for node in tree.css("[id]")]
    assert len(ids) == len(set(ids))
    wanted = [node.attributes["for"] for node in tree.css("label[for]")]
    for attribute in ("aria-describedby", "aria-labelledby"):
        for node in tree.css(f"[{attribute}]"):
            wanted += (node.attributes[attribute] or "").split()
    wanted += [(node.attributes["href"] or "")[1:] for node in tree.css('a[href^="#"]')]
    assert wanted
    assert set(wanted) <= set(ids)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_frame_says_its_language_and_which_language_is_chosen(language: str) -> None:
    tree = LexborHTMLParser(rendered("question", language))
    html = tree.css_first("html")
    assert html is not None
    assert html.attributes["lang"] == language
    buttons = tree.css("form.languages button[name=language]")
    assert [b.attributes["value"] for b in buttons] == list(LANGUAGES)
    assert [b.attributes["value"] for b in buttons if "aria-current" in b.attributes] == [language]
    back = tree.css_first("form.languages input[name=next]")
    assert back is not None
    assert back.attributes["value"] == f"/{language}/question"


def test_a_frame_with_nobody_signed_in_offers_no_sign_out_and_no_navigation() -> None:
    template = engines["django"].get_template("portal/base.html")
    tree = LexborHTMLParser(template.render({}))
    assert tree.css("form.person, nav.navigation") == []
    assert len(tree.css("main h1")) == 1
    assert "recorded" in words(tree, "footer")


def test_empty_blocks_leave_nothing_that_the_stylesheet_would_show() -> None:
    tree = LexborHTMLParser(engines["django"].get_template("portal/base.html").render({}))
    for selector in (".lead", "aside", ".breadcrumbs ol"):
        assert tree.css(f"{selector}:empty"), selector


# Parts


@pytest.mark.parametrize("name", PARTS)
def test_every_part_is_in_the_documents_and_says_what_it_takes(name: str) -> None:
    source = (PORTAL / "templates" / "portal" / "parts" / name).read_text()
    if name == "field_words.html":  # the inside of field.html, included by nobody else
        return
    assert "Context:" in source
    design = PORTAL.parents[2] / "docs" / "design" / "portal-look.md"
    assert f"| `{name}` |" in design.read_text()


def test_parts_escape_what_people_typed() -> None:
    hostile = "<script>alert(1)</script>"
    shown = (
        part("facts", facts=[(hostile, hostile)]),
        part("badge", label=hostile, state=hostile),
        part("empty", title=hostile, text=hostile, url="/", label=hostile),
        part("timeline", events=[{"what": hostile, "who": hostile, "at": hostile, "reasons": hostile}]),
        part("progress", label=hostile, text=hostile, value=1, maximum=2),
        part("tabs", tabs=[{"url": "/", "label": hostile}]),
        part("filter", form=Filter({"q": hostile})),
    )
    for tree in shown:
        assert tree.css("script") == []
        assert "alert(1)" in (tree.html or "")


def test_a_wrong_field_says_so_and_is_tied_to_its_words() -> None:
    form = EveryField({"peak": "-4"}, {})
    tree = part("field", field=form["peak"])
    box = tree.css_first("input")
    assert box is not None
    assert box.attributes["aria-invalid"] == "true"
    assert box.attributes["aria-describedby"] == "id_peak_error"
    assert words(tree, "#id_peak_error") == "Error: Ensure this value is greater than or equal to 1."
    assert words(tree, "label[for=id_peak]") == "Peak (required)"


def test_a_field_that_may_stay_empty_is_not_called_required() -> None:
    assert words(part("field", field=EveryField()["description"]), "label") == "Description"
    assert words(part("field", field=EveryField()["name"], plain=True), "label") == "Name"


@pytest.mark.parametrize("name", ["risk", "tests"])
def test_choices_are_grouped_under_their_question(name: str) -> None:
    form = EveryField({}, {})
    tree = part("field", field=form[name])
    group = tree.css_first("fieldset")
    assert group is not None
    assert f"id_{name}_error" in (group.attributes["aria-describedby"] or "")
    assert words(tree, "legend").endswith("(required)")
    assert len(tree.css("fieldset label input")) == 2


def test_a_hidden_field_comes_without_words() -> None:
    tree = part("field", field=EveryField()["version"])
    assert words(tree) == ""
    assert len(tree.css("input[type=hidden]")) == 1


def test_the_summary_leads_to_every_wrong_field_and_takes_the_focus() -> None:
    form = EveryField({"version": "3"}, {})
    form.add_error(None, "The case has moved.")
    tree = part("error_summary", form=form)
    box = tree.css_first("[role=alert]")
    assert box is not None
    assert box.attributes["tabindex"] == "-1"
    assert "autofocus" in box.attributes
    links = {(node.attributes["href"] or "") for node in tree.css("a")}
    wrong = set(form.errors) - {"__all__", "risk", "tests"}
    assert links == {f"#id_{name}" for name in wrong} | {"#id_risk_0", "#id_tests_0"}
    assert "The case has moved." in words(tree, "li")


def test_a_form_without_a_fault_has_no_summary() -> None:
    assert words(part("error_summary", form=Filter({}))) == ""


def test_a_form_with_a_file_is_sent_as_one_and_its_button_can_warn() -> None:
    tree = part("form", form=EveryField(), submit="Send", danger=True, cancel_url="/back", name="do", value="send")
    form, button, cancel = (tree.css_first(s) for s in ("form", "button", "a.quiet"))
    assert form is not None
    assert button is not None
    assert cancel is not None
    assert form.attributes["enctype"] == "multipart/form-data"
    assert (button.attributes["name"], button.attributes["value"], button.text()) == ("do", "send", "Send")
    assert "danger" in (button.attributes["class"] or "")
    assert cancel.attributes["href"] == "/back"
    assert "enctype" not in (part("form", form=Filter()).css_first("form") or form).attributes


def test_pages_of_a_list_keep_the_query() -> None:
    tree = part("pagination", page_obj=Paginator(range(30), 10).page(2), query="q=a%26b&state=ready")
    assert [n.attributes["href"] for n in tree.css("a")] == [
        "?q=a%26b&state=ready&page=1",
        "?q=a%26b&state=ready&page=3",
    ]
    assert "Page 2 of 3" in words(tree)
    first = part("pagination", page_obj=Paginator(range(30), 10).page(1), query="")
    assert [n.attributes["href"] for n in first.css("a")] == ["?page=2"]


def test_a_list_of_one_page_has_no_way_through_it() -> None:
    assert words(part("pagination", page_obj=Paginator(range(3), 10).page(1), query="")) == ""


def test_a_fact_that_is_missing_is_said_and_nought_is_not_missing() -> None:
    tree = part("facts", facts=[("Peak", 0), ("Tester", None), ("Remark", "")])
    assert [" ".join(n.text(separator=" ").split()) for n in tree.css("dd")] == ["0", "– not given", "– not given"]


def test_progress_is_a_number_for_machines_in_every_language() -> None:
    with translation.override("de"), override_settings(USE_THOUSAND_SEPARATOR=True):
        bar = part("progress", label="Dossier", value=1234.5, maximum=2000).css_first("progress")
    assert bar is not None
    assert (bar.attributes["value"], bar.attributes["max"]) == ("1234.5", "2000")


def test_an_event_says_when_who_what_and_why() -> None:
    at = datetime.datetime(2026, 11, 24, 4, 5, tzinfo=datetime.UTC)
    tree = part("timeline", events=[{"at": at, "what": "Refused", "who": "Ada", "reasons": "Slow.\n\nTwice."}])
    assert words(tree).startswith("Refused")
    assert "Ada" in words(tree, ".when")
    assert len(tree.css(".reasons p")) == 2
    stamp = tree.css_first("time")
    assert stamp is not None
    assert stamp.attributes["datetime"] == "2026-11-24T04:05:00+00:00"


# Dates


@pytest.fixture
def our_formats() -> Iterator[None]:
    with override_settings(FORMAT_MODULE_PATH=["seatrial.portal.formats"]):
        reset_format_cache()
        yield
    reset_format_cache()


class _When(forms.Form):
    day = forms.DateField(widget=forms.DateInput(attrs={"type": "date"}))
    moment = forms.DateTimeField(widget=forms.DateTimeInput(attrs={"type": "datetime-local"}))


@pytest.mark.usefixtures("our_formats")
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_date_goes_through_the_browsers_own_field_and_back(language: str) -> None:
    with translation.override(language):
        form = _When(initial={"day": datetime.date(2026, 12, 3), "moment": datetime.datetime(2026, 12, 3, 14, 30)})  # noqa: DTZ001 # a form's own time is naive
        tree = part("form", form=form)
        typed = {n.attributes["name"]: n.attributes.get("value") for n in tree.css("input[id]")}
        assert typed == {"day": "2026-12-03", "moment": "2026-12-03T14:30"}
        again = _When(typed)
        assert again.is_valid(), again.errors
        assert again.cleaned_data["day"] == datetime.date(2026, 12, 3)
        assert again.cleaned_data["moment"].isoformat() == "2026-12-03T14:30:00+08:00"


@pytest.mark.usefixtures("our_formats")
@pytest.mark.parametrize(
    ("language", "shown"), [("en", "24 November 2026, 12:05"), ("zh-hant", "2026年11月24日 12:05")]
)
def test_a_time_reads_as_people_here_write_it(language: str, shown: str) -> None:
    at = datetime.datetime(2026, 11, 24, 4, 5, tzinfo=datetime.UTC)
    with translation.override(language):
        assert words(part("timeline", events=[{"at": at, "what": "x"}]), "time") == shown
