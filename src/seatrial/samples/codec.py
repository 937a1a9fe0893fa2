"""How a record is laid out while a trial runs: fixed-size rows in checked frames.

A row is packed by one ``struct`` call, which is what a pure-Python hot path can afford. Rows travel in frames, and
a frame that was cut off by a crash is recognised and left out; everything before it counts.

    frame  = magic "STF2" | row count, u32 | CRC-32 of the rows, u32 | CRC-32 of these twelve bytes, u32 | rows

The head has a check of its own: a changed row count must not pass for a frame that was cut off.
    row    = the columns of seatrial.model.sample.COLUMNS, little-endian, packed

Times in a row are absolute monotonic nanoseconds; the merge makes them relative to the run's epoch.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.errors import EvidenceError
from seatrial.model.health import HEALTH_COLUMNS
from seatrial.model.sample import COLUMNS

__all__ = ["HEALTH_DTYPE", "HEALTH_ROW", "ROW", "ROW_DTYPE", "frame", "frame_size", "read_frames"]

_STRUCT_CODES = {"i1": "b", "<i2": "h", "<i4": "i", "<i8": "q", "<f8": "d"}

ROW_DTYPE = np.dtype([(name, kind) for name, kind, _ in COLUMNS])
ROW = struct.Struct("<" + "".join(_STRUCT_CODES[kind] for _, kind, _ in COLUMNS))
HEALTH_DTYPE = np.dtype(list(HEALTH_COLUMNS))
HEALTH_ROW = struct.Struct("<" + "".join(_STRUCT_CODES[kind] for _, kind in HEALTH_COLUMNS))

_MAGIC = b"STF2"
_FACTS = struct.Struct("<4sII")
_CHECK = struct.Struct("<I")
_HEADER_SIZE = _FACTS.size + _CHECK.size

Rows = npt.NDArray[Any]


def frame(rows: bytes | bytearray | memoryview, row_size: int) -> bytes:
    """Return one frame around packed rows.

    Raises:
        ValueError: no rows, or not a whole number of them.
    """
    count, rest = divmod(len(rows), row_size)
    if rest or not count:
        raise ValueError(f"{len(rows)} bytes are not a whole number of rows of {row_size}")
    facts = _FACTS.pack(_MAGIC, count, zlib.crc32(rows))
    return facts + _CHECK.pack(zlib.crc32(facts)) + bytes(rows)


def frame_size(rows: int, row_size: int) -> int:
    """Return the size in bytes of a frame around so many rows."""
    return _HEADER_SIZE + rows * row_size


def read_frames(path: Path, dtype: np.dtype[Any], start: int = 0) -> Iterator[Rows]:
    """Yield the rows of each whole frame in order, as structured arrays of shape (count,).

    ``start`` is where in the file the first frame begins, in bytes.

    A last frame that is cut off ends the reading without an error: that is what a crash leaves.

    Raises:
        EvidenceError: a frame that is complete does not match its checksum, or is no frame.
    """
    with path.open("rb") as file:
        file.seek(start)
        while True:
            at = file.tell()
            head = file.read(_HEADER_SIZE)
            if len(head) < _HEADER_SIZE:
                return
            magic, count, checksum = _FACTS.unpack_from(head)
            sound = magic == _MAGIC and _CHECK.unpack_from(head, _FACTS.size)[0] == zlib.crc32(head[: _FACTS.size])
            rows = file.read(count * dtype.itemsize) if sound else b""
            if sound and len(rows) < count * dtype.itemsize:
                return
            if not sound or zlib.crc32(rows) != checksum:
                raise EvidenceError(
                    "a spool file is damaged", value=f"{path.name}, frame at byte {at}", remedy="Run the trial again."
                )
            yield np.frombuffer(rows, dtype=dtype)
