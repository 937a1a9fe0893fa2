"""Asking an address for its figures in Prometheus' text format, and reading them: bounded, whatever is answered.

A client of its own and not the engine's: what is asked here is no load, must not share the trial's connections, and
ends after so many bytes and so many seconds whatever the other side does.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import httptools
from prometheus_client.parser import text_string_to_metric_families

from seatrial.engine.http.target import Target
from seatrial.engine.http.tls import tls_context
from seatrial.model.telemetry import Missing, Selector

__all__ = ["MOST_BYTES", "Page", "ScrapeError", "figures", "sums_of"]

MOST_BYTES: Final = 4 * 1024 * 1024
"""A longer answer is not read to its end."""

_MOST_HEAD: Final = 64 * 1024
_MOST_LINES: Final = 10_000
_LONGEST_LINE: Final = 16 * 1024


class ScrapeError(Exception):
    """There is no figure, and why."""

    def __init__(self, missing: Missing) -> None:
        self.missing = missing
        super().__init__(missing.meaning)


class Page:
    """One address that is asked again and again, each time on a connection of its own.

    Args:
        url: As in the plan.
        target: The same address, resolved: connections go to its addresses and nowhere else.

    Raises:
        TargetError: the CA file can't be read.
        UsageError: the client's certificate can't be used.
    """

    def __init__(self, url: str, target: Target) -> None:
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._target = target
        self._context = tls_context(target.ca, target.certificate, target.key) if target.tls else None
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: {target.authority}\r\nUser-Agent: seatrial\r\n"
            "Accept: text/plain;version=0.0.4;q=1, */*;q=0.1\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n"
        ).encode("ascii")

    def read(self, seconds: float) -> str:
        """Return the body of one answer.

        Args:
            seconds: For everything together: connection, TLS, and the last byte of the answer.

        Raises:
            ScrapeError: there is none; redirects are not followed.
        """
        deadline = time.monotonic() + seconds
        answer = _Answer()
        try:
            with self._connect(deadline) as connection:
                connection.settimeout(_left(deadline))
                connection.sendall(self._request)
                while not answer.whole:
                    connection.settimeout(_left(deadline))
                    answer.feed(connection.recv(65536))
        except TimeoutError as error:
            raise ScrapeError(Missing.TIMEOUT) from error
        except OSError as error:
            raise ScrapeError(Missing.UNREACHABLE) from error
        except httptools.HttpParserError as error:
            raise ScrapeError(Missing.MALFORMED) from error
        return answer.text()

    def _connect(self, deadline: float) -> socket.socket:
        failure: OSError = OSError("no address")
        for family, at in self._target.addresses:
            plain = socket.socket(family, socket.SOCK_STREAM)
            try:
                plain.settimeout(_left(deadline))
                plain.connect(at)
                if self._context is None:
                    return plain
                plain.settimeout(_left(deadline))
                return self._context.wrap_socket(plain, server_hostname=self._target.host)
            except OSError as error:
                plain.close()
                if isinstance(error, TimeoutError | ssl.SSLCertVerificationError):
                    raise
                failure = error
        raise failure


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Answer:
    """One answer as it comes in; the names of the callbacks are the parser's."""

    def __init__(self) -> None:
        self.whole = False
        self._body: list[bytes] = []
        self._size = self._head = 0
        self._in_body = self._has_length = False
        self._parser = httptools.HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._has_length = self._has_length or name.lower() in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        self._in_body = True
        if self._parser.get_status_code() != 200:
            raise ScrapeError(Missing.REFUSED)

    def on_body(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > MOST_BYTES:
            raise ScrapeError(Missing.TOO_LARGE)
        self._body.append(data)

    def on_message_complete(self) -> None:
        self.whole = True

    def feed(self, data: bytes) -> None:
        """Take what was received; nothing means that the connection was closed.

        Raises:
            ScrapeError: too long, another status than 200, or closed before the end.
            httptools.HttpParserError: not HTTP.
        """
        if not data:
            # Without a length the end of the connection is the end of the answer.
            if not self._in_body or self._has_length:
                raise ScrapeError(Missing.MALFORMED if self._head else Missing.UNREACHABLE)
            self.whole = True
            return
        self._head += 0 if self._in_body else len(data)
        if self._head > _MOST_HEAD + 65536:
            raise ScrapeError(Missing.TOO_LARGE)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, ScrapeError):
                raise error.__context__ from None
            raise

    def text(self) -> str:
        """Return the body; Prometheus' format is UTF-8.

        Raises:
            ScrapeError: it is anything else.
        """
        try:
            return b"".join(self._body).decode("utf-8")
        except UnicodeDecodeError as error:
            raise ScrapeError(Missing.MALFORMED) from error


def figures(text: str, names: Sequence[str]) -> list[tuple[str, dict[str, str], float]]:
    """Return the samples of these names in a text of Prometheus' format: (name, labels, value).

    Only their lines are parsed: the others, ten thousands in some services, would cost the tester's machine more than
    they are worth.

    Args:
        text: The whole answer.
        names: Of the samples that are wanted.

    Raises:
        ScrapeError: a wanted line is not of the format, or longer than 16 KiB, or there are more than 10,000.
    """
    wanted = tuple(dict.fromkeys(names))
    ends = ("{", " ", "\t")
    lines = [
        line
        for line in text.split("\n")
        if line.startswith(wanted) and any(line.startswith(name) and line[len(name) :][:1] in ends for name in wanted)
    ]
    if len(lines) > _MOST_LINES or any(len(line) > _LONGEST_LINE for line in lines):
        raise ScrapeError(Missing.TOO_LARGE)
    try:
        families = list(text_string_to_metric_families("\n".join(lines) + "\n"))
        return [(s.name, dict(s.labels), float(s.value)) for family in families for s in family.samples]
    except Exception as error:  # a stranger's text; the parser's own errors are of many kinds
        raise ScrapeError(Missing.MALFORMED) from error


def sums_of(
    found: Sequence[tuple[str, dict[str, str], float]], selectors: Sequence[Selector]
) -> list[tuple[float | None, Missing]]:
    """Return for each selector the sum of its samples, or why there is none.

    A sum that is not finite is no figure: Prometheus writes NaN and Inf for what it does not know.
    """
    sums: list[tuple[float | None, Missing]] = []
    for selector in selectors:
        values = [
            value
            for name, labels, value in found
            if name == selector.name and all(labels.get(label) == wanted for label, wanted in selector.labels)
        ]
        total = sum(values)
        if not values:
            sums.append((None, Missing.NO_SERIES))
        elif not abs(total) < float("inf"):
            sums.append((None, Missing.MALFORMED))
        else:
            sums.append((total, Missing.NO))
    return sums
