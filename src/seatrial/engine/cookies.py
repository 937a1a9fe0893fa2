"""A citizen's cookies, for the one host a plan has (RFC 6265, without domains and paths of other hosts)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from email.utils import mktime_tz, parsedate_tz

__all__ = ["MAX_COOKIES", "cookie_bytes", "store_cookies"]

MAX_COOKIES = 50
_MAX_SIZE = 4096
_MAX_ATTRIBUTE = 1024
_SPACE = " \t"  # not more: the bytes of UTF-8 text, read as Latin-1, hold what str.strip() takes for space
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def store_cookies(jar: dict[str, str], fields: Iterable[str]) -> None:
    """Apply Set-Cookie fields to ``jar`` in order.

    ``Max-Age`` of zero or less, or without it a past ``Expires``, removes a cookie. Paths are not told apart:
    sessions of a trial send a cookie to every path of the target. Cookies whose name and value have more than 4,096
    characters together, names beyond the 50th, and cookies with control characters are left out, and attributes of
    more than 1,024 characters are passed over, as browsers do (RFC 6265bis, 5.6 and 5.7): so a jar never holds, and
    a request never carries, more than 50 times 4 KiB.
    """
    for field in fields:
        pair, _, attributes = field.partition(";")
        name, equals, value = pair.partition("=")
        name, value = name.strip(_SPACE), value.strip(_SPACE)
        if not equals or not name or len(name) + len(value) > _MAX_SIZE or _CONTROL.search(pair):
            continue
        if _expired(attributes):
            jar.pop(name, None)
        elif name in jar or len(jar) < MAX_COOKIES:
            jar[name] = value


def cookie_bytes(jar: Mapping[str, str]) -> bytes:
    """Return the value of the Cookie field: the very bytes that the service set."""
    return "; ".join([f"{name}={value}" for name, value in jar.items()]).encode("latin-1", "replace")


def _expired(attributes: str) -> bool:
    """Return whether a cookie is over; Max-Age counts before Expires (RFC 6265, 5.3), what can't be read does not."""
    expired = False
    for attribute in attributes.split(";"):
        key, _, value = attribute.strip().partition("=")
        key, value = key.strip().lower(), value.strip()
        if len(value) > _MAX_ATTRIBUTE:
            continue
        if key == "max-age" and value.removeprefix("-").isdecimal():
            return value.startswith("-") or not value.strip("0")
        if key == "expires":
            expired = _is_past(value)
    return expired


def _is_past(date: str) -> bool:
    try:
        parsed = parsedate_tz(date)
        return parsed is not None and mktime_tz(parsed) <= time.time()
    except (ValueError, OverflowError):
        return False
