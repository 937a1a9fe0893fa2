"""What the environment says about how the portal runs here; everything else is the same everywhere.

DATABASE_URL            postgresql://user@host/name; SQLite in the data folder when absent
SEATRIAL_PORTAL_DATA    folder of files, keys and the SQLite database; ./seatrial-portal when absent
SEATRIAL_PORTAL_URL     the address that people type; http:// on loopback only
SEATRIAL_SECRET_KEY     at least 50 characters; made by ``seatrial serve`` and kept in the data folder when absent
EMAIL_URL               smtp://user:password@host:587 or smtps://…; letters go to the console when absent
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import dj_database_url

from seatrial.errors import UsageError

__all__ = ["Environment", "read_environment"]

_SHORTEST_KEY = 50


@dataclass(frozen=True, slots=True)
class Environment:
    """How the portal runs here.

    Attributes:
        data: The folder of files, keys and the SQLite database.
        database: Django's description of the database.
        url: The address that people type, without a final slash.
        secret_key: Signs sessions and tokens; empty where none was given.
        email: Django's settings of the mail server, by name.
    """

    data: Path
    database: dict[str, Any]
    url: str
    secret_key: str
    email: dict[str, Any]

    @property
    def is_public(self) -> bool:
        """Whether people come by HTTPS."""
        return self.url.startswith("https://")

    @property
    def host(self) -> str:
        """The host's name in the address."""
        return urlsplit(self.url).hostname or ""


def read_environment(environ: Mapping[str, str]) -> Environment:
    """Read the environment.

    Raises:
        UsageError: A variable says what can't be.
    """
    data = Path(environ.get("SEATRIAL_PORTAL_DATA") or "seatrial-portal").absolute()
    return Environment(
        data,
        _database(environ.get("DATABASE_URL", ""), data),
        _url(environ.get("SEATRIAL_PORTAL_URL") or "http://127.0.0.1:8000"),
        _secret_key(environ.get("SEATRIAL_SECRET_KEY", "")),
        _email(environ.get("EMAIL_URL", "")),
    )


def _database(url: str, data: Path) -> dict[str, Any]:
    if not url:
        url = f"sqlite:///{data / 'portal.sqlite3'}"
    try:
        found: dict[str, Any] = dict(dj_database_url.parse(url, conn_max_age=600, conn_health_checks=True))
    except ValueError as e:
        raise _wrong("DATABASE_URL", "no database's address", "Write postgresql://user@host/name.") from e
    if found["ENGINE"] == "django.db.backends.sqlite3":
        # Writers queue at the door instead of failing in the middle of what they read.
        found["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": "PRAGMA journal_mode=WAL"}
    elif found["ENGINE"] != "django.db.backends.postgresql":
        raise _wrong("DATABASE_URL", "neither PostgreSQL nor SQLite", "Write postgresql://user@host/name.")
    return found


def _url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise _wrong("SEATRIAL_PORTAL_URL", "no address of a site", "Write https://host.", url)
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise _wrong("SEATRIAL_PORTAL_URL", "plain HTTP beyond this machine", "Write https://host.", url)
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _secret_key(key: str) -> str:
    if key and len(key) < _SHORTEST_KEY:
        raise _wrong("SEATRIAL_SECRET_KEY", f"shorter than {_SHORTEST_KEY} characters", "Make a longer one.")
    return key


def _email(url: str) -> dict[str, Any]:
    if not url:
        return {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}
    parts = urlsplit(url)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise _wrong("EMAIL_URL", "no mail server's address", "Write smtp://user:password@host:587.")
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or (465 if parts.scheme == "smtps" else 587),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": parts.scheme == "smtps",
        "EMAIL_USE_TLS": parts.scheme == "smtp" and not _is_loopback(parts.hostname),
        "EMAIL_TIMEOUT": 10,
    }


def _wrong(name: str, what: str, remedy: str, value: str | None = None) -> UsageError:
    return UsageError(f"{name} is {what}", value=value, remedy=remedy)  # a value may hold a password
