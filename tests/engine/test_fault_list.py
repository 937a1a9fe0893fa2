"""docs/design/faults.md holds the whole list, and every test that it names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from seatrial.model.sample import Outcome

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "design" / "faults.md").read_text(encoding="utf-8")
LINES = [line.split(" | ") for line in PAGE.splitlines() if line.startswith("| ") and "`" in line]
ASKED = [
    *("closes before", "in the middle of a response", "closes after", "resets", "garbage", "1 MB", "one byte a second"),
    *("negative", "doubled", "missing content-length", "promises more", "promises less", "bad chunks"),
    *("1xx", "204, 304", "HEAD", "second response", "keep-alive race", "name resolution fails half-way"),
    *("certificate expired", "another name", "too many open files", "ports exhausted", "system clock"),
]


@pytest.mark.parametrize("fault", ASKED)
def test_every_fault_of_the_list_has_a_line(fault: str) -> None:
    assert any(fault in line[0] for line in LINES), fault


def test_every_line_has_an_outcome_and_tests_that_exist() -> None:
    assert len(LINES) > 35
    outcomes = {outcome.name for outcome in Outcome}
    known: dict[str, set[str]] = {}
    for fault, recorded, shown in LINES:
        assert set(re.findall(r"\b[A-Z]{2}[A-Z_]+\b", recorded)) - {"INVALID"} <= outcomes, fault
        named = re.findall(r"`([\w/.]+)::(\w+)`", shown)
        assert named, fault
        for file, test in named:
            path = ROOT / "tests" / (file if "/" in file else f"engine/{file}")
            if file not in known:
                tree = ast.parse(path.read_text(encoding="utf-8"))
                known[file] = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            assert test in known[file], f"{fault}: {file} has no {test}"


def test_a_name_in_passing_exists_too() -> None:
    for file, test in re.findall(r"`([\w/.]+)::(\w+)`", PAGE):
        path = ROOT / "tests" / (file if "/" in file else f"engine/{file}")
        assert f"def {test}(" in path.read_text(encoding="utf-8")
