"""A citizen's cookies, for the one host a plan has (RFC 6265, without domains and paths of other hosts)."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["MAX_COOKIES", "store_cookies"]

MAX_COOKIES = 50
_MAX_VALUE = 4096


def store_cookies(jar: dict[str, str], fields: Iterable[str]) -> None:
    """Apply Set-Cookie fields to ``jar`` in order.

    ``Max-Age`` of zero or less removes a cookie. Paths are not told apart: sessions of a trial send a cookie to
    every path of the target. Over-long values, and names beyond the 50th, are left out, as browsers do.
    """
    for field in fields:
        pair, _, attributes = field.partition(";")
        name, equals, value = pair.strip().partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not name or len(value) > _MAX_VALUE or any(ord(c) < 32 for c in value):
            continue
        if _expired(attributes):
            jar.pop(name, None)
        elif name in jar or len(jar) < MAX_COOKIES:
            jar[name] = value


def _expired(attributes: str) -> bool:
    for attribute in attributes.lower().split(";"):
        key, _, value = attribute.strip().partition("=")
        if key == "max-age":
            age = value.strip()
            return age.startswith("-") or age == "0"
        if key == "expires" and "1970" in value:
            return True
    return False
