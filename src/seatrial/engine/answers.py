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
from seatrial.model.answer import Check, Extract, Size
from seatrial.model.sample import Outcome

__all__ = ["MISSING", "CheckAnswer", "compile_check", "compile_extract", "json_of", "text_of"]

MISSING: Final = object()

CheckAnswer = Callable[[Response], tuple[Outcome, str]]
_Walk = Callable[[Any], list[Any]]
_OK: Final = (Outcome.OK, "")

_CHARSET: Final = re.compile(r"charset\s*=\s*\"?([A-Za-z0-9_.:+-]{1,40})", re.IGNORECASE)
_SAME_IN_BOTH: Final = frozenset({str, int, bool, type(None)})
_PLAIN_PATH = re.compile(r"\$(?:\.[A-Za-z_][A-Za-z0-9_]*|\[\d+\]|\[\*\])*")
_ONE_MATCH = re.compile(r"\$(?:\.[A-Za-z_][A-Za-z0-9_]*|\[\d+\])+")
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


def text_of(response: Response) -> str:
    """Return the body as text: UTF-8, or else in the charset that its Content-Type names; what is neither is replaced.

    Pages in Big5 are read so; a page that is UTF-8 is taken for it whatever its head says.
    """
    try:
        return response.body.decode()
    except UnicodeDecodeError:
        named = _CHARSET.search("".join(response.headers("content-type")[:1]))
        try:
            return response.body.decode(named[1] if named else "utf-8", "replace")
        except (LookupError, ValueError):  # no charset of text
            return response.body.decode("utf-8", "replace")


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
    if exact and type(value) not in _SAME_IN_BOTH:
        again = _walk_slowly(walk, response)  # which may refuse what orjson takes: deep nesting, endless digits
        return again[index] if index < len(again) else MISSING
    return value


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
            if isinstance(value, str):  # the library would take it for a document that is still to be parsed
                return []
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
    """Return a function that gives the extracted value, or ``MISSING``.

    A value taken by regex, CSS selector, header or cookie is text. A cookie is what the session holds once the
    answer's own have been stored.
    """
    pick = extract.pick
    if extract.cookie is not None:
        name = extract.cookie
        return lambda response, session: session.cookies.get(name, MISSING)
    if extract.json_path is not None:
        walk = _json_finder(extract.json_path)
        if _ONE_MATCH.fullmatch(extract.json_path):
            return _only_match(extract.json_path, walk)
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


def _only_match(path: str, walk: _Walk) -> Callable[[Response, Session], Any]:
    """Return what takes the value at a path of names and indexes: what most journeys extract."""
    parts: list[Any] = [name or int(index) for name, index, _ in _PLAIN_PART.findall(path)]
    wanted = [dict if isinstance(part, str) else list for part in parts]
    steps = list(zip(parts, wanted, strict=True))
    loads = orjson.loads

    def take(response: Response, session: Session) -> Any:
        try:
            value = loads(response.body)
            for part, kind in steps:
                if type(value) is not kind:
                    return MISSING
                value = value[part]
        except (LookupError, orjson.JSONDecodeError):
            return _walk_json(walk, response, _first)
        return value if type(value) in _SAME_IN_BOTH else _walk_json(walk, response, _first)

    return take


def _first(count: int) -> int:
    return 0


def _last(count: int) -> int:
    return count - 1


def _text_finder(extract: Extract) -> Callable[[Response], list[str]]:
    if extract.regex is not None:
        pattern = re.compile(extract.regex)
        group = 1 if pattern.groups else 0
        return lambda response: [match[group] for match in pattern.finditer(text_of(response)) if match[group]]
    if extract.css is not None:
        return _css_finder(extract.css, extract.attribute)
    name = str(extract.header)
    return lambda response: list(response.headers(name))


def _css_finder(selector: str, attribute: str | None) -> Callable[[Response], list[str]]:
    """Return a function from a page to the texts, or the attribute, of the elements that a selector finds."""
    # Here and not above: most plans select nothing, and this takes time to load.
    from selectolax.lexbor import LexborHTMLParser

    def texts(response: Response) -> list[str]:
        found = (node.text(deep=True).strip() for node in LexborHTMLParser(text_of(response)).css(selector))
        return [text for text in found if text]

    def attributes(response: Response) -> list[str]:
        found = (node.attributes for node in LexborHTMLParser(text_of(response)).css(selector))
        # An attribute without a value is an empty one (HTML, 13.1.2.3).
        return [each[attribute] or "" for each in found if attribute in each]

    return texts if attribute is None else attributes


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
    if check.size is not None:
        tests.append(_sized(check.size))
    if check.matches is not None:
        tests.append(_matches(check.matches))
    tests += [_json_equals(path, wanted) for path, wanted in check.json_values.items()]
    tests += [_header_contains(name, wanted) for name, wanted in check.headers.items()]
    return tests


def _contains(text: str) -> Callable[[Response], str]:
    wanted, ascii_only = text.encode(), text.isascii()

    def test(response: Response) -> str:
        if wanted in response.body or (not ascii_only and text in text_of(response)):
            return ""
        return f"body does not contain {text!r}"

    return test


def _sized(size: Size) -> Callable[[Response], str]:
    least, most = size.at_least or 0, size.at_most

    def test(response: Response) -> str:
        length = len(response.body)
        if length < least:
            return f"a body of {length} bytes, fewer than {least}"
        return f"a body of {length} bytes, more than {most}" if most is not None and length > most else ""

    return test


def _matches(pattern: str) -> Callable[[Response], str]:
    compiled = re.compile(pattern)

    def test(response: Response) -> str:
        found = compiled.search(text_of(response))
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
