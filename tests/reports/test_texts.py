"""The catalogue: both languages say the same with the same figures, and nothing the page can need is missing."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

import seatrial.reports
from seatrial.model.journal import Ending, EventKind
from seatrial.model.objective import Metric
from seatrial.model.sample import Outcome
from seatrial.model.verdict import Verdict
from seatrial.reports.texts import LANGUAGES, catalogue, text

FOLDER = Path(seatrial.reports.__file__).parent


def _places(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


@pytest.mark.parametrize("key", sorted(catalogue()))
def test_both_languages_have_the_same_placeholders(key: str) -> None:
    english, chinese = (catalogue()[key][language] for language in LANGUAGES)
    assert _places(english) == _places(chinese)
    assert english.strip() and chinese.strip()


def test_every_member_of_a_closed_set_has_its_text() -> None:
    keys = set(catalogue())
    assert {f"outcome.{outcome.label}" for outcome in Outcome} <= keys
    assert {f"event.{event.value.replace(' ', '_')}" for event in EventKind} <= keys
    assert {f"ending.{ending.value.replace(' ', '_')}" for ending in Ending} <= keys
    assert {f"metric.{metric.value.replace(' ', '_')}" for metric in Metric} <= keys
    for group in ("verdict", "means", "not"):
        assert {f"{group}.{verdict.value}" for verdict in Verdict} <= keys


def test_every_text_that_is_asked_for_exists() -> None:
    sources = [*FOLDER.glob("*.py"), *FOLDER.glob("templates/*")]
    asked = set(
        re.findall(r"""["']([a-z]+(?:\.[a-zA-Z_0-9]+)+)["']""", "\n".join(p.read_text("utf-8") for p in sources))
    )
    groups = {key.split(".")[0] for key in catalogue()}
    files = {path.name for path in FOLDER.rglob("*")} | {"plan.json", "policy.json"}
    missing = {key for key in asked if key.split(".")[0] in groups} - set(catalogue()) - files
    assert not {key for key in missing if not key.endswith((".json", ".jsonl", ".py", ".toml"))}


def test_a_text_with_a_missing_figure_is_refused() -> None:
    with pytest.raises(KeyError):
        text("page.target", "en")
