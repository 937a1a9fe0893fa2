"""The verdict as text."""

from __future__ import annotations

from typing import Any

from seatrial.model.verdict import Reason
from seatrial.reports.text import render_text


def test_the_terminal_says_verdict_reasons_limits_and_levels(healthy: Any) -> None:
    shown = render_text(healthy.verdict)
    assert shown.startswith("PASS  The service kept every limit")
    flat = " ".join(shown.split())
    for trial in healthy.verdict.trials:
        for reason in trial.reasons:
            assert " ".join(reason.text.split()) in flat
    assert "p95 response time ≤ 2 s" in shown
    assert "6 P" in shown and "✗ broke" in shown
    assert "\x1b" not in shown
    assert all(line == line.rstrip() for line in shown.splitlines())


def test_colour_only_repeats_what_the_words_say(healthy: Any) -> None:
    import re

    coloured = render_text(healthy.verdict, colour=True)
    assert "\x1b[1;32mPASS" in coloured
    bare = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert [line.rstrip() for line in bare.splitlines()] == render_text(healthy.verdict).splitlines()


def test_square_brackets_in_a_reason_are_not_markup(interrupted: Any) -> None:
    reason = Reason(code="validity.interrupted", params={"detail": "[bold]stop[/bold] [link=http://x]"})
    verdict = interrupted.verdict.model_copy(update={"reasons": (reason,)})
    assert "[bold]stop[/bold] [link=http://x]" in render_text(verdict)


def test_a_limit_of_an_invalid_trial_is_not_shown_as_kept(worker_lost: Any) -> None:
    assert "PASS" not in render_text(worker_lost.verdict)


def test_the_chinese_summary_is_chinese(collapsing: Any) -> None:
    shown = render_text(collapsing.verdict, "zh-Hant")
    assert shown.startswith("不通過")
    assert "響應時間" in shown
