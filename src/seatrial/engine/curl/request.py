"""A request's HTTP/1.1 bytes, taken apart for libcurl."""

from __future__ import annotations

from typing import Final

__all__ = ["Head", "head_of"]

_MOST_KNOWN: Final = 2048
_OF_THE_CONNECTION: Final = frozenset(
    {b"connection", b"content-length", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade"}
)
"""Fields that belong to HTTP/1.1's own connection, and the length, which libcurl writes itself (RFC 9113, 8.2.2)."""
_SILENT: Final = (b"accept", b"content-type", b"expect", b"user-agent")
"""Fields that libcurl would add unasked."""


class Head:
    """A request's head.

    Attributes:
        method: As written.
        target: The request's target: path and query.
        fields: One line for each field, as libcurl takes them.
    """

    __slots__ = ("fields", "method", "target")

    def __init__(self, method: str, target: bytes, fields: list[bytes]) -> None:
        self.method = method
        self.target = target
        self.fields = fields


_known: dict[tuple[bytes, bytes], Head] = {}


def head_of(head: bytes, authority: bytes) -> Head:
    """Return a head's parts. Heads repeat: those of late are remembered.

    Args:
        head: Request line and fields, without the empty line.
        authority: Value of a Host field that need not be sent, since it follows from the address.
    """
    key = (head, authority)
    known = _known.get(key)
    if known is None:
        known = _taken_apart(head, authority)
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[key] = known
    return known


def _taken_apart(head: bytes, authority: bytes) -> Head:
    line, *lines = head.split(b"\r\n")
    method, target, _ = line.split(b" ")
    if not target.startswith(b"/"):  # the whole address, as a proxy is told
        target = b"/" + target.split(b"/", 3)[3]
    fields, names = [], set()
    for field in lines:
        name, _, value = field.partition(b":")
        lower, value = name.strip().lower(), value.strip()
        names.add(lower)
        if lower in _OF_THE_CONNECTION or (lower == b"host" and value == authority):
            continue
        # libcurl takes a field without a value as one to leave out, unless it ends in a semicolon.
        fields.append(name + b": " + value if value else name + b";")
    fields += [name + b":" for name in _SILENT if name not in names]
    return Head(method.decode("latin-1"), target, fields)
