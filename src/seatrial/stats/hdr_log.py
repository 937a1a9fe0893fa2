"""HdrHistogram's interval logs: written, and read with nothing in them trusted.

One line for each interval and tag, in the order of their start:

    Tag=<tag>,<start s>,<length s>,<max ms>,<base64 of the compressed histogram>

``#[StartTime: s ...]`` says when recording began and ``#[BaseTime: s ...]`` what the starts count from, both in seconds
since 1970; other lines that begin with ``#`` are comments, and a line of column names may stand above the intervals.
A histogram is, big-endian throughout:

    0x1c849314 | length of what follows, u32 | zlib of:
    0x1c849313 | length of the counts, u32 | offset of index 0 (always 0), i32 | digits, i32 | lowest, i64 |
        highest, i64 | factor to floating-point values (always 1), f64 | counts

The counts run from index 0 to the last that is not zero, each a ZigZag LEB128 number; a negative one, -z, stands for
z indices in a row without any. (HdrHistogram 2.1, ``HistogramLogWriter``, ``ZigZagEncoding`` and
``AbstractHistogram.encodeIntoCompressedByteBuffer``; log format 1.3, histogram encoding V2.)

The package ``hdrhistogram`` reads these files, and a test lets it. It is not what writes and reads them here: it
records one value at a time, its writer knows no tags, its reader takes whatever a file says for a size, and it would
bring ``pbr`` and ``setuptools`` with it at run time.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TextIO
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt

from seatrial.errors import EvidenceError
from seatrial.stats.histogram import Histogram, Layout
from seatrial.units import MS, SECOND

__all__ = ["Interval", "decode", "encode", "read_log", "tag_of", "tag_parts", "write_log"]

Int64 = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

_COMPRESSED, _PLAIN = 0x1C849314, 0x1C849313
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COVER = struct.Struct(">II")
_HEAD = struct.Struct(">IIiiqqd")
_MOST_BYTES = 1 << 21
"""Of the counts of one histogram: six times what three digits take where every index up to 2**50 holds billions."""
_LONGEST = 8
_SEVEN = np.arange(_LONGEST, dtype=np.uint64) * np.uint64(7)
_UNFIT = frozenset("%/, ")
_NUMBER = r"\d{1,12}(?:\.\d{1,9})?"
_LINE = re.compile(rf"(?:Tag=([^,\s]+),)?({_NUMBER}),({_NUMBER}),\d+(?:\.\d+)?,([A-Za-z0-9+/=]+)")
_NAMES = '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'
_WRONG = "this is no HdrHistogram interval log"
_AGAIN = "Take the file from its source again."


@dataclass(frozen=True, slots=True)
class Interval:
    """A histogram of what began in one stretch of time.

    Attributes:
        tag: What it is of; empty for none. No comma, no white space: see :func:`tag_of`.
        start_ns: When it began, from the log's base time.
        length_ns: How long it lasted.
        histogram: Of times in nanoseconds.
    """

    tag: str
    start_ns: int
    length_ns: int
    histogram: Histogram


def tag_of(*names: str) -> str:
    """Return names as one tag, with ``/`` between; what a tag can't hold is percent-encoded, as in an address."""
    return "/".join("".join(map(_fit, name)) for name in names)


def _fit(character: str) -> str:
    if character.isprintable() and character not in _UNFIT:
        return character
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def tag_parts(tag: str) -> tuple[str, ...]:
    """Return the names that :func:`tag_of` made a tag of."""
    return tuple(unquote(part) for part in tag.split("/"))


