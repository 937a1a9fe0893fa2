"""Recorded curves: CSV files of time and rate, read strictly, and written as the points of a plan.

A plan holds the points themselves: a bundle is judged again by whoever has it, long after the file is gone.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import stat
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from seatrial.authoring.problems import shorten, split_message
from seatrial.errors import PlanError, Problem
from seatrial.model.objective import Load, write_load
from seatrial.model.shape import MAX_SEGMENTS
from seatrial.units import SECOND, parse_duration, parse_rate, write_duration, write_rate

__all__ = ["RecordedCurve", "curve_block", "read_curve"]

_HEADER = ["time", "rate"]
_MAX_BYTES = 1 << 20
_MOST_PROBLEMS = 20
_LONGEST_NS = 31 * 86_400 * SECOND
_NUMBER = re.compile(r"\s*\d+(?:\.\d+)?\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class RecordedCurve:
    """What a file of time and rate holds.

    Attributes:
        name: Of the file, without its folder.
        digest: SHA-256 of the file, hexadecimal.
        points: (offset from the first row in nanoseconds, rate per second), ascending; two at least, not all zero.
    """

    name: str
    digest: str
    points: tuple[tuple[int, float], ...]


def read_curve(path: Path) -> RecordedCurve:
    """Return the curve in a CSV file with the header ``time,rate``.

    A time is a plain number of seconds or a duration with its units; a rate is a plain number per second or a rate
    with its unit. The first row need not be at zero: times count from it.

    Args:
        path: Of the file. Problems name it as it is given here, with the line.

    Raises:
        PlanError: with every problem found, twenty at the most: the file can't be read or is not UTF-8, its header is
            another, a row is not a time and a rate, times do not ascend, or there are fewer than two rows, too many,
            or none above zero.
    """
    name = str(path)
    source = _source(path, name)
    try:
        reader = csv.reader(io.StringIO(source.decode("utf-8-sig"), newline=""), strict=True)
        numbered = [(reader.line_num, row) for row in reader]
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{source[error.start]:02x}"
        raise _wrong("not UTF-8", f"{name}:{line}", byte, "Save the file as UTF-8.") from error
    except csv.Error as error:
        where = f"{name}:{reader.line_num}"
        raise _wrong(f"not CSV ({error})", where, None, "Write a time, a comma and a rate on each line.") from error
    while numbered and not numbered[-1][1]:
        numbered.pop()  # blank lines at the end are no rows
    if not numbered or [cell.strip().lower() for cell in numbered[0][1]] != _HEADER:
        first = ",".join(numbered[0][1]) if numbered else None
        raise _wrong("a curve without its header", f"{name}:1", first, "Write time,rate on the first line.")
    rows = _rows(numbered[1:], name)
    if not 2 <= len(rows) <= MAX_SEGMENTS + 1:
        remedy = f"Write from 2 to {MAX_SEGMENTS + 1:,}: straight lines are drawn between them."
        raise _wrong("too few rows or too many", name, f"{len(rows)} rows", remedy)
    if not any(rate for _, rate in rows):
        raise _wrong("a curve without load", name, None, "Write a rate above zero somewhere.")
    points = tuple((at - rows[0][0], rate) for at, rate in rows)
    return RecordedCurve(path.name, hashlib.sha256(source).hexdigest(), points)


def curve_block(curve: RecordedCurve, scale: Load | None, indent: int = 4) -> str:
    """Return a curve as the ``shape`` of a load trial, to be pasted into a plan; lines end with a line feed."""
    source = json.dumps(f"{shorten(curve.name)}, sha256 {curve.digest}", ensure_ascii=False)
    lines = ["shape:", "  curve:", f"    source: {source}"]
    lines += [] if scale is None else [f"    scale: {write_load(scale)}"]
    lines += ["    points:"]
    lines += [f"      - [{write_duration(at)}, {write_rate(rate)}]" for at, rate in curve.points]
    return "".join(f"{' ' * indent}{line}\n" for line in lines)


def _wrong(what: str, where: str, value: str | None, remedy: str) -> PlanError:
    return PlanError([Problem(what, where, None if value is None else shorten(value), remedy)])


def _source(path: Path, name: str) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise _wrong("the curve is not a file", name, None, "Name a CSV file.")
        with path.open("rb") as file:
            source = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no such name is possible"
        raise _wrong(f"the curve can't be read ({reason})", name, None, "Name a CSV file.") from error
    if len(source) > _MAX_BYTES:
        raise _wrong("the curve is longer than 1 MiB", name, None, f"Keep at most {MAX_SEGMENTS + 1:,} rows.")
    return source


def _rows(numbered: list[tuple[int, list[str]]], name: str) -> list[tuple[int, float]]:
    """Return (nanoseconds, rate per second) of each row."""
    rows: list[tuple[int, float]] = []
    problems: list[Problem] = []
    for line, row in numbered:
        try:
            rows.append(_row(row, rows[:1], rows[-1:]))
        except ValueError as error:
            what, remedy = split_message(str(error))
            problems.append(Problem(what, f"{name}:{line}", shorten(",".join(row)) or None, remedy))
        if len(problems) >= _MOST_PROBLEMS:
            problems.append(Problem("there may be more problems than are listed", name, None, "Mend these first."))
            break
    if problems:
        raise PlanError(problems)
    return rows


def _row(row: list[str], first: list[tuple[int, float]], before: list[tuple[int, float]]) -> tuple[int, float]:
    if len(row) != len(_HEADER):
        raise ValueError("not a time and a rate; write for example 60,12.5")
    at, rate = _time(row[0]), _rate(row[1])
    if before and at <= before[0][0]:
        raise ValueError("a time that is not after the one before; write the rows in the order of their times")
    if first and at - first[0][0] > _LONGEST_NS:
        raise ValueError("a time of more than 31 days after the first; cut the curve, for no trial lasts longer")
    return at, rate


def _time(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        return parse_duration(text)
    return round(Decimal(text) * SECOND)  # a float of the seconds since 1970 would be off by a hundred nanoseconds


def _rate(text: str) -> float:
    return parse_rate(f"{text}/s" if _NUMBER.fullmatch(text) else text)
