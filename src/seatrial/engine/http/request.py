"""Requests on the wire (RFC 9112), for journeys in Python; those of a plan's steps are laid out beforehand."""

from __future__ import annotations

__all__ = ["encode_request"]


def encode_request(method: str, path: str, fields: list[tuple[str, str]], body: bytes | None) -> bytes:
    """Return a request on the wire. ``content-length`` is added; ``fields`` must hold ``host`` already.

    Raises:
        ValueError: a field or the path holds a control character or a space where none may stand: it would let
            data from a feed write header fields of its own.
    """
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    if body is not None or method in ("POST", "PUT", "PATCH"):
        lines.append(f"content-length: {len(body or b'')}")
    if any(ord(c) < 32 or ord(c) == 127 for line in lines for c in line) or " " in path:
        raise ValueError(f"a control character or space in a request head: {lines[0]!r}")
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + (body or b"")
