"""Every snippet of the page on arrivals is a plan that is read."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from seatrial.authoring.yaml_plan import load_plan

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "arrivals.md"
SNIPPETS = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
HEAD = "seatrial: 1\ntitle: t\ntarget: http://127.0.0.1:1\ndemand: {peak: 40/s}\n"
STEP = "- get: /\n"
TRIAL = "- {kind: load, at: 1 P, for: 1m, objectives: [errors <= 1%]}\n"


def test_the_page_has_its_snippets() -> None:
    assert len(SNIPPETS) == 11


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_a_snippet_is_read(snippet: str, tmp_path: Path) -> None:
    whole = "" if snippet.startswith("-") else snippet
    step, trial = (snippet if snippet.startswith(f"- {key}") else other for key, other in (("get", STEP), ("", TRIAL)))
    trial = TRIAL if step == snippet or whole else trial
    parts = (HEAD, whole, "journeys:\n  visit:\n    steps:\n", textwrap.indent(step, "      "))
    (tmp_path / "plan.yaml").write_text("".join(parts) + "trials:\n" + textwrap.indent(trial, "  "), "utf-8")
    assert load_plan(tmp_path / "plan.yaml").plan.trials
