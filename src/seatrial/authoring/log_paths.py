"""Paths of a log as templates: ``/sessions/123`` becomes ``/sessions/{id}``, and nothing personal stays.

A segment keeps its own letters only where it looks like a word (or ``v2``), where no more than a hundred such words
stand in its place, and where at least five different clients asked for it. Anything else is ``{id}``: numbers, tokens,
names of people, what an attacker made up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = ["ID", "LEAST_CLIENTS", "Paths", "Template", "is_asset", "written"]

ID = "{id}"
LEAST_CLIENTS = 5
Template: TypeAlias = tuple[str, ...]

_MOST_WORDS = 100
_MOST_DEPTH = 10
_MOST_NODES = 20_000
_WORD = re.compile(r"[A-Za-z][A-Za-z_.\-]{0,29}|v\d{1,2}", re.ASCII)
_ASSET = re.compile(
    r"\.(?:css|js|mjs|map|png|jpe?g|gif|svg|ico|webp|avif|woff2?|ttf|eot|otf|mp4|webm|webmanifest)$", re.I
)


def is_asset(path: str) -> bool:
    """Return whether a path is that of a style, script, picture, font or film, which a page brings along."""
    return _ASSET.search(path) is not None


def written(template: Template) -> str:
    """Return a template as text: ``/sessions/{id}``; ``/`` for the root."""
    return "/" + "/".join(template)


@dataclass(slots=True)
class _Node:
    below: dict[str, _Node] = field(default_factory=dict)
    clients: set[bytes] = field(default_factory=set)
    words: int = 0  # below it


class Paths:
    """Learns which segments are words while paths come in, in bounded memory.

    Args:
        least_clients: Fewest clients that must have asked for a word before it is shown.
    """

    def __init__(self, least_clients: int = LEAST_CLIENTS) -> None:
        self._least = least_clients
        self._root, self._nodes = _Node(), 1

    def note(self, path: str, client: bytes) -> Template:
        """Return what is known of a path so far: its words, and ``{id}`` for what can be none. Not to be shown."""
        node, found = self._root, []
        for segment in path.split("/")[1 : _MOST_DEPTH + 1]:
            key = segment if segment in ("", ID) or _WORD.fullmatch(segment) else ID
            below = node.below.get(key)
            if below is None:
                if self._nodes >= _MOST_NODES:
                    key = ID
                    below = node.below.get(key) or _Node()
                else:
                    self._nodes += 1
                    below = _Node()
                node.below[key] = below
                node.words += key not in ("", ID)
            node = below
            if len(node.clients) < self._least:
                node.clients.add(client)
            found.append(key)
        return tuple(found)

    def shown(self, noted: Template) -> Template:
        """Return a template that may be shown, of one that :meth:`note` returned."""
        node, found = self._root, []
        for key in noted:
            crowded = node.words > _MOST_WORDS
            node = node.below[key]
            is_word = key not in ("", ID) and not crowded and len(node.clients) >= self._least
            found.append(key if is_word or key == "" else ID)
        while len(found) > 1 and found[-1] == "":
            found.pop()  # with and without its last slash it is one page
        return tuple(found)
