"""Templates."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.model.template import Variable, parse_template, variables_in

CASES: dict[str, tuple[str | Variable, ...]] = {
    "": (),
    "plain": ("plain",),
    "${a}": (Variable("a"),),
    "x${a}y${b.c}z": ("x", Variable("a"), "y", Variable("b", "c"), "z"),
    "${a}${b}": (Variable("a"), Variable("b")),
    "$${a}": ("${a}",),
    "$": ("$",),
    "$5 and $x {y}": ("$5 and $x {y}",),
    "$$": ("$$",),
    "$$${a}": ("$${a}",),
    "a$${b}${c}": ("a${b}", Variable("c")),
    "${f.身分 號}": (Variable("f", "身分 號"),),
    "${f.a.b}": (Variable("f", "a.b"),),
    "}${_x1}": ("}", Variable("_x1")),
}


@pytest.mark.parametrize("text", CASES)
def test_a_template_is_its_pieces_in_order(text: str) -> None:
    assert parse_template(text) == CASES[text]


@pytest.mark.parametrize(
    "text", ["${", "a${b", "${}", "${ a}", "${1a}", "${a-b}", "${a.}", "${.a}", "${a{b}", "${a.\n}", "${名}"]
)
def test_a_malformed_template_is_refused_with_its_remedy(text: str) -> None:
    with pytest.raises(ValueError, match="write \\$\\{name\\} or"):
        parse_template(text)


@given(text=st.text(st.sampled_from("${}a.b"), max_size=30))
def test_pieces_are_never_empty_or_adjacent(text: str) -> None:
    try:
        parts = parse_template(text)
    except ValueError:
        return
    assert "" not in parts
    assert not any(isinstance(a, str) and isinstance(b, str) for a, b in pairwise(parts))


@given(text=st.text(st.sampled_from("${}ab"), max_size=30))
def test_escaped_text_is_literal(text: str) -> None:
    escaped = text.replace("${", "$${")
    if "$$${" not in escaped:  # a dollar before the brace's own has no escape
        assert "".join(map(str, parse_template(escaped))) == text


def test_a_variable_is_written_as_it_was() -> None:
    assert [str(v) for v in (Variable("a"), Variable("a", "b"))] == ["${a}", "${a.b}"]


def test_variables_are_found_in_nested_values_and_not_in_keys() -> None:
    value = {"${k}": ["${a}", 1, None, {"x": "${b.c} ${d}"}], "t": ("${e}",)}
    assert [str(v) for v in variables_in(value)] == ["${a}", "${b.c}", "${d}", "${e}"]
    assert list(variables_in(3.5)) == []
