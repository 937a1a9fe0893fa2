"""What is taken from a JSON answer is what the standard library reads there, however it is parsed."""

import json
from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seatrial.engine.answers import MISSING, compile_extract
from seatrial.model.journey import Extract

NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "id"]), inner, max_size=3),
    max_leaves=12,
)


def taken(path: str, body: bytes, pick: str = "first"):
    extract = compile_extract(Extract.model_validate({"json": path, "pick": pick}))
    return extract(SimpleNamespace(body=body), SimpleNamespace(draw=lambda below: below // 2))


@given(value=VALUES, pick=st.sampled_from(["first", "last"]))
@example(value=2**64, pick="first")
@example(value=12345678901234567890123, pick="last")
@example(value=[2**63, -(2**63) - 1], pick="first")
def test_an_extracted_value_is_the_one_that_the_standard_library_reads(value, pick):
    body = json.dumps({"a": value}).encode()
    found = taken("$.a", body, pick)
    assert (type(found), repr(found)) == (type(value), repr(json.loads(body)["a"]))


@given(value=st.lists(VALUES, max_size=5))
def test_every_child_is_found_in_order(value):
    body = json.dumps({"free": [{"id": item} for item in value]}).encode()
    assert repr(taken("$.free[*].id", body)) == repr(value[0] if value else MISSING)
    assert repr(taken("$.free[*].id", body, "last")) == repr(value[-1] if value else MISSING)
    assert repr(taken("$.free[*].id", body, "random")) == repr(value[len(value) // 2] if value else MISSING)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"a": NaN}', "nan"),
        (b'{"a": "\\ud800"}', repr("\ud800")),
        ('{"a": "é"}'.encode("utf-16"), "'é'"),
        (b'{"a": 1e400}', "inf"),
        (b'{"a": 1', repr(MISSING)),
        (b"", repr(MISSING)),
        (b"[" * 100_000, repr(MISSING)),
        (b'{"a": 1, "a": 2}', "2"),
    ],
)
def test_what_the_fast_parser_refuses_goes_the_usual_way(body, found):
    assert repr(taken("$.a", body)) == found
