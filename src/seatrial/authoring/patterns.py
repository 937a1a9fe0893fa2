"""Patterns that authors write: JSON paths, regular expressions, CSS selectors."""

from __future__ import annotations

import re
import warnings

import jsonpath

from seatrial.authoring.problems import ProblemList, shorten
from seatrial.authoring.yaml_source import Node

__all__ = ["check_css", "check_json_path", "check_regex"]

_TOKEN_NAME = re.compile(r"'?TOKEN_(\w+)'?")  # the library's own names of what it read


def check_json_path(path: str, line: int, problems: ProblemList) -> None:
    """Add why ``path`` is no JSON path (RFC 9535), if it is none."""
    try:
        jsonpath.compile(path, strict=True)
    except Exception as error:  # the library's own parser fails on some malformed paths with a bare IndexError
        reason = _reason(error)
        problems.add(line, f"not a JSON path ({reason})", path, "Write RFC 9535, such as $.free[*].id.")


def check_regex(node: Node, problems: ProblemList) -> None:
    """Add why a text is no regular expression, if it is none."""
    if not isinstance(node.scalar, str):
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(node.scalar)
    except (re.error, OverflowError, RecursionError) as error:
        reason = _reason(error)
        problems.add(node.line, f"not a regular expression ({reason})", node.written, "Mend the pattern.")


def check_css(node: Node, problems: ProblemList) -> None:
    """Add that a text is no CSS selector, if it is none: what the engine can't parse selects nothing."""
    if not isinstance(node.scalar, str):
        return
    # Here and not above: most plans select nothing, and this takes time to load.
    from selectolax.lexbor import LexborHTMLParser, SelectolaxError

    try:
        LexborHTMLParser("<p></p>").css(node.scalar)
    except (SelectolaxError, ValueError):
        remedy = "Write one such as form#book input[name=token]."
        problems.add(node.line, "not a CSS selector", node.written, remedy)


def _reason(error: Exception) -> str:
    """Return why a library refuses a pattern, on one line and without its internal names."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    try:
        reason = str(error).partition("\n")[0]
    except Exception:  # jsonpath's errors can't always point at their place, and fail in str()
        reason = ""
    return _TOKEN_NAME.sub(lambda name: name[1].lower().replace("_", " "), shorten(reason)).rstrip(".") or "malformed"
