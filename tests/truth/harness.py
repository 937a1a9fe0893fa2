"""Trials by the hundred on simulated services, each through the product's own judge, and how often it was wrong.

A case simulates one trial for each seed, 0, 1, 2, ..., and gives for each *question* one letter:

    P F I X     PASS, FAIL, INCONCLUSIVE, INVALID
    + -         yes, no: found or not, covered or not

The results keep the letters in the order of the seeds, so that anybody can repeat a single trial, and the tests
repeat the first ones. A :class:`Figure` is how often some letters came, against its target.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

from seatrial.stats.binomial import clopper_pearson

Letters: TypeAlias = dict[str, str]
"""Question to letter, of one simulated trial."""

PUBLISHED = 500
"""Fewest trials of a case that is published."""
FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.json"
PAGE = FOLDER.parents[1] / "docs" / "operating-characteristics.md"

_WORKERS, _CHUNK = 2, 10
_LIBRARIES = ("seatrial", "numpy", "scipy", "polars")


@dataclass(frozen=True)
class Figure:
    """How often a case's question was answered in some way, and how often it may or must be.

    Attributes:
        question: Whose letters are counted.
        letters: Which of them.
        what: What that means, for people.
        least: Target, a share of the trials; 0 where there is none.
        most: Likewise; 1 where there is none.
        why: Why a target is missed, where it is.
    """

    question: str
    letters: str
    what: str
    least: float = 0.0
    most: float = 1.0
    why: str = ""

    @property
    def target(self) -> str:
        """Return the target for people; empty where there is none."""
        if self.least and self.most < 1:
            return f"{self.least:.0%} to {self.most:.0%}"
        return f"≥ {self.least:.0%}" if self.least else f"≤ {self.most:.0%}" if self.most < 1 else ""

    def count(self, letters: str) -> Count:
        """Return the figure over a question's letters."""
        return Count(sum(letter in self.letters for letter in letters), len(letters))

    def plausible(self, letters: str) -> bool:
        """Return whether so few trials leave the target possible: its band meets their 99.9 % interval."""
        hits, trials = self.count(letters).hits, len(letters)
        low, high = clopper_pearson(hits, trials, 0.999)
        return low <= self.most and high >= self.least

    def met(self, letters: str) -> bool | None:
        """Return whether the observed share meets the target; None without a target."""
        return self.least <= self.count(letters).share <= self.most if self.target else None


@dataclass(frozen=True)
class Count:
    """So many of so many, with the exact 95 % interval of the share (Clopper and Pearson 1934)."""

    hits: int
    trials: int

    @property
    def share(self) -> float:
        return self.hits / self.trials

    @property
    def interval(self) -> tuple[float, float]:
        return clopper_pearson(self.hits, self.trials, 0.95)


@dataclass(frozen=True)
class Case:
    """One simulated service under one plan.

    Attributes:
        name: Short, unique, as in ``make truth ONLY=mm1``.
        group: Heading under which it stands.
        service: The service, and what its true answer is.
        plan: The trial that is made of it.
        trial: From a seed to the letters of one trial.
        figures: What is counted.
        quick: How many trials the normal test run repeats.
    """

    name: str
    group: str
    service: str
    plan: str
    trial: Callable[[int], Letters]
    figures: tuple[Figure, ...]
    quick: int = 4


def run(case: Case, seeds: Sequence[int]) -> Letters:
    """Return each question's letters over these seeds, in their order."""
    each = [case.trial(seed) for seed in seeds]
    return {question: "".join(letters[question] for letters in each) for question in each[0]}


def run_all(cases: Sequence[Case], trials: int, told: Callable[[str], None]) -> Iterator[tuple[Case, Letters]]:
    """Yield each case with its letters over seeds 0 to ``trials``, worked out by two processes."""
    os.environ["POLARS_MAX_THREADS"] = "1"  # for the processes to come: two of them on two cores
    with ProcessPoolExecutor(_WORKERS, multiprocessing.get_context("spawn")) as pool:
        for case in cases:
            told(case.name)
            chunks = [range(first, min(first + _CHUNK, trials)) for first in range(0, trials, _CHUNK)]
            parts = list(pool.map(_run_named, [case.name] * len(chunks), chunks))
            yield case, {question: "".join(part[question] for part in parts) for question in parts[0]}


def _run_named(name: str, seeds: range) -> Letters:
    from tests.truth.cases import CASES

    return run(CASES[name], seeds)


def made_with() -> dict[str, str]:
    """Return the versions that a result may depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in _LIBRARIES}


def read_results(path: Path = RESULTS) -> dict[str, Any]:
    """Return the results that are kept: case name to ``letters`` and ``with``."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def write_results(results: dict[str, Any], path: Path = RESULTS) -> None:
    """Keep results, in the order of their names."""
    path.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
