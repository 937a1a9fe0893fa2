"""YAML from a stranger, read as data: every value keeps its line, and nothing in it is executed.

The source is read event by event (ruamel.yaml's pure scanner and parser, YAML 1.2) and the tree is built here, so
that the limits below hold while reading and not after. Scalars are resolved by the YAML 1.2 core schema
(https://yaml.org/spec/1.2.2/#103-core-schema), less what JSON can't carry. Tags, merge keys, duplicate keys,
keys that are not text and second documents are refused.

A limit costs a plan nothing and a bomb everything: aliases are counted at their full size, so "a billion laughs" is
refused as soon as it passes 20,000 values.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from seatrial.authoring.problems import ProblemList

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_LINE", "MAX_NODES", "Node", "UnreadableError", "read_source", "read_yaml"]

MAX_BYTES = 1 << 20
MAX_LINE = 1 << 16  # the scanner takes quadratic time over some endless tokens
MAX_NODES = 20_000
MAX_DEPTH = 40

Scalar: TypeAlias = str | int | float | bool | None


class UnreadableError(Exception):
    """The source can't be read to its end. The problem list says why."""


@dataclass(frozen=True, slots=True)
class Node:
    """One value and where it stands.

    Attributes:
        kind: What it is.
        line: Its line, from 1; that of its key where the value starts on a later line.
        written: As it was written.
        scalar: The value of a scalar.
        items: The values of a list.
        entries: The values of a mapping, by key.
        key_lines: Line of each key of a mapping.
        size: How many values it holds, itself included and aliases counted in full.
        height: Levels below and including it.
    """

    kind: Literal["mapping", "list", "scalar"]
    line: int
    written: str
    scalar: Scalar = None
    items: tuple[Node, ...] = ()
    entries: dict[str, Node] = field(default_factory=dict)
    key_lines: dict[str, int] = field(default_factory=dict)
    size: int = 1
    height: int = 1

    def plain(self) -> Any:
        """Return the value as JSON-like data; at most ``MAX_NODES`` values."""
        if self.kind == "mapping":
            return {key: value.plain() for key, value in self.entries.items()}
        return [item.plain() for item in self.items] if self.kind == "list" else self.scalar

    def get(self, *path: str | int) -> Node | None:
        """Return the value at a path of keys and indices; None where there is none."""
        node: Node | None = self
        for element in path:
            if node is None:
                return None
            if isinstance(element, int):
                node = node.items[element] if 0 <= element < len(node.items) else None
            else:
                node = node.entries.get(element)
        return node

    def line_of(self, key: str) -> int:
        """Return the line of a key of this mapping; the mapping's own where it has no such key."""
        return self.key_lines.get(key, self.line)


def read_yaml(source: bytes, problems: ProblemList) -> Node:
    """Return the document in ``source``, with tags, duplicate keys and the like added to ``problems``.

    Raises:
        UnreadableError: not UTF-8, not YAML, empty, or beyond a limit; the reason is in ``problems``.
    """
    text = _decode(source, problems)
    builder = _Builder(text, problems)
    try:
        return builder.document()
    except UnreadableError:
        raise
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        what = error.problem or error.context or "this can't be read"
        problems.add(line, f"not YAML: {what}", _line(text, line), "Check indentation, colons, brackets and quotes.")
        raise UnreadableError from error
    except Exception as error:  # the scanner meets some malformed escapes and directives with a bare error
        line = builder.last_line
        problems.add(line, "not YAML", _line(text, line), "Check indentation, colons, brackets and quotes.")
        raise UnreadableError from error


