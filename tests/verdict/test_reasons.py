from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

import seatrial
from seatrial.model.reasons import PHRASE_PLACES, PHRASES, REASONS, sentence
from seatrial.model.telemetry import Missing
from seatrial.model.verdict import Reason

SOURCE = Path(seatrial.__file__).parent
USERS = [path for path in SOURCE.rglob("*.py") if not path.name.startswith("reasons")]
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in USERS)
QUOTED = set(re.findall(r'"([a-z]+\.[a-z_]+)"', TEXT))
ROOMS = {code.partition(".")[0] for code in REASONS}


def places(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


@pytest.mark.parametrize("code", sorted(REASONS))
def test_every_sentence_has_both_languages_with_the_same_figures(code: str) -> None:
    english, chinese = REASONS[code]
    assert english.endswith(".")
    assert chinese.endswith("。")
    assert set(places(english)) == set(places(chinese))
    assert re.search(r"[\u4e00-\u9fff]", chinese)
    assert not re.search(r"[\u4e00-\u9fff]", english)


@pytest.mark.parametrize("key", sorted(PHRASES))
def test_every_phrase_has_both_languages_with_the_same_figures(key: str) -> None:
    english, chinese = PHRASES[key]
    assert places(english) == places(chinese)
    assert bool(english) == bool(chinese)


def test_no_sentence_is_unused() -> None:
    assert sorted(set(REASONS) - QUOTED) == []


def test_no_phrase_is_unused() -> None:
    built = {"response_quantile", "response_mean", "service_quantile", "service_mean", "errors", "goodput", "achieved"}
    built |= {"timeouts", "refusals", "http_errors", "failed_checks", "connection_errors", "goodput_rate"}
    built |= {"all_steps_admitted", "one_step_admitted", "one_journey_admitted"}
    built |= {f"missing_{missing.name.lower()}" for missing in Missing}
    built |= {f"telemetry_{way}" for way in ("mean", "max", "drift", "exhaustion")}
    words = set(re.findall(r'"([a-z_]+)"', TEXT))
    assert sorted(set(PHRASES) - words - built) == []


def test_every_code_that_is_used_has_a_sentence() -> None:
    used = set(re.findall(r'code="([a-z]+\.[a-z_]+)"', TEXT))
    used |= {code for code in QUOTED if code.partition(".")[0] in {"validity", "objective", "capacity", "breakpoint"}}
    assert sorted(used - set(REASONS)) == []
    assert {
        "run",
        "objective",
        "capacity",
        "breakpoint",
        "service",
        "load",
        "steps",
        "validity",
        "generator",
        "telemetry",
        "drift",
        "recovery",
        "size",
        "efficiency",
        "comparison",
    } == ROOMS


def test_phrases_are_put_in_the_sentence_s_own_language() -> None:
    params = {
        "what": "response_quantile",
        "percentile": "p95",
        "where": "one_step",
        "name": "book {x}",
        "at": "one_level",
        "level": "2 P",
        "bound": "at_most",
        "limit": "2 s",
        "range": "open",
        "lower": "6.1 s",
        "value": "6.4 s",
    }
    assert sentence("objective.broken", params, "en") == (
        "The p95 response time of step “book {x}” at 2 P was 6.4 s (at least 6.1 s, with no upper bound); the limit, "
        "at most 2 s, is broken."
    )
    chinese = sentence("objective.broken", params, "zh-Hant")
    assert "p95 響應時間（步驟「book {x}」）（負載為 2 P 時）為 6.4 s" in chinese
    assert set(params) & PHRASE_PLACES == {"what", "where", "at", "bound", "range"}


def test_a_reason_nobody_can_read_is_an_error() -> None:
    with pytest.raises(KeyError):
        sentence("validity.whim", {}, "en")
    with pytest.raises(KeyError):
        sentence("validity.cpu", {"worker": "1"}, "zh-Hant")


def test_the_text_of_a_reason_is_made_from_its_code_and_never_read() -> None:
    read = Reason.model_validate({"code": "run.no_trials", "params": {}, "text": "All is well."})
    assert read.text.startswith("No trial was run")
