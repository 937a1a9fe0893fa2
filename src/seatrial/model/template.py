"""Templates: text in which ``${name}`` and ``${name.column}`` stand for a session's own values.

    ${token}        a value extracted from an earlier answer
    ${patron.id}    the column ``id`` of the row that the session drew from the feed ``patron``
    $${             a literal ${

A dollar sign that no brace follows is a dollar sign. Names are letters, digits and ``_``; a column is any text
without braces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Variable", "parse_template", "variables_in"]


@dataclass(frozen=True, slots=True)
class Variable:
    """A place in a template.

    Attributes:
        name: Of an extracted value or of a feed.
        field: The feed's column; None for an extracted value.
    """

    name: str
    field: str | None = None

    def __str__(self) -> str:
        return f"${{{self.name}}}" if self.field is None else f"${{{self.name}.{self.field}}}"


_OPENING = re.compile(r"\$?\$\{")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
_REMEDY = "write ${name} or ${feed.column}, and $${ for a literal ${"


def parse_template(text: str) -> tuple[str | Variable, ...]:
    """Return the literal pieces and variables of ``text`` in order.

    Literal pieces are never empty and never adjacent, so text without variables gives one piece and empty text none.

    Raises:
        ValueError: a ``${`` without its ``}``, or what stands between them is not a name.
    """
    parts: list[str | Variable] = []
    literal, position = "", 0
    while (match := _OPENING.search(text, position)) is not None:
        literal += text[position : match.start()]
        position = match.end()
        if match[0] == "$${":
            literal += "${"
            continue
        end = text.find("}", position)
        if end < 0:
            raise ValueError(f"a ${{ without its }}; {_REMEDY}")
        if literal:
            parts.append(literal)
        parts.append(_variable(text[position:end]))
        literal, position = "", end + 1
    literal += text[position:]
    return (*parts, literal) if literal else tuple(parts)


def _variable(inside: str) -> Variable:
    name, dot, column = inside.partition(".")
    if not _NAME.fullmatch(name) or (dot and not column) or "{" in column or not (column.isprintable()):
        raise ValueError(f"${{{inside}}} is not a variable; {_REMEDY}")
    return Variable(name, column if dot else None)


def variables_in(value: object) -> Iterator[Variable]:
    """Yield every variable in a JSON-like value, in order: text, and the values of lists and dicts.

    Keys of a dict are not templates. Other values hold no variables.

    Raises:
        ValueError: some text is malformed, as :func:`parse_template` says.
    """
    if isinstance(value, str):
        yield from (part for part in parse_template(value) if isinstance(part, Variable))
    elif isinstance(value, dict):
        for inner in value.values():
            yield from variables_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from variables_in(inner)