def read_source(path: Path, problems: ProblemList) -> bytes:
    """Return the bytes of a document, at most one more than the limit that :func:`read_yaml` keeps.

    Raises:
        UnreadableError: no such file, or not a file; the reason is in ``problems``.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            problems.add(0, "this is not a file", path.name, "Name a YAML file.")
            raise UnreadableError
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no such name is possible"
        problems.add(0, f"this can't be read ({reason})", None, "Check the name and the rights of the file.")
        raise UnreadableError from error


def _line(text: str, line: int) -> str | None:
    lines = text.split("\n", line)
    return lines[line - 1].strip() or None if 0 < line <= len(lines) else None


def _decode(source: bytes, problems: ProblemList) -> str:
    if len(source) > MAX_BYTES:
        problems.add(0, "longer than 1 MiB", f"{len(source)} bytes", "Write a shorter document.")
        raise UnreadableError
    try:
        text = source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        problems.add(line, "not UTF-8", f"byte 0x{source[error.start]:02x}", "Save the file as UTF-8.")
        raise UnreadableError from error
    for number, content in enumerate(text.split("\n"), 1):
        bad = _UNPRINTABLE.search(content)
        if bad is not None:
            problems.add(number, "a control character", f"0x{ord(bad[0]):02x}", "Take it out.")
            raise UnreadableError
        if len(content) > MAX_LINE:
            problems.add(number, "a line of more than 65,536 characters", content, "Break it into shorter lines.")
            raise UnreadableError
    return text


# https://yaml.org/spec/1.2.2/#51-character-set
_UNPRINTABLE = re.compile("[^\t\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INTEGER = re.compile(r"[-+]?[0-9]+", re.ASCII)
_HEXADECIMAL, _OCTAL = re.compile(r"0x[0-9a-fA-F]+"), re.compile(r"0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_NOT_A_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: dict[str, Scalar] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_MOST_DIGITS = 40


class _Builder:
    """Builds the tree from events, and stops at a limit."""

    def __init__(self, text: str, problems: ProblemList) -> None:
        self._text, self._problems = text, problems
        self._events: Iterator[Any] = iter(YAML(typ="safe", pure=True).parse(text))
        self._anchors: dict[str, Node | None] = {}
        self._size = 0
        self.last_line = 1

    def _next(self) -> Any:
        event = next(self._events)
        self.last_line = event.start_mark.line + 1
        return event

    def _stop(self, line: int, what: str, value: str | None, remedy: str) -> UnreadableError:
        self._problems.add(line, what, value, remedy)
        return UnreadableError(what)

    def document(self) -> Node:
        """Return the only document."""
        self._next()  # the stream starts
        event = self._next()
        if type(event).__name__ == "StreamEndEvent":
            raise self._stop(1, "the document is empty", None, "Write at least the required keys.")
        if event.version not in (None, (1, 2)):
            self._problems.add(
                self.last_line, "another version of YAML", "%YAML " + ".".join(map(str, event.version)), "Use YAML 1.2."
            )
        root = self._value(self._next(), None, 1)
        self._next()  # the document ends
        if type(self._next()).__name__ != "StreamEndEvent":
            raise self._stop(self.last_line, "a second document in one file", "---", "Keep one document in a file.")
        return root

    def _value(self, event: Any, line: int | None, depth: int) -> Node:
        """Return the value that starts with ``event``; ``line`` is that of its key, None where it has none."""
        line = event.start_mark.line + 1 if line is None else line
        if depth > MAX_DEPTH:
            raise self._stop(line, f"nested deeper than {MAX_DEPTH} levels", None, "Write a flatter document.")
        name = type(event).__name__
        if name == "AliasEvent":
            return self._alias(event, line, depth)
        self._grow(1, line)
        if event.tag is not None and not (name != "ScalarEvent" and event.implicit):
            self._problems.add(line, "a tag is not allowed", str(event.tag), "Take it out; put text in quotes.")
        if event.anchor is not None:
            self._anchors[event.anchor] = None  # known, but not yet complete
        if name == "ScalarEvent":
            node = Node("scalar", line, self._slice(event), self._scalar(event, line))
        elif name == "SequenceStartEvent":
            node = self._list(event, line, depth)
        else:
            node = self._mapping(event, line, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _grow(self, by: int, line: int) -> None:
        self._size += by
        if self._size > MAX_NODES:
            raise self._stop(line, f"more than {MAX_NODES} values, aliases counted in full", None, "Write fewer.")

    def _alias(self, event: Any, line: int, depth: int) -> Node:
        alias = f"*{event.anchor}"
        if event.anchor not in self._anchors:
            raise self._stop(line, "an alias without its anchor", alias, f"Put &{event.anchor} before the value.")
        node = self._anchors[event.anchor]
        if node is None:
            raise self._stop(line, "an alias inside the value that it stands for", alias, "Write the value out.")
        self._grow(node.size, line)
        if depth + node.height - 1 > MAX_DEPTH:
            raise self._stop(line, f"nested deeper than {MAX_DEPTH} levels", alias, "Write a flatter document.")
        return node

    def _list(self, start: Any, line: int, depth: int) -> Node:
        items: list[Node] = []
        while type(event := self._next()).__name__ != "SequenceEndEvent":
            items.append(self._value(event, None, depth + 1))
        size, height = 1 + sum(item.size for item in items), 1 + max((item.height for item in items), default=0)
        written = self._text[start.start_mark.index : event.end_mark.index] if start.flow_style else ""
        return Node("list", line, written, items=tuple(items), size=size, height=height)

    def _mapping(self, start: Any, line: int, depth: int) -> Node:
        entries: dict[str, Node] = {}
        key_lines: dict[str, int] = {}
        size = height = 1
        while type(event := self._next()).__name__ != "MappingEndEvent":
            key_line = event.start_mark.line + 1
            key = self._value(event, None, depth + 1)
            value = self._value(self._next(), key_line, depth + 1)
            size, height = size + value.size + 1, max(height, value.height + 1)
            if key.written == "<<":
                self._problems.add(key_line, "a merge key is not allowed", "<<", "Write the keys out.")
            elif not isinstance(key.scalar, str):
                self._problems.add(key_line, "a key that is not text", key.written or None, "Put the key in quotes.")
            elif key.scalar in entries:
                first = key_lines[key.scalar]
                self._problems.add(
                    key_line, "a key written twice", key.scalar, f"Keep one; the first is on line {first}."
                )
            else:
                entries[key.scalar], key_lines[key.scalar] = value, key_line
        written = self._text[start.start_mark.index : event.end_mark.index] if start.flow_style else ""
        return Node("mapping", line, written, entries=entries, key_lines=key_lines, size=size, height=height)

    def _slice(self, event: Any) -> str:
        return self._text[event.start_mark.index : event.end_mark.index].strip()

    def _scalar(self, event: Any, line: int) -> Scalar:
        text = str(event.value)
        if not event.implicit[0]:
            if any("\ud800" <= c <= "\udfff" for c in text):
                self._problems.add(line, "half of a surrogate pair", self._slice(event), "Write the character itself.")
                return ""
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _NOT_A_NUMBER.fullmatch(text):
            self._problems.add(line, "not a finite number", text, "Write a number, or put the text in quotes.")
            return 0
        if len(text) <= _MOST_DIGITS:
            return _number(text)
        if _INTEGER.fullmatch(text) or _FLOAT.fullmatch(text):
            self._problems.add(line, f"a number of more than {_MOST_DIGITS} digits", text, "Put it in quotes.")
            return 0
        return text


def _number(text: str) -> Scalar:
    if _INTEGER.fullmatch(text):
        return int(text)
    if _HEXADECIMAL.fullmatch(text) or _OCTAL.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        value = float(text)
        return value if abs(value) != float("inf") else text
    return text