def write_log(file: TextIO, intervals: Iterable[Interval], base_ns: int, comments: Iterable[str] = ()) -> int:
    """Write an interval log and return how many intervals it holds.

    Args:
        file: Where to.
        intervals: In the order of their start.
        base_ns: When their time zero was, in nanoseconds since 1970; also the log's start time.
        comments: Lines for people, written above the intervals.

    Raises:
        ValueError: an interval starts before the one before it, a tag or comment can't be written, or a count is beyond
            what the format holds.
        OSError: the file can't be written.
    """
    for comment in ("[Histogram log format version 1.3]", *comments):
        if not comment.isprintable():
            raise ValueError(f"not a comment of one line: {comment!r}")
        file.write(f"#{comment}\n")
    at = _EPOCH + timedelta(seconds=base_ns // SECOND)
    file.write(f"#[BaseTime: {_seconds(base_ns)} (seconds since epoch)]\n")
    file.write(f"#[StartTime: {_seconds(base_ns)} (seconds since epoch), {at.isoformat()}]\n{_NAMES}\n")
    count, last_ns = 0, 0
    for interval in intervals:
        if interval.start_ns < last_ns or interval.length_ns < 0:
            raise ValueError(f"an interval from {interval.start_ns} ns on after one from {last_ns} ns on")
        if "," in interval.tag or " " in interval.tag or not interval.tag.isprintable():
            raise ValueError(f"not a tag: {interval.tag!r}")
        last_ns, count = interval.start_ns, count + 1
        tag = f"Tag={interval.tag}," if interval.tag else ""
        most = (interval.histogram.max or 0) / MS
        times = f"{_seconds(interval.start_ns)},{_seconds(interval.length_ns)},{most:.3f}"
        file.write(f"{tag}{times},{encode(interval.histogram)}\n")
    return count


def read_log(lines: Iterable[str]) -> Iterator[Interval]:
    """Yield the intervals of a log, each as it is read. Starts count from the log's base time.

    Args:
        lines: Of the file.

    Raises:
        EvidenceError: a line is none of an interval log, or its histogram is malformed; or there is no interval at all.
    """
    found = False
    for number, line in enumerate(lines, start=1):
        text = line.rstrip("\r\n")
        if not text or text.startswith(("#", '"')):
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            raise EvidenceError(f"line {number}: {_WRONG}", value=text[:80], remedy=_AGAIN)
        try:
            histogram = decode(match[4])
        except ValueError as error:
            raise EvidenceError(f"line {number}: its histogram can't be read", value=error, remedy=_AGAIN) from error
        found = True
        yield Interval(match[1] or "", _nanoseconds(match[2]), _nanoseconds(match[3]), histogram)
    if not found:
        raise EvidenceError("there is no interval in the log", value=None, remedy=_AGAIN)


def encode(histogram: Histogram) -> str:
    """Return a histogram in HdrHistogram's compressed encoding V2, as base64.

    Raises:
        ValueError: a count of 2**55 or more.
    """
    if len(histogram.count) and int(histogram.count.max()) >= 1 << 55:
        raise ValueError(f"a count of {int(histogram.count.max())} is beyond the format")
    gaps = np.diff(histogram.index, prepend=-1) - 1
    numbers = np.empty(2 * len(gaps), dtype=np.int64)
    numbers[0::2] = 2 * gaps - 1  # ZigZag: 2n for n, 2n - 1 for -n; a gap of none becomes -1 and is left out
    numbers[1::2] = 2 * histogram.count
    counts = _leb128(numbers[numbers >= 0]).tobytes()
    layout = histogram.layout
    head = _HEAD.pack(_PLAIN, len(counts), 0, layout.digits, layout.lowest, layout.highest, 1.0)
    packed = zlib.compress(head + counts)
    return base64.b64encode(_COVER.pack(_COMPRESSED, len(packed)) + packed).decode("ascii")


def decode(text: str) -> Histogram:
    """Return the histogram of :func:`encode`, or of another program's; what it says is checked before it is believed.

    Raises:
        ValueError: it is malformed, cut off, of another encoding, or larger than any histogram needs to be.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"no base64: {error}") from error
    if len(data) < _COVER.size or _COVER.unpack_from(data) != (_COMPRESSED, len(data) - _COVER.size):
        raise ValueError("no compressed histogram of encoding V2, or not all of one")
    inflate = zlib.decompressobj()
    try:
        plain = inflate.decompress(data[_COVER.size :], _HEAD.size + _MOST_BYTES)
    except zlib.error as error:
        raise ValueError(f"its compression is damaged: {error}") from error
    if not inflate.eof or inflate.unused_data:
        raise ValueError("it is cut off, too large, or has something behind it")
    if len(plain) < _HEAD.size:
        raise ValueError("its head is cut off")
    magic, length, offset, digits, lowest, highest, factor = _HEAD.unpack_from(plain)
    if (magic, length, offset, factor) != (_PLAIN, len(plain) - _HEAD.size, 0, 1.0):
        raise ValueError("no plain histogram of whole numbers in encoding V2")
    layout = Layout(lowest, min(highest, (1 << 62) - 1), digits)
    return _counted(_read_leb128(np.frombuffer(plain, dtype=np.uint8, offset=_HEAD.size)), layout)


def _counted(numbers: npt.NDArray[np.uint64], layout: Layout) -> Histogram:
    """Return a histogram from its ZigZag numbers."""
    half = (numbers >> np.uint64(1)).astype(np.int64)
    negative = (numbers & np.uint64(1)).astype(np.bool_)
    step = np.where(negative, half + 1, 1)  # -z skips z indices, a count stands for one
    if len(step) and int(step.max()) > layout.size:
        raise ValueError("its counts go beyond its highest value")
    index = np.cumsum(step) - 1
    if len(index) and int(index[-1]) >= layout.size:
        raise ValueError("its counts go beyond its highest value")
    counted = ~negative & (half > 0)
    count = half[counted]
    if float(count.astype(np.float64).sum()) >= 1 << 62:
        raise ValueError("its counts add up to more than there can be")
    return Histogram(layout, index[counted], count)


def _leb128(numbers: Int64) -> Bytes:
    """Return numbers from 0 to 2**56 as LEB128: seven bits a byte, the lowest first, the last without its top bit."""
    groups = (numbers.astype(np.uint64)[:, None] >> _SEVEN).astype(np.uint8) & np.uint8(0x7F)
    length = np.maximum(_LONGEST - np.argmax(groups[:, ::-1] > 0, axis=1), 1)
    length[numbers == 0] = 1
    place = np.arange(_LONGEST)
    groups[place < (length - 1)[:, None]] |= np.uint8(0x80)
    return np.asarray(groups[place < length[:, None]])


def _read_leb128(data: Bytes) -> npt.NDArray[np.uint64]:
    """Return the numbers of :func:`_leb128`.

    Raises:
        ValueError: the last is cut off, or one takes more than eight bytes.
    """
    if not len(data):
        return np.empty(0, dtype=np.uint64)
    ends = np.flatnonzero(data < 0x80)
    if not len(ends) or ends[-1] != len(data) - 1:
        raise ValueError("its last count is cut off")
    first = np.concatenate([[0], ends[:-1] + 1])
    length = ends - first + 1
    if int(length.max()) > _LONGEST:
        raise ValueError("a count of 2**55 or more")
    place = np.arange(len(data)) - np.repeat(first, length)
    return np.add.reduceat((data & np.uint8(0x7F)).astype(np.uint64) << _SEVEN[place], first)


def _seconds(ns: int) -> str:
    """Return nanoseconds as seconds with three decimals or, where that is not exact, nine."""
    whole, rest = divmod(ns, SECOND)
    return f"{whole}.{rest // MS:03d}" if rest % MS == 0 else f"{whole}.{rest:09d}"


def _nanoseconds(seconds: str) -> int:
    whole, _, rest = seconds.partition(".")
    return int(whole) * SECOND + int(rest.ljust(9, "0")[:9] or 0)
