"""docs/design/threats.md names everybody who could cheat, and every test that it names exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "design" / "threats.md").read_text(encoding="utf-8")
LINES = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| ") and "`" in line]


@pytest.mark.parametrize(
    "who",
    ["The department", "The tester", "The contractor", "An insider", "administrator", "The network"],
)
def test_everybody_who_could_cheat_has_a_section(who: str) -> None:
    assert re.search(rf"^## .*{who}", PAGE, re.MULTILINE)


def test_every_line_names_a_mechanism_and_tests_that_exist() -> None:
    assert len(LINES) > 25
    known: dict[str, set[str]] = {}
    for line in LINES:
        assert len(line) == 3, line
        does, found_by, shown_by = line
        named = re.findall(r"`([\w/.]+)::(\w+)`", shown_by)
        assert does and found_by and named, line
        for file, test in named:
            if file not in known:
                tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
                known[file] = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            assert test in known[file], f"{does}: {file} has no {test}"


def test_what_nothing_finds_is_said() -> None:
    assert "## What nothing here finds" in PAGE
