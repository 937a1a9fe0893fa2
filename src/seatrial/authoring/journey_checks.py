"""What a journey says, step by step: names, variables, paths, headers, patterns.

These checks look at the values as written and not at the model, so that a journey with one mistake of structure still
gives all its other mistakes in the same go.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import jsonpath

from seatrial.authoring.problems import ProblemList, shorten, split_message
from seatrial.authoring.python_plan import inspect_journey
from seatrial.authoring.validation import did_you_mean
from seatrial.authoring.yaml_source import Node
from seatrial.errors import PlanError
from seatrial.model.journey import METHODS
from seatrial.model.template import Variable, parse_template

__all__ = ["OWN_HEADERS", "JourneyCheck", "check_headers", "step_labels"]

#: Headers that say how a message is framed or a connection kept. The engine sets them itself.
OWN_HEADERS = {"connection", "content-length", "expect", "keep-alive", "proxy-connection", "te", "trailer"}
OWN_HEADERS |= {"transfer-encoding", "upgrade"}

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110, 5.6.2
_NOT_IN_A_VALUE = re.compile(r"[^\x20-\x7e\t]")  # RFC 9110, 5.5, without its obsolete part
_TOKEN_NAME = re.compile(r"'?TOKEN_(\w+)'?")  # the library's own names of what it read
_NOT_IN_A_PATH = re.compile(r"[^\x21-\x7e]")

#: Columns of each feed by its variable; None where the file could not be read.
Feeds = Mapping[str, tuple[str, ...] | None]


def step_labels(journey: Node) -> tuple[tuple[str, int], ...]:
    """Return the name and line of each request of a journey, as results will name them."""
    named = journey.get("step_names")
    if named is not None:
        return tuple((item.scalar, item.line) for item in named.items if isinstance(item.scalar, str))
    labels = []
    steps = journey.get("steps")
    for step in steps.items if steps else ():
        name = step.get("name")
        method = next((m for m in METHODS if m in step.entries), None)
        if name is not None and isinstance(name.scalar, str):
            labels.append((name.scalar, name.line))
        elif method is not None and isinstance(path := step.entries[method].scalar, str):
            labels.append((f"{method.upper()} {path.partition('?')[0]}", step.line))
    return tuple(labels)


class JourneyCheck:
    """The checks of one journey.

    Args:
        journey: As written.
        base: The plan's folder.
        feeds: What its feeds offer.
        problems: Where problems go.
    """

    def __init__(self, journey: Node, base: Path, feeds: Feeds, problems: ProblemList) -> None:
        self._journey, self._base, self._feeds, self._problems = journey, base, feeds, problems
        self._extracted: dict[str, bool] = {}  # whether it may be a JSON object, whose members ${name.member} takes

    def run(self) -> None:
        """Add every problem of the journey."""
        self._names()
        python = self._journey.get("python")
        if python is not None and isinstance(python.scalar, str):
            self._python(python, python.scalar)
        steps = self._journey.get("steps")
        for step in steps.items if steps else ():
            if step.kind == "mapping" and not self._problems.is_full:
                self._step(step)

    def _names(self) -> None:
        first: dict[str, int] = {}
        for label, line in step_labels(self._journey):
            if label in first:
                remedy = f"Give each step its own name; the first is on line {first[label]}."
                self._problems.add(line, "two steps of one journey with the same name", label, remedy)
            first.setdefault(label, line)

    def _python(self, node: Node, reference: str) -> None:
        try:
            source = inspect_journey(reference, self._base)
        except PlanError as error:
            for problem in error.problems:
                self._problems.add_elsewhere(node.line, problem)
            return
        for label, line in step_labels(self._journey):
            if label not in source.texts and not source.dynamic:
                self._problems.add(line, "a step name that the Python file never uses", label, "Take it out.")

    def _step(self, step: Node) -> None:
        for method in METHODS:
            if (path := step.get(method)) is not None:
                self._path(path)
        for key in (*METHODS, "headers", "query", "json", "form", "body"):
            if (value := step.get(key)) is not None:
                for node in _texts(value):
                    self._template(node)
        when = step.get("when")
        if when is not None and isinstance(when.scalar, str) and when.scalar not in self._extracted:
            remedy = "Name a value that an earlier step extracts."
            if self._extracted:
                remedy = f"{remedy} {did_you_mean(when.scalar, self._extracted)}"
            self._problems.add(when.line, "a condition on a value that no earlier step extracts", when.written, remedy)
        if (headers := step.get("headers")) is not None:
            check_headers(headers, self._problems)
        body = step.get("json")
        if body is not None and body.kind == "scalar" and body.scalar is None:
            self._problems.add(body.line, "json: null sends no body", None, "Leave it out, or write body: 'null'.")
        self._expect(step)
        self._extract(step)

    def _path(self, node: Node) -> None:
        bad = _NOT_IN_A_PATH.search(node.scalar) if isinstance(node.scalar, str) else None
        if bad is not None:
            remedy = "Percent-encode it, or put it under query, which encodes it for you."
            self._problems.add(node.line, f"a path with the character {bad[0]!r}", node.written, remedy)

    def _template(self, node: Node) -> None:
        try:
            parts = parse_template(str(node.scalar))
        except ValueError as error:
            what, remedy = split_message(str(error))
            self._problems.add(node.line, what, node.written, remedy)
            return
        for variable in parts:
            if isinstance(variable, Variable):
                self._variable(variable, node.line)

    def _variable(self, variable: Variable, line: int) -> None:
        add, name, column = self._problems.add, variable.name, variable.field
        if name in self._feeds:
            columns = self._feeds[name]
            if column is None:
                example = columns[0] if columns else "column"
                add(line, "a feed without its column", str(variable), f"Write ${{{name}.{example}}}.")
            elif columns is not None and column not in columns:
                add(line, "no such column in the feed", str(variable), did_you_mean(column, columns))
        elif name in self._extracted:
            if column is not None and not self._extracted[name]:
                add(line, "a text has no columns", str(variable), f"Write ${{{name}}}.")
        else:
            known = [*self._feeds, *self._extracted]
            remedy = "Extract it in an earlier step, or name a feed."
            if known:
                remedy = f"{remedy} {did_you_mean(name, known)}"
            add(line, "an undefined variable", str(variable), remedy)

    def _expect(self, step: Node) -> None:
        expect = step.get("expect")
        if expect is None:
            return
        if (matches := expect.get("matches")) is not None:
            self._regex(matches)
        values = expect.get("json")
        for path in values.entries if values else ():
            self._json_path(path, values.line_of(path) if values else expect.line)
        for key in ("contains", "json", "headers"):
            for node in _texts(expect.get(key)):
                if _has_variable(str(node.scalar)):
                    remedy = "Write the text itself, or extract the value and leave the check out."
                    self._problems.add(node.line, "a variable in an expectation", node.written, remedy)

    def _extract(self, step: Node) -> None:
        extract = step.get("extract")
        for name, source in extract.entries.items() if extract else ():
            line = extract.line_of(name) if extract else step.line
            if name in self._feeds:
                self._problems.add(line, "a variable with the name of a feed", name, "Give it another name.")
            path = source.get("json")
            self._extracted[name] = path is not None
            if path is not None and isinstance(path.scalar, str):
                self._json_path(path.scalar, path.line)
            if (regex := source.get("regex")) is not None:
                self._regex(regex)

    def _json_path(self, path: str, line: int) -> None:
        try:
            jsonpath.compile(path, strict=True)
        except Exception as error:  # the library's own parser fails on some malformed paths with a bare IndexError
            reason = _reason(error)
            self._problems.add(line, f"not a JSON path ({reason})", path, "Write RFC 9535, such as $.free[*].id.")

    def _regex(self, node: Node) -> None:
        if not isinstance(node.scalar, str):
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                re.compile(node.scalar)
        except (re.error, OverflowError, RecursionError) as error:
            reason = _reason(error)
            self._problems.add(node.line, f"not a regular expression ({reason})", node.written, "Mend the pattern.")


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


def _has_variable(text: str) -> bool:
    try:
        return any(isinstance(part, Variable) for part in parse_template(text))
    except ValueError:
        return False


def _reason(error: Exception) -> str:
    """Return why a library refuses a pattern, on one line and without its internal names."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    try:
        reason = str(error).partition("\n")[0]
    except Exception:  # jsonpath's errors can't always point at their place, and fail in str()
        reason = ""
    return _TOKEN_NAME.sub(lambda name: name[1].lower().replace("_", " "), shorten(reason)).rstrip(".") or "malformed"


def _texts(node: Node | None) -> Iterator[Node]:
    """Yield every text below and including ``node``, keys left out."""
    if node is None:
        return
    if isinstance(node.scalar, str):
        yield node
    for inner in (*node.items, *node.entries.values()):
        yield from _texts(inner)
