"""Which variables a session surely has at a step, and which it may have.

A variable that is extracted under a condition, in one option of a choice or in a loop that may run no round is sure
only there. Every place in a journey has its guards (the condition that holds there, the option that was taken); every
extraction remembers the guards under which it happens; a variable is sure where all guards of one of its extractions
hold.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from seatrial.authoring.yaml_source import Node

__all__ = ["Feeds", "Guard", "Scope", "guards_of"]

#: Columns of each feed by its variable; None where the file could not be read.
Feeds = Mapping[str, tuple[str, ...] | None]
Guard = Hashable


class Scope:
    """The variables of one journey or phase, while its steps are gone through in order.

    Args:
        feeds: Variables that hold rows.
        texts: Variables that hold made-up texts.
        given: What set-up leaves behind; None without set-up.
    """

    def __init__(self, feeds: Feeds, texts: Iterable[str] = (), given: Scope | None = None) -> None:
        self.feeds = feeds
        self.texts = frozenset(texts)
        self.counters: list[str] = []
        self._members: dict[str, bool] = dict(given._members) if given else {}  # noqa: SLF001 -- of its own class
        self._ways: dict[str, list[frozenset[Guard]]] = {}
        for name, ways in given._ways.items() if given else ():  # noqa: SLF001 -- the same
            self._ways[name] = list(ways)
        for name in self.texts:
            self._ways[name], self._members[name] = [frozenset()], False
        self._here: frozenset[Guard] = frozenset()

    @contextmanager
    def under(self, guards: Iterable[Guard]) -> Iterator[None]:
        """Go through steps that are taken only where ``guards`` hold too."""
        before, self._here = self._here, self._here.union(guards)
        try:
            yield
        finally:
            self._here = before

    def extract(self, name: str, *, members: bool, doubts: Iterable[Guard] = ()) -> None:
        """Note that a variable gets a value here.

        Args:
            name: Of the variable.
            members: Whether the value may be a JSON object, whose members ``${name.member}`` takes.
            doubts: Why it may get none.
        """
        self._members[name] = members or self._members.get(name, False)
        self._ways.setdefault(name, []).append(self._here.union(doubts))

    def announce(self, name: str) -> None:
        """Note that a later step of this round gives the variable a value: it may have one from the round before."""
        self._ways.setdefault(name, [])
        self._members[name] = True

    def join(self, branches: Sequence[frozenset[Guard]]) -> None:
        """Note that one of ``branches``, each with its guards, was taken: what is sure in all of them is sure now."""
        for ways in self._ways.values():
            if all(any(way <= self._here | branch for way in ways) for branch in branches):
                ways.append(self._here)

    def is_known(self, name: str) -> bool:
        """Return whether an earlier step may have given the variable a value."""
        return name in self.feeds or name in self._ways

    def is_sure(self, name: str) -> bool:
        """Return whether every session that comes here has the variable."""
        if name in self.feeds or ("has", name) in self._here:
            return True
        return any(way <= self._here for way in self._ways.get(name, ()))

    def has_members(self, name: str) -> bool:
        """Return whether a known variable may be a JSON object."""
        return self._members.get(name, False)

    @property
    def names(self) -> list[str]:
        """Return every variable that is known so far."""
        return [*self.feeds, *self._ways]


def guards_of(condition: Node) -> tuple[frozenset[Guard], frozenset[Guard]]:
    """Return the guards that hold where a condition is fulfilled, and those where it is not."""
    written: Any = condition.plain()
    parts = {"value": written} if not isinstance(written, dict) else dict(written)
    negated = parts.pop("not", False) is True
    same: Guard = ("if", json.dumps(parts, sort_keys=True))
    # A variable without a value fulfils no comparison.
    fulfilled: frozenset[Guard] = frozenset({(same, True), ("has", str(parts.get("value")))})
    unfulfilled: frozenset[Guard] = frozenset({(same, False)})
    return (unfulfilled, fulfilled) if negated else (fulfilled, unfulfilled)
