"""Access logs, read line by line: Common and Combined Log Format, JSON lines, plain or gzip.

    192.0.2.1 - - [10/Oct/2025:13:55:36 +0800] "GET /sessions/12?day=3 HTTP/1.1" 200 2326
    192.0.2.1 - - [10/Oct/2025:13:55:36 +0800] "GET / HTTP/1.1" 200 2326 "https://from.example/" "Mozilla/5.0 ..."
    {"time_iso8601": "2025-10-10T13:55:36+08:00", "remote_addr": "192.0.2.1", "request": "GET / HTTP/1.1", ...}

Each line says by itself which form it has, so formats and files may be mixed. (Apache, mod_log_config: "Common Log
Format", "Combined Log Format"; nginx, ngx_http_log_module: ``log_format ... escape=json``.)

A log is as hostile as whoever sent the requests. Lines are read in bounded pieces, a line that is not of any form is
counted and otherwise ignored, and nothing of a line is ever shown. An address and an agent are turned at once into a
digest under a key that is drawn for this reading alone and kept nowhere; a query is dropped unread.
"""

from __future__ import annotations

import gzip
import hashlib
import heapq
import re
import secrets
import stat
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson

from seatrial.errors import PlanError, Problem
from seatrial.model.request import METHODS
from seatrial.units import format_share

__all__ = ["WINDOW_S", "AccessLog", "Entry"]

WINDOW_S = 60.0
"""Lines are brought into the order of their times within so many seconds: some servers write a line at its end."""

_MOST_WAITING = 100_000
_MAX_LINE = 64 << 10
_ENDLESS = 16 << 20
_EARLY = 10_000
_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_LINE = re.compile(
    r"(\S{1,255}) \S{1,255} [^\[]{1,255}? \[(\d{2})/([A-Z][a-z]{2})/(\d{4}):(\d{2}):(\d{2}):(\d{2}) ([+-]\d{4})\] "
    rf"{_QUOTED} (\d{{3}}) (?:\d{{1,19}}|-)(?: {_QUOTED} {_QUOTED})?(?: .*)?",
    re.ASCII,
)
_MONTHS = dict(Jan=1, Feb=2, Mar=3, Apr=4, May=5, Jun=6, Jul=7, Aug=8, Sep=9, Oct=10, Nov=11, Dec=12)
_METHODS = frozenset(method.upper() for method in METHODS)
_ROBOT = re.compile(r"bot\b|bot/|crawl|spider|slurp|monitor|uptime|curl/|wget|python-|go-http|headless", re.I | re.A)
_TIMES = ("time_iso8601", "time_local", "@timestamp", "timestamp", "time", "ts", "msec", "date")
_ADDRESSES = ("remote_addr", "client_ip", "remote_ip", "clientip", "client", "ip", "host")
_AGENTS = ("http_user_agent", "user_agent", "agent")
_LOCAL = re.compile(r"(\d{2})/([A-Z][a-z]{2})/(\d{4}):(\d{2}):(\d{2}):(\d{2}) ([+-]\d{4})", re.ASCII)


class Entry(NamedTuple):
    """One request.

    Attributes:
        at_s: Seconds since 1970, UTC.
        client: Digest of address and agent; means nothing outside of this reading.
        is_robot: Whether its agent says that no person sent it.
        method: In capitals.
        path: From its slash on, without the query.
        status: Of the answer.
    """

    at_s: float
    client: bytes
    is_robot: bool
    method: str
    path: str
    status: int


class AccessLog:
    """Reads access logs once, in bounded memory.

    Attributes:
        lines: Read so far, empty ones left out.
        bad: Of these, in no known form.
        without_request: Of these, in a known form but without a method and a path.
        late: Requests that came so far out of order that they could not be put into it.
        whole_seconds: Whether no time had a fraction of a second.

    Args:
        paths: Of the files, the oldest first.
        most_bad: Highest share of bad lines.
    """

    def __init__(self, paths: Sequence[Path], most_bad: float = 0.01) -> None:
        self.paths = tuple(paths)
        self.most_bad = most_bad
        self.lines = self.bad = self.without_request = self.late = 0
        self.whole_seconds = True
        self._first_bad = ""
        self._key = secrets.token_bytes(32)

    def entries(self) -> Iterator[Entry]:
        """Yield every request in the order of their times, as far as a minute's window and memory allow.

        Raises:
            PlanError: a file can't be read, is no log, or ends in the middle of its gzip; more bad lines, or more
                requests out of order, than ``most_bad`` allows; or not one request.
        """
        waiting: list[tuple[float, int, Entry]] = []
        number, newest, passed, found = count(), float("-inf"), float("-inf"), 0
        for entry in self._unordered():
            found += 1
            newest = max(newest, entry.at_s)
            self.late += entry.at_s < passed
            heapq.heappush(waiting, (entry.at_s, next(number), entry))
            while waiting[0][0] < newest - WINDOW_S or len(waiting) > _MOST_WAITING:
                at_s, _, first = heapq.heappop(waiting)
                passed = max(passed, at_s)
                yield first
                if not waiting:
                    break
        while waiting:
            yield heapq.heappop(waiting)[2]
        self._judge(found)

    def _judge(self, found: int) -> None:
        names = ", ".join(str(path) for path in self.paths)
        if not found:
            remedy = "Name a log in Common, Combined or JSON form that holds requests."
            raise _wrong("an access log without a single request", names, f"{self.lines} lines", remedy)
        self._judge_bad()
        if self.late > self.most_bad * found:
            share = f"{self.late} of {found} requests"
            raise _wrong("an access log out of order", names, share, "Name the files in order, the oldest first.")

    def _judge_bad(self) -> None:
        if self.bad > self.most_bad * self.lines:
            share = f"{self.bad} of {self.lines} lines, {format_share(self.bad / self.lines)}"
            remedy = "Name a log in Common, Combined or JSON form, or allow more with --bad-lines."
            raise _wrong("too many lines in no known form", self._first_bad, share, remedy)

    def _unordered(self) -> Iterator[Entry]:
        for path in self.paths:
            for number, line in enumerate(_lines(path), start=1):
                if not line.strip():
                    continue
                self.lines += 1
                try:
                    at_s, address, agent, request, status = _fields(line)
                except (ValueError, KeyError, TypeError, OverflowError):
                    self.bad += 1
                    self._first_bad = self._first_bad or f"{path}:{number}"
                    if self.lines <= _EARLY and self.bad > _EARLY // 2:
                        self._judge_bad()
                    continue
                method, _, rest = request.partition(" ")
                target = rest.split(" ", 1)[0]
                if method not in _METHODS or not target.startswith("/"):
                    self.without_request += 1
                    continue
                self.whole_seconds = self.whole_seconds and at_s == int(at_s)
                client = hashlib.blake2b(f"{address}\0{agent}".encode(), digest_size=12, key=self._key).digest()
                robot = _ROBOT.search(agent) is not None
                yield Entry(at_s, client, robot, method, re.split(r"[?#;]", target, maxsplit=1)[0], status)


