"""What is done with an answer: checks on it, and variables taken from it. Compiled once per step."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import jsonpath
import orjson

from seatrial.engine.http.coding import decoded
from seatrial.engine.http.message import ProtocolError, Response
from seatrial.engine.session import Session
from seatrial.model.journey import Check, Extract
from seatrial.model.sample import Outcome

__all__ = ["MISSING", "CheckAnswer", "compile_check", "compile_extract", "json_of"]

MISSING: Final = object()

CheckAnswer = Callable[[Response], tuple[Outcome, str]]
_Walk = Callable[[Any], list[Any]]
_OK: Final = (Outcome.OK, "")

_SAME_IN_BOTH: Final = frozenset({str, int, bool, type(None)})
_PLAIN_PATH = re.compile(r"\$(?:\.[A-Za-z_][A-Za-z0-9_]*|\[\d+\]|\[\*\])*")
_PLAIN_PART = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[(\d+)\]|(\[\*\])")


def json_of(response: Response) -> Any:
    """Return the body as JSON.

    Raises:
        ValueError: it is not JSON.
    """
    try:
        return json.loads(response.body)
    except RecursionError as error:
        raise ValueError("JSON that is nested too deeply") from error


def _walk_json(walk: _Walk, response: Response, choose: Callable[[int], int]) -> Any:
    """Return the match that ``choose`` picks by their number; MISSING without any, or without JSON.

    orjson is several times faster than the standard library, but takes whole numbers beyond 64 bits for fractions:
    whatever is not surely the same in both, and whatever it refuses, goes the standard library's way.
    """
    try:
        found = walk(orjson.loads(response.body))
        exact = True
    except orjson.JSONDecodeError:
        found, exact = _walk_slowly(walk, response), False
    if not found:
        return MISSING
    index = choose(len(found))
    value = found[index]
    return value if exact and type(value) in _SAME_IN_BOTH else _walk_slowly(walk, response)[index]


def _walk_slowly(walk: _Walk, response: Response) -> list[Any]:
    try:
        return walk(json_of(response))
    except ValueError:
        return []


def _json_finder(path: str) -> _Walk:
    """Return a function from a JSON value to all matches of an RFC 9535 path.

    Paths of names, indexes and ``[*]`` alone are walked directly; all others by the ``python-jsonpath`` library.
    """
    if not _PLAIN_PATH.fullmatch(path):
        compiled = jsonpath.compile(path)

        def search(value: Any) -> list[Any]:
            try:
                return list(compiled.findall(value))
            except (jsonpath.JSONPathError, RecursionError):  # a document that the path can't be walked in
                return []

        return search
    parts: list[str | int | None] = [
        name or (None if star else int(index)) for name, index, star in _PLAIN_PART.findall(path)
    ]
    return _straight(parts) if None not in parts else _branching(parts)


def _straight(parts: Sequence[str | int | None]) -> _Walk:
    """Return a walk along names and indexes alone: it has one match or none."""

    def find(value: Any) -> list[Any]:
        for part in parts:
            if isinstance(part, str):
                if not isinstance(value, dict) or part not in value:
                    return []
            elif not isinstance(value, list) or part is None or part >= len(value):
                return []
            value = value[part]
        return [value]

    return find


def _branching(parts: Sequence[str | int | None]) -> _Walk:
    """Return a walk that takes every child where a part is None."""
    star = parts.index(None)
    before, rest = _straight(parts[:star]), parts[star + 1 :]

    def find(value: Any) -> list[Any]:
        found = [child for node in before(value) for child in _children(node)]
        for part in rest:
            if part is None:
                found = [child for node in found for child in _children(node)]
            elif isinstance(part, str):
                found = [node[part] for node in found if isinstance(node, dict) and part in node]
            else:
                found = [node[part] for node in found if isinstance(node, list) and part < len(node)]
        return found

    return find


def _children(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return list(value.values()) if isinstance(value, dict) else []


def compile_extract(extract: Extract) -> Callable[[Response, Session], Any]:
    """Return a function that gives the extracted value, or ``MISSING``."""
    pick = extract.pick
    if extract.json_path is not None:
        walk = _json_finder(extract.json_path)
        if pick == "random":
            return lambda response, session: _walk_json(walk, response, session.draw)
        choose = _first if pick == "first" else _last
        return lambda response, session: _walk_json(walk, response, choose)
    find = _text_finder(extract)

    def take(response: Response, session: Session) -> Any:
        found = find(response)
        if not found:
            return MISSING
        if pick == "random":
            return found[session.draw(len(found))]
        return found[0] if pick == "first" else found[-1]

    return take


def _first(count: int) -> int:
    return 0


def _last(count: int) -> int:
    return count - 1


def _text_finder(extract: Extract) -> Callable[[Response], list[str]]:
    if extract.regex is not None:
        pattern = re.compile(extract.regex)
        group = 1 if pattern.groups else 0
        return lambda response: [
            match[group] for match in pattern.finditer(response.body.decode("utf-8", "replace")) if match[group]
        ]
    name = str(extract.header)
    return lambda response: list(response.headers(name))


def compile_check(check: Check) -> CheckAnswer:
    """Return a function from an answer to its outcome and, unless that is OK, the reason."""
    allowed = frozenset(check.status)
    tests = _tests(check)

    def judge(response: Response) -> tuple[Outcome, str]:
        status = response.status
        if response.encoded:
            failure = _undo_coding(response)
            if failure:
                return Outcome.CHECK_FAILED, failure
        if (status not in allowed) if allowed else status >= 400:
            outcome = Outcome.HTTP_ERROR if status >= 400 else Outcome.CHECK_FAILED
            return outcome, f"status {status}"
        for test in tests:
            failure = test(response)
            if failure:
                return Outcome.CHECK_FAILED, failure
        return _OK

    return judge


def _undo_coding(response: Response) -> str:
    """Undo the body's content coding in place; return why it can't be undone, or nothing.

    It is undone whether or not a step reads the body, as a browser would: what can't be read is no answer.
    """
    try:
        response.body = decoded(response.body, response.headers("content-encoding"))
    except ProtocolError as error:
        return str(error)
    response.encoded = False
    return ""


def _tests(check: Check) -> list[Callable[[Response], str]]:
    tests: list[Callable[[Response], str]] = []
    if check.contains is not None:
        tests.append(_contains(check.contains))
    if check.matches is not None:
        tests.append(_matches(check.matches))
    tests += [_json_equals(path, wanted) for path, wanted in check.json_values.items()]
    tests += [_header_contains(name, wanted) for name, wanted in check.headers.items()]
    return tests


def _contains(text: str) -> Callable[[Response], str]:
    wanted = text.encode()
    return lambda response: "" if wanted in response.body else f"body does not contain {text!r}"


def _matches(pattern: str) -> Callable[[Response], str]:
    compiled = re.compile(pattern)

    def test(response: Response) -> str:
        found = compiled.search(response.body.decode("utf-8", "replace"))
        return "" if found else f"body does not match {pattern!r}"

    return test


def _json_equals(path: str, wanted: Any) -> Callable[[Response], str]:
    walk = _json_finder(path)

    def test(response: Response) -> str:
        try:
            found = walk(json_of(response))
        except ValueError:
            return "body is not JSON"
        if not found:
            return f"{path} is not in the body"
        # In JSON 1 and true differ, in Python they don't.
        same = found[0] == wanted and isinstance(found[0], bool) is isinstance(wanted, bool)
        return "" if same else f"{path} is {repr(found[0])[:80]}, not {repr(wanted)[:80]}"

    return test


def _header_contains(name: str, wanted: str) -> Callable[[Response], str]:
    def test(response: Response) -> str:
        values = response.headers(name)
        return "" if any(wanted in value for value in values) else f"header {name} does not contain {wanted!r}"

    return test
