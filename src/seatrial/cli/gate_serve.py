"""``seatrial gate serve``: the gate as a validating admission webhook, over TLS.

The configuration is one JSON document; paths in it are relative to its folder:

    {"format": "seatrial-webhook/1", "trust": "trust.json",
     "revocations": "revocations.json", "remember": "memory/revocations.json",
     "namespaces": {"booking": {"confirmation": "confirmation.json", "deployed": "release.json",
                                "facts": "facts.json"}}}

``revocations``, ``remember`` and ``facts`` may be left out. The files are read anew for every question, so that a new
revocation list counts at once, and a file that has gone shuts the gate.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seatrial.cli.gate import Question, say
from seatrial.clock import SystemClock
from seatrial.confirmation.admission import MAX_REVIEW_BYTES, respond
from seatrial.confirmation.gate import Decision, deny
from seatrial.errors import EvidenceError, UsageError
from seatrial.evidence.canonical import parse_json, read_document
from seatrial.model.release import Release

__all__ = ["Webhook", "main"]

_FORMAT = "seatrial-webhook/1"
_BODY_SECONDS = 5.0


class Webhook:
    """The webhook's configuration, and its answers.

    Args:
        file: The configuration.

    Raises:
        UsageError: It can't be read, or is not of the form.
    """

    def __init__(self, file: Path) -> None:
        try:
            document = parse_json(read_document(file.resolve()), file.name)
        except (EvidenceError, OSError) as e:
            raise UsageError("the webhook's configuration can't be read", value=e, remedy="Give a JSON file.") from e
        self._base = file.resolve().parent
        known = {"format", "trust", "revocations", "remember", "namespaces"}
        if not isinstance(document, dict) or not {"format", "trust", "namespaces"} <= document.keys() <= known:
            self._refuse("fields missing or unknown", sorted(document) if isinstance(document, dict) else document)
        if document["format"] != _FORMAT or not isinstance(document["namespaces"], dict) or not document["namespaces"]:
            self._refuse(f"not of format {_FORMAT}, or without a namespace", document["format"])
        self._common = {k: self._path(document[k]) for k in ("trust", "revocations", "remember") if k in document}
        self._namespaces: dict[str, dict[str, Path]] = {}
        for name, entry in document["namespaces"].items():
            allowed = {"confirmation", "deployed", "facts"}
            if not isinstance(entry, dict) or not {"confirmation", "deployed"} <= entry.keys() <= allowed:
                self._refuse(f"namespace {name} has fields missing or unknown", entry)
            self._namespaces[name] = {key: self._path(value) for key, value in entry.items()}

    @staticmethod
    def _refuse(what: str, value: object) -> None:
        raise UsageError(
            f"the webhook's configuration has {what}", value=value, remedy="See docs/how-to/pipelines.md for its form."
        )

    def _path(self, value: object) -> Path:
        if not isinstance(value, str) or not value:
            self._refuse("a path that is no text", value)
        return self._base / str(value)

    def ask(self, namespace: str) -> tuple[Decision, Release | None]:
        """Return the gate's decision on a namespace, and the deployed manifest it was made on."""
        entry = self._namespaces.get(namespace)
        if entry is None:
            return deny(f"no confirmation is set up for the namespace {namespace}"), None
        question = Question(
            confirmation=entry["confirmation"],
            deployed=entry["deployed"],
            trust=self._common["trust"],
            revocations=self._common.get("revocations"),
            remember=self._common.get("remember"),
            facts=entry.get("facts"),
        )
        return question.ask(SystemClock().now())


async def _body(receive: Any) -> bytes | None:
    """Return the body, or None where it is too large or does not come in time."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_REVIEW_BYTES:
            return None
        if not message.get("more_body"):
            return b"".join(parts)


def application(webhook: Webhook) -> Any:
    """Return the ASGI application: POST /validate, GET /healthz, and nothing else."""
    one_at_a_time = asyncio.Lock()  # the memory of revocation lists is one file

    async def answer(send: Any, status: int, body: bytes, kind: bytes = b"text/plain") -> None:
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        asked = (scope["method"], scope["path"])
        if asked == ("GET", "/healthz"):
            await answer(send, 200, b"ok\n")
        elif asked != ("POST", "/validate"):
            await answer(send, 404, b"POST /validate\n")
        else:
            try:
                body = await asyncio.wait_for(_body(receive), _BODY_SECONDS)
            except TimeoutError:
                body = None
            if body is None:
                await answer(send, 413, b"the review is too large, or did not come in time\n")
                return
            async with one_at_a_time:
                review, line = await asyncio.to_thread(respond, body, webhook.ask)
            say(line)
            await answer(send, 200, review, b"application/json")

    return app


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or Ctrl-C, and return the exit code.

    Raises:
        UsageError: The configuration, the certificate or the address is not usable.
        SystemExit: With 2 on bad usage, with 0 after ``--help``.
    """
    parser = argparse.ArgumentParser(
        prog="seatrial gate serve", description="The gate as a validating admission webhook.", allow_abbrev=False
    )
    for name, text in (
        ("config", "which confirmation counts in which namespace"),
        ("tls-cert", "the certificate, PEM"),
        ("tls-key", "its private key, PEM"),
    ):
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="FILE", help=text)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8443, help="port to listen on; 0 takes a free one")
    given = parser.parse_args(arguments)
    webhook = Webhook(given.config)
    return _serve(webhook, given.tls_cert, given.tls_key, given.host, given.port)


def _serve(webhook: Webhook, certificate: Path, key: Path, host: str, port: int) -> int:
    import socket

    from seatrial.cli.gate_server import Certificate, server_of

    shown = Certificate(certificate, key)
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as e:
        raise UsageError(
            "the address can't be listened on", value=f"{host}:{port}: {e}", remedy="Choose another."
        ) from e
    print(f"listening on https://{host}:{listener.getsockname()[1]}/validate", flush=True)
    server_of(application(webhook), shown).run([listener])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