def _wrong(what: str, where: str, value: str | None, remedy: str) -> PlanError:
    return PlanError([Problem(what, where, value, remedy)])


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, each cut at 64 KiB, whether it is gzip or not.

    Raises:
        PlanError: it can't be read, is no file, is torn gzip, or has a line that does not end.
    """
    name = str(path)
    remedy = "Name an access log, plain or gzip."
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise _wrong("the access log is not a file", name, None, remedy)
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if packed:
                with gzip.GzipFile(fileobj=file) as unpacked:
                    yield from _pieces(unpacked, name)
            else:
                yield from _pieces(file, name)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _wrong("the gzip is torn", name, None, "Take the file from its source again.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no such name is possible"
        raise _wrong(f"the access log can't be read ({reason})", name, None, remedy) from error


def _pieces(file: IO[bytes] | gzip.GzipFile, name: str) -> Iterator[bytes]:
    while line := file.readline(_MAX_LINE):
        yield line
        length, piece = len(line), line
        while piece and not piece.endswith(b"\n"):
            piece = file.readline(_MAX_LINE)  # what is beyond the limit is passed over
            length += len(piece)
            if length > _ENDLESS:
                raise _wrong("a line of more than 16 MiB", name, None, "Name an access log.")


def _fields(line: bytes) -> tuple[float, str, str, str, int]:
    """Return (seconds since 1970, address, agent, request line, status).

    Raises:
        ValueError, KeyError, TypeError, OverflowError: the line is of no known form.
    """
    if line.lstrip().startswith(b"{"):
        return _json_fields(orjson.loads(line))
    found = _LINE.fullmatch(line.decode("utf-8", "replace").rstrip("\r\n"))
    if found is None:
        raise ValueError("no known form")
    address, day, month, year, hour, minute, second, zone, request, status, _, agent = found.groups()
    at_s = _midnight(day, month, year, zone) + _of_day(hour, minute, second)
    return at_s, address, agent or "", request, int(status)


def _json_fields(row: Any) -> tuple[float, str, str, str, int]:
    if not isinstance(row, dict):
        raise TypeError("not an object")
    request = row.get("request")
    if not isinstance(request, str):
        method = row.get("request_method", row.get("method"))
        request = f"{method} {row.get('request_uri') or row.get('uri') or row['path']} HTTP"
    address, agent = (_first(row, names, str) or "" for names in (_ADDRESSES, _AGENTS))
    at_s = _first(row, _TIMES, _instant)
    if at_s is None:
        raise KeyError("time")
    status = int(row.get("status", 0))
    return at_s, address, agent, request, status


def _first(row: dict[str, Any], names: Sequence[str], read: Callable[[Any], Any]) -> Any:
    return next((read(row[name]) for name in names if row.get(name) is not None), None)


def _instant(value: Any) -> float:
    """Return the seconds since 1970 in a JSON value: a number of them, RFC 3339, or as Common Log Format has it."""
    if isinstance(value, bool):
        raise TypeError("not a time")
    if isinstance(value, int | float) or re.fullmatch(r"\d{1,11}(\.\d+)?", value, re.ASCII):
        at_s = float(value)
        if not 0 <= at_s < 1e11:
            raise ValueError("not a time since 1970 in seconds")
        return at_s
    if local := _LOCAL.fullmatch(value):
        day, month, year, hour, minute, second, zone = local.groups()
        return _midnight(day, month, year, zone) + _of_day(hour, minute, second)
    at = datetime.fromisoformat(value)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _of_day(hour: str, minute: str, second: str) -> int:
    h, m, s = int(hour), int(minute), int(second)
    if h > 23 or m > 59 or s > 60:
        raise ValueError("not a time of day")
    return 3600 * h + 60 * m + s


@lru_cache(maxsize=4096)
def _midnight(day: str, month: str, year: str, zone: str) -> float:
    offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:]))
    at = timezone(-offset if zone[0] == "-" else offset)
    return datetime(int(year), _MONTHS[month], int(day), tzinfo=at).timestamp()
