"""An answer as libcurl hands it over, made into the one that every session knows."""

from __future__ import annotations

import re
from typing import Final

from seatrial.engine.http.message import MAX_HEAD, Head, ProtocolError, Response
from seatrial.engine.http.stop_field import asks_to_stop

__all__ = ["answer_of"]

_MOST_KNOWN: Final = 2048
_EMPTY_LINE: Final = b"\r\n\r\n"
_STATUS_LINE = re.compile(rb"HTTP/([\d.]+) ([1-5]\d\d)(?: [^\r\n]*)?(?:\r\n|\Z)")
_NO_LENGTH: Final = -1


class _Known:
    """What a head says, worked out once.

    Attributes:
        facts: Its status and which fields it has.
        head: The final head alone: without interim answers, trailers and the empty line.
        version: Of HTTP, as in its status line.
    """

    __slots__ = ("facts", "head", "version")

    def __init__(self, facts: Head, head: bytes, version: bytes) -> None:
        self.facts = facts
        self.head = head
        self.version = version


_known: dict[bytes, _Known] = {}


def answer_of(lines: list[bytes], parts: list[bytes], version: bytes) -> Response:
    """Return the answer.

    Args:
        lines: Of its heads in the order in which they came: interim ones, the final one, trailers.
        parts: Of its body.
        version: Of HTTP that must have been spoken: ``2`` or ``3``.

    Raises:
        ProtocolError: another version was spoken, or the head is longer than ``MAX_HEAD`` or is none.
    """
    heads = b"".join(lines)
    known = _known.get(heads)
    if known is None:
        if len(heads) > MAX_HEAD:
            raise ProtocolError(f"a head of more than {MAX_HEAD} bytes")
        known = _read(heads)
        if not asks_to_stop(heads):  # a head that does is not remembered, so that each of them counts
            if len(_known) >= _MOST_KNOWN:
                _known.clear()
            _known[heads] = known
    if known.version != version:
        raise ProtocolError(f"HTTP/{known.version.decode('latin-1')} was spoken, not HTTP/{version.decode()}")
    body = parts[0] if len(parts) == 1 else b"".join(parts)
    return Response(known.facts, known.head, body, len(heads) + len(body), True)


def _read(heads: bytes) -> _Known:
    # Interim answers come before the final head, trailers after it; only heads begin with a status line.
    final = next((head for head in reversed(heads.split(_EMPTY_LINE)) if head.startswith(b"HTTP/")), b"")
    line = _STATUS_LINE.match(final)
    if line is None:
        raise ProtocolError(f"not a head: {heads[:60]!r}")
    lower = final.lower()
    facts = Head(int(line[2]), _NO_LENGTH, True, b"\r\nset-cookie:" in lower, b"\r\ncontent-encoding:" in lower)
    return _Known(facts, final, line[1])
