import hashlib
import math
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import EvidenceError
from seatrial.evidence.canonical import (
    MAX_DOCUMENT_BYTES,
    canonical_bytes,
    parse_json,
    parse_rfc3339,
    read_document,
    sha256_file,
    sha256_hex,
)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_what_is_written_reads_back_equal_and_is_written_the_same_again(value):
    data = canonical_bytes(value)
    again = parse_json(data, "it")
    assert again == value
    assert canonical_bytes(again) == data


def test_keys_are_sorted_and_there_are_no_spaces():
    assert canonical_bytes({"b": [1, 2.5], "a": "港"}) == '{"a":"港","b":[1,2.5]}'.encode()


@pytest.mark.parametrize("bad", [math.nan, math.inf, {"a": [-math.inf]}, {1: "x"}, {None: 1}, b"x", {"a": {1, 2}}])
def test_what_json_does_not_have_is_refused(bad):
    with pytest.raises(EvidenceError):
        canonical_bytes(bad)


def test_half_a_surrogate_pair_and_bottomless_nesting_are_refused():
    deep: list[object] = []
    for _ in range(200):
        deep = [deep]
    for bad in ("\ud800", deep):
        with pytest.raises(EvidenceError):
            canonical_bytes(bad)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{"a":1,"a":1}',
        b'[{"x":{"k":1,"k":2}}]',
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1e999",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"{} {}",
        b"[" * 100_000,
        b"1" * 5000,
    ],
)
def test_a_document_that_two_readers_could_take_in_two_ways_is_refused(data):
    with pytest.raises(EvidenceError, match=r"trust\.json"):
        parse_json(data, "trust.json")


def test_a_document_that_is_too_large_is_refused_unread(tmp_path):
    with pytest.raises(EvidenceError, match="bytes"):
        parse_json(b" " * (MAX_DOCUMENT_BYTES + 1), "plan.json")
    (tmp_path / "big").write_bytes(b"12345")
    with pytest.raises(EvidenceError, match="larger"):
        read_document(tmp_path / "big", 4)
    assert read_document(tmp_path / "big", 5) == b"12345"


def test_only_regular_files_are_read_and_a_pipe_does_not_hold_the_reader(tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 3_000_000)
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    assert sha256_file(tmp_path / "file") == (hashlib.sha256(b"x" * 3_000_000).hexdigest(), 3_000_000)
    for name in ("link", "pipe", "absent", "."):
        with pytest.raises(EvidenceError):
            sha256_file(tmp_path / name)


def test_the_digest_is_sha_256():
    assert sha256_hex(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_time_is_read_with_its_zone():
    assert parse_rfc3339("2026-01-31T15:00:00+08:00", "it") == parse_rfc3339("2026-01-31T07:00:00Z", "it")


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "2026-01-31",
        "2026-01-31T07:00:00",
        "2026-02-30T07:00:00Z",
        "2026-01-31 07:00:00Z",
        "0001-01-01T00:00:00+14:00",
        7,
        None,
    ],
)
def test_a_time_without_zone_or_on_no_day_is_refused(bad):
    with pytest.raises(EvidenceError, match="RFC 3339"):
        parse_rfc3339(bad, "validUntil")
