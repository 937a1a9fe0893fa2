"""Feed files: what is read, and every file that is refused."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seatrial.authoring import feeders
from seatrial.authoring.feeders import FeedTable, read_feed
from seatrial.errors import PlanError, Problem
from seatrial.model.journey import Feed


def read(folder: Path, content: bytes, **feed: str) -> FeedTable:
    (folder / "f.csv").write_bytes(content)
    return read_feed(Feed.model_validate({"csv": "f.csv", **feed}), folder)


def refused(folder: Path, content: bytes, **feed: str) -> tuple[Problem, ...]:
    with pytest.raises(PlanError) as caught:
        read(folder, content, **feed)
    return caught.value.problems


def test_a_feed_gives_its_columns_and_rows_and_a_row_by_column(tmp_path: Path) -> None:
    table = read(tmp_path, 'id,name\nP1,陳嘉欣\nP2,"Lee, Mei"\n'.encode())
    assert table == FeedTable(("id", "name"), (("P1", "陳嘉欣"), ("P2", "Lee, Mei")))
    assert table.row(1) == {"id": "P2", "name": "Lee, Mei"}


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbfid\r\n1\r\n").columns == ("id",)


def test_other_encodings_are_read_when_named(tmp_path: Path) -> None:
    assert read(tmp_path, "名\n陳\n".encode("big5"), encoding="big5").rows == (("陳",),)
    assert read(tmp_path, "名\n陳\n".encode("utf-16"), encoding="UTF-16").rows == (("陳",),)


def test_blank_lines_after_the_last_row_are_no_rows(tmp_path: Path) -> None:
    assert read(tmp_path, b"id\n1\n\n\n").rows == (("1",),)


REFUSED = {
    "empty": (b"", "the feed is empty", ""),
    "header only": (b"id,pin\n", "the feed has a header and no rows", ""),
    "ragged": (b"id,pin\n1,2\n3\n", "a row of 1 values under 2 columns", ":3"),
    "too long a row": (b"id\n1,2\n", "a row of 2 values under 1 columns", ":2"),
    "blank row": (b"id\n1\n\n2\n", "a blank line between rows", ":3"),
    "duplicate column": (b"id,id\n1,2\n", "a column named twice", ":1"),
    "nameless column": (b"id,\n1,2\n", "a column without a usable name", ":1"),
    "column with a brace": (b"id,a}\n1,2\n", "a column without a usable name", ":1"),
    "blank header": (b"\nid\n1\n", "a header without columns", ":1"),
    "wrong encoding": (b"id\nP1\n\xb3\xaf\n", "not utf-8", ":3"),
    "open quote": (b'id\n1\n"2\n', "not CSV (unexpected end of data)", ":3"),
    "stray quote": (b'id\n"1"2\n', "not CSV (',' expected after '\"')", ":2"),
    "huge cell": (b"id\n" + b"x" * 200_000 + b"\n", "not CSV (field larger than field limit (131072))", ":2"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_wrong_file_is_refused_at_its_line(kind: str, tmp_path: Path) -> None:
    content, what, where = REFUSED[kind]
    first = refused(tmp_path, content)[0]
    assert first.what == what
    assert first.where == f"{tmp_path}/f.csv{where}"


def test_every_ragged_row_is_listed_with_the_line_it_starts_on(tmp_path: Path) -> None:
    found = refused(tmp_path, b'id,pin\n"a\nb",1\nP2\n1,2\n3,4,5\n')
    assert [p.where.rpartition(":")[2] for p in found] == ["4", "6"]
    assert found[1].value == "3,4,5"


def test_a_wholly_ragged_file_does_not_flood_the_list(tmp_path: Path) -> None:
    found = refused(tmp_path, b"id,pin\n" + b"x\n" * 5000)
    assert len(found) < 25
    assert found[-1].what == "more problems than are listed"


def test_the_offending_byte_is_shown(tmp_path: Path) -> None:
    assert refused(tmp_path, b"id\n\xff\n")[0].value == "byte 0xff"


@pytest.mark.parametrize("encoding", ["klingon", "zlib", "rot13", "idna", "unicode_escape", "", "a\0b"])
def test_an_encoding_that_is_none_is_refused(encoding: str, tmp_path: Path) -> None:
    assert refused(tmp_path, b"id\n1\n", encoding=encoding)[0].what == "an unknown encoding"


def test_a_feed_outside_the_plans_folder_is_refused_even_through_a_link(tmp_path: Path) -> None:
    base = tmp_path / "plan"
    base.mkdir()
    (tmp_path / "secret.csv").write_text("id\n1\n")
    (base / "link.csv").symlink_to(tmp_path / "secret.csv")
    for name in ("../secret.csv", str(tmp_path / "secret.csv"), "link.csv"):
        with pytest.raises(PlanError, match="outside the plan's folder"):
            read_feed(Feed(csv=name), base)


def test_what_is_no_file_is_refused_without_being_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for name in ("pipe.csv", "."):
        with pytest.raises(PlanError, match="the feed is not a file"):
            read_feed(Feed(csv=name), tmp_path)
    for name in ("none.csv", "a\0b"):
        with pytest.raises(PlanError, match="the feed can't be read"):
            read_feed(Feed(csv=name), tmp_path)


def test_a_feed_beyond_the_limit_is_refused_by_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeders, "MAX_FEED_BYTES", 5)
    assert refused(tmp_path, b"id\n123\n")[0].what == "the feed is longer than 64 MiB"


def read_lines(folder: Path, content: bytes, **feed: str) -> FeedTable:
    (folder / "f.jsonl").write_bytes(content)
    return read_feed(Feed.model_validate({"jsonl": "f.jsonl", **feed}), folder)


def test_json_lines_keep_the_types_of_their_values_in_the_first_lines_order(tmp_path: Path) -> None:
    first, second = (
        '{"id": 1, "name": "陳", "at": {"x": [1.5, null]}}',
        '{"at": false, "name": "", "id": 12345678901234567890}',
    )
    table = read_lines(tmp_path, b"\xef\xbb\xbf" + f"{first}\r\n{second}\n\n".encode())
    assert table.columns == ("id", "name", "at")
    assert table.rows == ((1, "陳", {"x": [1.5, None]}), (12345678901234567890, "", False))
    assert [type(value) for value in table.rows[1]] == [int, str, bool]


def test_a_path_alone_names_the_kind_of_the_file_by_its_ending() -> None:
    assert [Feed.model_validate(name).jsonl for name in ("a.jsonl", "a.NDJSON", "a.csv", "a")] == [
        "a.jsonl",
        "a.NDJSON",
        None,
        None,
    ]


LINES_REFUSED = {
    "empty": (b"", "the feed is empty", ""),
    "blank": (b"\n \n", "the feed is empty", ""),
    "not JSON": (b'{"a": 1}\n{"a": }\n', "not JSON", ":2"),
    "nested without end": (b'{"a": 1}\n' + b'{"a": ' + b"[" * 100_000 + b"\n", "not JSON", ":2"),
    "no object": (b'{"a": 1}\n[1]\n', "not a JSON object", ":2"),
    "a text": (b'"a"\n', "not a JSON object", ":1"),
    "a name missing": (b'{"a": 1, "b": 2}\n{"a": 1}\n', "a row of other names than the first", ":2"),
    "a name more": (b'{"a": 1}\n{"a": 1, "b": 2}\n', "a row of other names than the first", ":2"),
    "a name twice": (b'{"a": 1}\n{"a": 1, "a": 2}\n', "a name written twice in one object", ":2"),
    "a name twice within": (b'{"a": {"b": 1, "b": 2}}\n', "a name written twice in one object", ":1"),
    "not a number": (b'{"a": NaN}\n', "a number that is not finite", ":1"),
    "beyond all numbers": (b'{"a": 1e999}\n', "a number that is not finite", ":1"),
    "half a character": (b'{"a": "\\ud83d"}\n', "half of a surrogate pair", ":1"),
    "no names": (b"{}\n", "a header without columns", ":1"),
    "a name with a brace": (b'{"a}": 1}\n', "a column without a usable name", ":1"),
    "blank line": (b'{"a": 1}\n\n{"a": 1}\n', "a blank line between rows", ":2"),
    "another encoding": (b'{"a": "\xb3\xaf"}\n', "not utf-8", ":1"),
}


@pytest.mark.parametrize("kind", LINES_REFUSED)
def test_wrong_json_lines_are_refused_at_their_line(kind: str, tmp_path: Path) -> None:
    content, what, where = LINES_REFUSED[kind]
    with pytest.raises(PlanError) as caught:
        read_lines(tmp_path, content)
    first = caught.value.problems[0]
    assert first.what == what
    assert first.where == f"{tmp_path}/f.jsonl{where}"


def test_wholly_wrong_json_lines_do_not_flood_the_list(tmp_path: Path) -> None:
    with pytest.raises(PlanError) as caught:
        read_lines(tmp_path, b"x\n" * 5000)
    assert len(caught.value.problems) < 25


ROW = st.dictionaries(
    st.sampled_from(["a", "b"]),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
        max_leaves=4,
    ),
    min_size=2,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, min_size=1, max_size=4), ascii_only=st.booleans())
def test_whatever_json_writes_is_read_back(rows: list[dict[str, object]], ascii_only: bool, tmp_path: Path) -> None:
    content = "".join(json.dumps(row, ensure_ascii=ascii_only) + "\n" for row in rows)
    table = read_lines(tmp_path, content.encode())
    assert [table.row(index) for index in range(len(rows))] == rows


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(CELL, min_size=n, max_size=n), min_size=1, max_size=5))
)
def test_whatever_the_csv_module_writes_is_read_back(rows: list[list[str]], tmp_path: Path) -> None:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    columns = [f"c{i}" for i in range(len(rows[0]))]
    writer.writerows([columns, *rows])
    assert read(tmp_path, out.getvalue().encode()) == FeedTable(tuple(columns), tuple(map(tuple, rows)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60))
def test_arbitrary_bytes_are_a_table_or_a_plan_error(content: bytes, tmp_path: Path) -> None:
    for reader in (read, read_lines):
        try:
            table = reader(tmp_path, content)
        except PlanError:
            continue
        assert table.rows
        assert all(len(row) == len(table.columns) for row in table.rows)
