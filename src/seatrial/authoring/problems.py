"""A list of everything wrong with one document, kept in the order of its lines."""

from __future__ import annotations

from seatrial.errors import Problem

__all__ = ["MOST_PROBLEMS", "ProblemList", "shorten", "split_message"]

MOST_PROBLEMS = 500
_LONGEST_VALUE = 80


class ProblemList:
    """Problems of one document.

    Args:
        name: What an editor calls the document; the ``file`` of ``file:line``.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._found: list[tuple[int, Problem]] = []
        self._known: set[Problem] = set()

    def add(self, line: int, what: str, value: str | None, remedy: str) -> None:
        """Add a problem that stands on ``line`` (from 1) of the document; 0 for the document as a whole."""
        where = f"{self.name}:{line}" if line else self.name
        shown = None if value is None else shorten(value)
        self.add_elsewhere(line, Problem(what, where, shown, remedy))

    def add_elsewhere(self, line: int, problem: Problem) -> None:
        """Add a problem of another file, which ``line`` of this document names."""
        if problem not in self._known and not self.is_full:
            self._known.add(problem)
            self._found.append((line, problem))

    @property
    def is_full(self) -> bool:
        """Return whether no more problems are listed. A check that is slow to describe its problems asks first."""
        return len(self._found) >= MOST_PROBLEMS

    def __len__(self) -> int:
        return len(self._found)

    def in_order(self) -> tuple[Problem, ...]:
        """Return all problems, by line; those of one line in the order in which they were found."""
        listed = tuple(problem for _, problem in sorted(self._found, key=lambda pair: pair[0]))
        more = Problem("there may be more problems than are listed", self.name, None, "Mend these first.")
        return (*listed, more) if self.is_full else listed


def shorten(text: str) -> str:
    """Return ``text`` on one line, without control characters, cut to 80 characters."""
    line = " ".join(text.split())
    line = "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in line)
    return line if len(line) <= _LONGEST_VALUE else line[: _LONGEST_VALUE - 1] + "…"


def split_message(message: str, remedy: str = "Write it as the documentation of plans shows") -> tuple[str, str]:
    """Return (what, remedy) of a house message ``what is wrong; what to write instead``.

    Args:
        message: Of a ValueError raised by the model.
        remedy: Used where the message has no second half.
    """
    what, _, advice = message.partition("; ")
    if not advice:
        what, _, advice = message.partition(". ")
    advice = (advice or remedy).strip().rstrip(".")
    return what.strip().rstrip("."), f"{advice[:1].upper()}{advice[1:]}."
