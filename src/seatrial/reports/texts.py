"""The catalogue of texts: everything that a report says, in English and Traditional Chinese, from ``texts.toml``.

Both languages of a text stand side by side in one file, so that a translator needs no Python and neither language
can be forgotten: a text without either is a defect that stops the import of this module's users.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from importlib import resources
from typing import Any, TypeAlias

from seatrial.model.reasons import Language

__all__ = ["LANGUAGES", "Say", "catalogue", "say_in", "text"]

LANGUAGES: tuple[Language, ...] = ("en", "zh-Hant")

Say: TypeAlias = Callable[..., str]
"""``say(key, **placeholders)``: a text in one language."""


@cache
def catalogue() -> dict[str, dict[str, str]]:
    """Return every text: dotted key to language to sentence.

    Raises:
        ValueError: a text lacks one of the languages, or has one more.
    """
    source = resources.files("seatrial.reports").joinpath("texts.toml").read_text(encoding="utf-8")
    return dict(_leaves(tomllib.loads(source), ""))


def _leaves(table: dict[str, Any], prefix: str) -> Iterator[tuple[str, dict[str, str]]]:
    for name, value in table.items():
        key = f"{prefix}.{name}" if prefix else name
        if all(isinstance(inner, dict) for inner in value.values()):
            yield from _leaves(value, key)
        elif set(value) != set(LANGUAGES):
            raise ValueError(f"the text {key} needs exactly the languages {', '.join(LANGUAGES)}: {sorted(value)}")
        else:
            yield key, value


def text(key: str, language: Language, **placeholders: str) -> str:
    """Return a text.

    Raises:
        KeyError: no such text, or a placeholder without its value.
    """
    return catalogue()[key][language].format_map(placeholders)


def say_in(language: Language) -> Say:
    """Return :func:`text` for one language."""

    def say(key: str, **placeholders: str) -> str:
        return text(key, language, **placeholders)

    return say
