"""Feeders: CSV files and JSON lines whose rows the sessions carry."""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.authoring.problems import shorten
from seatrial.errors import PlanError, Problem
from seatrial.model.journey import Feed

__all__ = ["MAX_FEED_BYTES", "FeedTable", "read_feed"]

MAX_FEED_BYTES = 64 << 20
_MOST_PROBLEMS = 20
_ENCODINGS = frozenset(
    codecs.lookup(name).name
    for name in (
        *("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "ascii", "latin-1", "cp1252", "big5", "cp950"),
        *("big5hkscs", "gb2312", "gbk", "gb18030", "shift-jis", "euc-jp", "euc-kr"),
    )
)


@dataclass(frozen=True, slots=True)
class FeedTable:
    """What a feed file holds.

    Attributes:
        columns: Distinct, none empty; at least one.
        rows: As many values as columns each; at least one row. Values of CSV are text, those of JSON lines any JSON.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def row(self, index: int) -> dict[str, Any]:
        """Return one row by column; raises IndexError beyond the last."""
        return dict(zip(self.columns, self.rows[index], strict=True))


def read_feed(feed: Feed, base: Path) -> FeedTable:
    """Return the table in a feed's file.

    The file must lie in or below ``base``: a plan from a stranger can't send the reader's other files to a server.

    Args:
        feed: Names the file and its encoding.
        base: The plan's folder.

    Raises:
        PlanError: the file is missing, elsewhere, too long, empty, without rows, wrongly encoded, not CSV or not JSON
            lines, or has an empty or repeated column or a row of other columns. ``where`` is the file and line.
    """
    name = str(base / feed.path)
    text = _text(feed, base, name)
    return _read_json_lines(text, name) if feed.jsonl is not None else _read_csv(text, name)


def _read_csv(text: str, name: str) -> FeedTable:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    numbered = _numbered(reader, name)
    first = next(numbered, None)
    if first is None:
        raise _wrong("the feed is empty", name, None, "Write a header line that names the columns, then the rows.")
    line, columns = first
    problems = _header_problems(columns, f"{name}:{line}")
    rows: list[tuple[str, ...]] = []
    blank: int | None = None
    for line, row in numbered:
        if not row:
            blank = blank or line
            continue
        if blank is not None:  # blank lines after the last row are no rows; between rows one has been lost
            problems.append(Problem("a blank line between rows", f"{name}:{blank}", None, "Take it out."))
            blank = None
        if len(row) != len(columns):
            what = f"a row of {len(row)} values under {len(columns)} columns"
            problems.append(Problem(what, f"{name}:{line}", shorten(",".join(row)), "Write one value for each column."))
        rows.append(tuple(row))
        if len(problems) > _MOST_PROBLEMS:
            problems.append(Problem("more problems than are listed", name, None, "Mend these first."))
            break
    if problems:
        raise PlanError(problems)
    if not rows:
        raise _wrong("the feed has a header and no rows", name, ",".join(columns), "Write at least one row.")
    return FeedTable(tuple(columns), tuple(rows))


class _RowError(ValueError):
    """A line is JSON, and no row all the same."""


def _read_json_lines(text: str, name: str) -> FeedTable:
    """Return the table of one JSON object per line, all with the names of the first (https://jsonlines.org/)."""
    columns: tuple[str, ...] = ()
    rows: list[tuple[Any, ...]] = []
    problems: list[Problem] = []
    blank: int | None = None
    for line, written in enumerate(text.split("\n"), 1):
        if not written.strip():
            blank = blank or line
            continue
        where = f"{name}:{line}"
        if blank is not None:  # blank lines after the last row are no rows; between rows one has been lost
            problems.append(Problem("a blank line between rows", f"{name}:{blank}", None, "Take it out."))
            blank = None
        try:
            row = _json_row(written)
        except (ValueError, RecursionError) as error:
            what = str(error) if isinstance(error, _RowError) else "not JSON"
            problems.append(Problem(what, where, shorten(written), "Write one JSON object on each line."))
        else:
            if not columns:
                columns = tuple(row)
                problems += _header_problems(list(columns), where)
            if row.keys() == set(columns):
                rows.append(tuple(row[column] for column in columns))
            else:
                missing, more = [c for c in columns if c not in row], [c for c in row if c not in columns]
                told = [f"without {', '.join(missing)}"] if missing else []
                told += [f"with {', '.join(more)}"] if more else []
                value = shorten(" and ".join(told))
                remedy = f"Write {shorten(', '.join(columns))} on every line."
                problems.append(Problem("a row of other names than the first", where, value, remedy))
        if len(problems) > _MOST_PROBLEMS:
            problems.append(Problem("more problems than are listed", name, None, "Mend these first."))
            break
    if problems:
        raise PlanError(problems)
    if not rows:
        raise _wrong("the feed is empty", name, None, "Write one JSON object on each line.")
    return FeedTable(columns, tuple(rows))


def _json_row(written: str) -> dict[str, Any]:
    """Return the object on a line.

    Raises:
        _RowError: no object, a name twice in one, a number that is not finite, or half of a surrogate pair.
        ValueError: not JSON.
    """
    row = json.loads(written, object_pairs_hook=_once_each, parse_constant=_finite, parse_float=_finite)
    if not isinstance(row, dict):
        raise _RowError("not a JSON object")
    if "\\u" in written:
        try:
            json.dumps(row, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise _RowError("half of a surrogate pair") from error
    return row


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _RowError("a name written twice in one object")
    return found


def _finite(written: str) -> float:
    number = float(written)
    if not math.isfinite(number):
        raise _RowError("a number that is not finite")
    return number


def _wrong(what: str, where: str, value: str | None, remedy: str) -> PlanError:
    return PlanError([Problem(what, where, None if value is None else shorten(value), remedy)])


def _text(feed: Feed, base: Path, name: str) -> str:
    try:
        encoding = codecs.lookup(feed.encoding).name
    except (LookupError, ValueError):
        encoding = ""
    if encoding not in _ENCODINGS:
        raise _wrong("an unknown encoding", name, feed.encoding, "Write utf-8, utf-16, big5, big5hkscs or gb18030.")
    try:
        path = (base / feed.path).resolve()
        if not path.is_relative_to(base.resolve()):
            raise _wrong("a feed outside the plan's folder", name, feed.path, "Put the file beside the plan.")
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise _wrong("the feed is not a file", name, feed.path, "Name a CSV or JSON lines file beside the plan.")
        if status.st_size > MAX_FEED_BYTES:
            raise _wrong("the feed is longer than 64 MiB", name, f"{status.st_size} bytes", "Write a shorter one.")
        source = path.read_bytes()
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "no such name is possible"
        raise _wrong(f"the feed can't be read ({reason})", name, feed.path, "Put the file beside the plan.") from error
    try:
        return source.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{source[error.start]:02x}"
        raise _wrong(
            f"not {feed.encoding}", f"{name}:{line}", byte, "Save the file so, or name its encoding."
        ) from error


def _numbered(reader: Iterator[list[str]], name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line on which the row starts, row).

    Raises:
        PlanError: the csv module refuses the text.
    """
    while True:
        line = int(getattr(reader, "line_num")) + 1  # noqa: B009 -- the csv module's reader has no public type
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _wrong(
                f"not CSV ({error})", f"{name}:{line}", None, "Close every quote and double those inside."
            ) from error
        yield line, row


def _header_problems(columns: list[str], where: str) -> list[Problem]:
    problems = []
    for index, column in enumerate(columns):
        if not column.strip() or "{" in column or "}" in column or not column.isprintable():
            problems.append(Problem("a column without a usable name", where, column, "Name it without braces."))
        elif column in columns[:index]:
            problems.append(Problem("a column named twice", where, column, "Give each column its own name."))
    if not columns:
        problems.append(Problem("a header without columns", where, None, "Name the columns on the first line."))
    return problems
