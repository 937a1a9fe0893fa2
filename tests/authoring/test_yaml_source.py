"""YAML from strangers: what is read as what, and what is refused before it can do harm."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from seatrial.authoring.problems import ProblemList
from seatrial.authoring.yaml_plan import load_plan
from seatrial.authoring.yaml_source import MAX_BYTES, MAX_LINE, Node, UnreadableError, read_yaml
from seatrial.errors import PlanError


def read(source: str | bytes) -> Node:
    problems = ProblemList("p")
    node = read_yaml(source.encode() if isinstance(source, str) else source, problems)
    assert not problems.in_order()
    return node


def refusal(source: str | bytes) -> str:
    problems = ProblemList("p")
    try:
        read_yaml(source.encode() if isinstance(source, str) else source, problems)
    except UnreadableError:
        assert len(problems)
    return "\n".join(str(problem) for problem in problems.in_order())


SCALARS: dict[str, Any] = {
    "x": "x", "'1'": "1", '"true"': "true", "1": 1, "-7": -7, "+7": 7, "0o17": 15, "0x1F": 31, "017": 17, "1.5": 1.5,
    "1e3": 1000.0, ".5": 0.5, "true": True, "False": False, "null": None, "~": None, "yes": "yes", "on": "on",
    "1:30": "1:30", "12e03": 12000.0, "2026-01-01": "2026-01-01", "1_000": "1_000", "|\n  a\n  b\n": "a\nb\n",
    '"\\u9673"': "陳", "=": "=", "1e999": "1e999",
}  # fmt: skip


@pytest.mark.parametrize("written", SCALARS)
def test_scalars_are_those_of_the_yaml_1_2_core_schema(written: str) -> None:
    value = read(f"k: {written}").plain()["k"]
    assert value == SCALARS[written]
    assert type(value) is type(SCALARS[written])


def test_every_value_keeps_its_line_and_how_it_was_written() -> None:
    root = read("a: 1\nb:\n  - 'x'\n  - {c: 0x10}\n")
    found = [root.get("a"), root.get("b"), root.get("b", 0), root.get("b", 1), root.get("b", 1, "c")]
    assert [(n.line, n.written) for n in found if n] == [(1, "1"), (2, ""), (3, "'x'"), (4, "{c: 0x10}"), (4, "0x10")]
    assert root.get("b", 7) is None
    assert root.get("z", 0, "y") is None


def test_an_alias_stands_for_its_value() -> None:
    assert read("a: &x [1, {b: 2}]\nc: *x").plain() == {"a": [1, {"b": 2}], "c": [1, {"b": 2}]}


def laughs(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines)


HOSTILE = {
    "a billion laughs": (laughs(9), "more than 20000 values, aliases counted in full"),
    "many values": ("- a\n" * 30_000, "more than 20000 values"),
    "a deep flow": ("[" * 60_000, "nested deeper than 40 levels"),
    "a deep block": ("- " * 100_000, "a line of more than 65,536 characters"),
    "a deeper block": ("".join(" " * i + "a:\n" for i in range(100)), "nested deeper than 40 levels"),
    "depth by aliases": (
        "a: &a " + "[" * 30 + "]" * 30 + "\nb: " + "[" * 30 + "*a" + "]" * 30, "nested deeper than 40 levels"
    ),
    "an alias within itself": ("a: &a [*a]", "an alias inside the value that it stands for: *a"),
    "an alias of nothing": ("a: *b", "an alias without its anchor: *b"),
    "a long line": ("#" * (MAX_LINE + 1), "a line of more than 65,536 characters"),
    "endless tags": (("!" * MAX_LINE + "\n") * 15, "not YAML"),
    "too long": (b"#\n" * (MAX_BYTES // 2 + 1), "longer than 1 MiB"),
    "empty": ("", "the document is empty"),
    "a comment only": ("# nothing\n", "the document is empty"),
    "two documents": ("a: 1\n---\nb: 2\n", "a second document in one file"),
    "another version": ("%YAML 1.1\n---\na: 1\n", "another version of YAML: %YAML 1.1"),
    "a tag": ("a: !!python/object/apply:os.system ['true']", "a tag is not allowed"),
    "a tag on a key": ("!!str a: 1", "a tag is not allowed"),
    "a null key": ("~: 1", "a key that is not text"),
    "a list as a key": ("? [a]\n: 1", "a key that is not text"),
    "not UTF-8": (b"a: 1\nb: \xff", "p:2: not UTF-8: byte 0xff"),
    "UTF-16": ("a: 1".encode("utf-16"), "not UTF-8"),
    "a NUL": ("a: \0", "a control character: 0x00"),
    "an escape sequence": ("a: 1\nb: \x1b[2J", "p:2: a control character: 0x1b"),
    "a form feed": ("a: 1\nb: \x0c", "p:2: a control character: 0x0c"),
    "a bad escape": ('a: "\\Uffffffff"', "not YAML"),
    "bad YAML": ("a: [1\nb: 2\n", "not YAML: expected ',' or ']'"),
    "a tab": ("a:\n\tb: 1", "not YAML"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_source_is_refused_quickly_with_its_reason(kind: str) -> None:
    source, reason = HOSTILE[kind]
    started = time.monotonic()
    assert reason in refusal(source)
    assert time.monotonic() - started < 5


MARKS = "a : , [ ] { } - ? # % & * ! ' \" | > @ ` \\ 1 é << ... --- ${ &a *a !x"
PIECES = st.sampled_from([*MARKS.split(" "), ": ", "- ", "? ", "\n", "\n  ", "---\n", "\t", "\ufeff", "\u2028", "\x85"])


@settings(max_examples=300)
@given(source=st.lists(PIECES, max_size=40).map("".join))
@example(source="%YAML 1.99999999999999999999999\n---\na")
@example(source="\ufeff\ufeffa: 1")
def test_arbitrary_text_is_read_or_refused_and_nothing_else(source: str) -> None:
    refusal(source)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=5000)
@given(source=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_a_plan_of_arbitrary_bytes_raises_a_plan_error(source: bytes, tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_bytes(source)
    with pytest.raises(PlanError):
        load_plan(tmp_path / "plan.yaml")
