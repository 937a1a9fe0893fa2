"""One request as it is written: path, headers, body, files, expectations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from seatrial.authoring.files import check_upload
from seatrial.authoring.patterns import check_json_path, check_regex
from seatrial.authoring.problems import ProblemList
from seatrial.authoring.step_nodes import texts_below
from seatrial.authoring.yaml_source import Node
from seatrial.model.journey import METHODS
from seatrial.model.template import Variable, parse_template

__all__ = ["OWN_HEADERS", "StepCheck", "check_headers"]

#: Headers that say how a message is framed or a connection kept. The engine sets them itself.
OWN_HEADERS = {"connection", "content-length", "expect", "keep-alive", "proxy-connection", "te", "trailer"}
OWN_HEADERS |= {"transfer-encoding", "upgrade"}

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110, 5.6.2
_NOT_IN_A_VALUE = re.compile(r"[^\x20-\x7e\t]")  # RFC 9110, 5.5, without its obsolete part
_NOT_IN_A_PATH = re.compile(r"[^\x21-\x7e]")
_TEMPLATES = (*METHODS, "headers", "query", "json", "form", "body")


class StepCheck:
    """The checks of requests that need nothing of what comes before them.

    Args:
        base: The plan's folder.
        problems: Where problems go.
    """

    def __init__(self, base: Path, problems: ProblemList) -> None:
        self._base, self._problems = base, problems

    def run(self, step: Node) -> Iterator[Node]:
        """Add every problem of a request, and yield each text in which ``${...}`` is replaced."""
        for method in METHODS:
            if (path := step.get(method)) is not None:
                self._path(path)
        for key in _TEMPLATES:
            yield from texts_below(step.get(key))
        yield from self._multipart(step)
        if (headers := step.get("headers")) is not None:
            check_headers(headers, self._problems)
        body = step.get("json")
        if body is not None and body.kind == "scalar" and body.scalar is None:
            self._problems.add(body.line, "json: null sends no body", None, "Leave it out, or write body: 'null'.")
        self._expect(step)

    def _path(self, node: Node) -> None:
        bad = _NOT_IN_A_PATH.search(node.scalar) if isinstance(node.scalar, str) else None
        if bad is not None:
            remedy = "Percent-encode it, or put it under query, which encodes it for you."
            self._problems.add(node.line, f"a path with the character {bad[0]!r}", node.written, remedy)

    def _multipart(self, step: Node) -> Iterator[Node]:
        parts = step.get("multipart")
        if parts is None:
            return
        headers = step.get("headers")
        for name in headers.entries if headers else ():
            if headers is not None and name.lower() == "content-type":
                remedy = "Take it out; the engine writes it with the boundary between the parts."
                self._problems.add(headers.line_of(name), "a Content-Type header beside multipart", name, remedy)
        if parts.kind == "mapping" and not parts.entries:
            self._problems.add(parts.line, "a multipart body without a part", None, "Write at least one.")
        for name in parts.entries:
            if any(ord(c) < 32 for c in name) or not name:
                line, remedy = parts.line_of(name), "Write a name without control characters."
                self._problems.add(line, "a part without a usable name", name, remedy)
        for part in parts.entries.values():
            if part.kind == "mapping":
                self._file(part)
            elif isinstance(part.scalar, str):
                yield part

    def _file(self, part: Node) -> None:
        if (file := part.get("file")) is not None and isinstance(file.scalar, str) and file.scalar:
            check_upload(file, self._base, self._problems)
        for key in ("name", "type"):
            told = part.get(key)
            if told is None or not isinstance(told.scalar, str):
                continue
            if any(ord(c) < 32 for c in told.scalar) or (key == "type" and _NOT_IN_A_VALUE.search(told.scalar)):
                remedy = "Write it on one line, without control characters."
                self._problems.add(told.line, f"the {key} of a file has a character that can't be sent", None, remedy)
            if _has_variable(told.scalar):
                remedy = "Write the text itself; a file is the same for every session."
                self._problems.add(told.line, f"a variable in the {key} of a file", told.written, remedy)

    def auth(self, auth: Node | None, headers: Node | None) -> None:
        """Add what is wrong with the authentication of a request, or of a journey."""
        if auth is None:
            return
        for name in headers.entries if headers else ():
            if name.lower() == "authorization":
                remedy = "Keep one of them."
                line = headers.line_of(name) if headers else auth.line
                self._problems.add(line, "an Authorization header beside auth", name, remedy)
        user = auth.get("basic", "user")
        literal = _literal(user.scalar) if user is not None and isinstance(user.scalar, str) else ""
        if user is not None and ":" in literal:
            remedy = "Write one without: the colon ends the name (RFC 7617)."
            self._problems.add(user.line, "a user name with a colon", user.written, remedy)

    def _expect(self, step: Node) -> None:
        expect = step.get("expect")
        if expect is None:
            return
        if (matches := expect.get("matches")) is not None:
            check_regex(matches, self._problems)
        values = expect.get("json")
        for path in values.entries if values else ():
            check_json_path(path, values.line_of(path) if values else expect.line, self._problems)
        for key in ("contains", "json", "headers"):
            for node in texts_below(expect.get(key)):
                if _has_variable(str(node.scalar)):
                    remedy = "Write the text itself, or extract the value and leave the check out."
                    self._problems.add(node.line, "a variable in an expectation", node.written, remedy)


def check_headers(headers: Node, problems: ProblemList, *, templates: bool = True) -> None:
    """Add every header that can't be sent, or that the engine sets itself.

    Args:
        headers: As written.
        problems: Where problems go.
        templates: Whether ``${...}`` is replaced in the values.
    """
    for name, value in headers.entries.items():
        line = headers.line_of(name)
        if not _TOKEN.fullmatch(name):
            problems.add(line, "not the name of a header", name, "Write letters, digits and hyphens.")
        elif name.lower() in OWN_HEADERS:
            problems.add(line, "a header that the engine sets itself", name, "Take it out.")
        if isinstance(value.scalar, str) and _NOT_IN_A_VALUE.search(value.scalar):
            remedy = "Write it on one line in ASCII, without control characters."
            problems.add(value.line, f"the header {name} has a character that can't be sent", value.written, remedy)
        if not templates and isinstance(value.scalar, str) and _has_variable(value.scalar):
            remedy = "Put the header into the steps that send it."
            problems.add(value.line, "a variable in a header of the whole plan", value.written, remedy)


def _literal(text: str) -> str:
    """Return a template's text without its variables; nothing where it is malformed."""
    try:
        return "".join(part for part in parse_template(text) if isinstance(part, str))
    except ValueError:
        return ""


def _has_variable(text: str) -> bool:
    try:
        return any(isinstance(part, Variable) for part in parse_template(text))
    except ValueError:
        return False
