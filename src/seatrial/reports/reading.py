"""Reading the parts of a bundle for people: a part that is missing or unreadable is named, never passed over."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
from pydantic import ValidationError

from seatrial.errors import SeatrialError
from seatrial.model.forecast import Forecast
from seatrial.model.health import HEALTH_COLUMNS
from seatrial.model.journal import Event, read_journal
from seatrial.model.plan import Plan
from seatrial.model.policy import Policy
from seatrial.model.release import Release, parse_release
from seatrial.model.sample import COLUMNS, Outcome
from seatrial.model.telemetry import TELEMETRY_COLUMNS

__all__ = ["Diagnostic", "Missing", "Reader"]

T = TypeVar("T")

_RECORDS = tuple((name, form, never) for name, form, never in COLUMNS)
_HEALTH = tuple((name, form, False) for name, form in HEALTH_COLUMNS)
_TELEMETRY = tuple((name, form, name == "value") for name, form in TELEMETRY_COLUMNS)
_FORMS = {"<i1": pl.Int8, "i1": pl.Int8, "<i2": pl.Int16, "<i4": pl.Int32, "<i8": pl.Int64, "<f8": pl.Float64}


@dataclass(frozen=True, slots=True)
class Missing:
    """A part that the page would show and can't.

    Attributes:
        code: Key below ``missing.`` in the catalogue of texts.
        part: Path in the bundle, or the name of a trial.
        detail: What the reader of the part said; empty where the part is simply not there.
    """

    code: str
    part: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """What went wrong in detail, and how often. All text comes from the plan or the server: hostile."""

    journey: str
    step: str
    outcome: str
    detail: str
    count: int


@dataclass(slots=True)
class Reader:
    """Reads the parts of one bundle directory and keeps account of what is not there.

    Attributes:
        directory: An opened bundle.
        missing: What could not be shown so far, in the order in which it was asked for.
        digests: SHA-256 of each document that was read, by its path.
    """

    directory: Path
    missing: list[Missing] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)

    def _read(self, part: str, parse: Callable[[bytes], T], *, optional: bool = False) -> T | None:
        path = self.directory / part
        if not path.is_file():
            if not optional:
                self.missing.append(Missing("part", part))
            return None
        try:
            data = path.read_bytes()
            parsed = parse(data)
        except (OSError, ValueError, ValidationError, RecursionError, SeatrialError) as error:
            self.missing.append(Missing("unreadable", part, self._detail(error)))
            return None
        self.digests[part] = hashlib.sha256(data).hexdigest()
        return parsed

    def _detail(self, error: Exception) -> str:
        """Return the first line of an error without where the bundle happens to lie: the page must not depend on it."""
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        return line.replace(f"{self.directory}/", "")[:300]

    def plan(self) -> Plan | None:
        """Return the plan."""
        return self._read("plan.json", Plan.model_validate_json)

    def policy(self) -> Policy | None:
        """Return the policy in force."""
        return self._read("policy.json", Policy.model_validate_json)

    def forecast(self, plan: Plan | None) -> Forecast | None:
        """Return the forecast that the plan names; None where it names none."""
        named = plan is not None and plan.demand.forecast is not None
        return self._read("forecast.json", Forecast.model_validate_json) if named else None

    def release(self) -> Release | None:
        """Return what was tried; its absence is a fact of its own, because then no release is bound."""
        if not (self.directory / "release.json").is_file():
            self.missing.append(Missing("release", "release.json"))
            return None
        return self._read("release.json", parse_release)

    def environment(self) -> dict[str, Any]:
        """Return where it ran; empty when that is not known."""
        found = self._read("environment.json", json.loads)
        return found if isinstance(found, dict) else {}

    def journal(self) -> tuple[Event, ...]:
        """Return what happened, in order; empty when that is not known."""
        events = self._read("journal.jsonl", lambda _: read_journal(self.directory / "journal.jsonl"))
        if events is not None and not events:
            self.missing.append(Missing("empty", "journal.jsonl"))
        return events or ()

    def records(self, slug: str) -> pl.LazyFrame | None:
        """Return a trial's records, lazily; None when there are none or they can't be read."""
        part = f"records/{slug}"
        paths = sorted((self.directory / part).glob("part-*.parquet"))
        if not paths:
            self.missing.append(Missing("part", part))
            return None
        return self._frame(part, paths, _RECORDS)

    def health(self, slug: str) -> pl.DataFrame | None:
        """Return the generator's health during a trial, ordered by worker and time; None when it is not known."""
        part = f"health/{slug}.parquet"
        path = self.directory / part
        if not path.is_file():
            self.missing.append(Missing("part", part))
            return None
        lazy = self._frame(part, [path], _HEALTH)
        return None if lazy is None else lazy.sort("worker", "at_ns").collect()

    def telemetry(self, slug: str) -> pl.DataFrame | None:
        """Return readings of the service's own figures, by time; what is no finite number is null.

        None when they are not known.
        """
        part = f"telemetry/{slug}.parquet"
        path = self.directory / part
        if not path.is_file():
            self.missing.append(Missing("part", part))
            return None
        lazy = self._frame(part, [path], _TELEMETRY)
        finite = pl.when(pl.col("value").is_finite()).then(pl.col("value"))
        return None if lazy is None else lazy.with_columns(finite).sort("at_ns", maintain_order=True).collect()

    def _frame(self, part: str, paths: list[Path], columns: tuple[tuple[str, str, bool], ...]) -> pl.LazyFrame | None:
        try:
            lazy = pl.scan_parquet(paths, glob=False).select(
                pl.col(name).cast(_FORMS[form]) for name, form, _ in columns
            )
            # Every column is read once, so that a broken part is found here and not in the middle of the page.
            empty = lazy.select(pl.len().alias(" rows"), pl.all().null_count()).collect().row(0, named=True)
            rows = empty.pop(" rows")
            holes = [name for name, _, never in columns if empty[name] and not never]
            if holes:
                raise ValueError(f"values are missing in {', '.join(holes)}")
            if "outcome" in lazy.collect_schema():
                strange = lazy.filter(~pl.col("outcome").is_in([int(o) for o in Outcome])).select(pl.len())
                if count := strange.collect().item():
                    raise ValueError(f"{count} records have an outcome that is not known")
        except (OSError, ValueError, pl.exceptions.PolarsError) as error:
            self.missing.append(Missing("unreadable", part, self._detail(error)))
            return None
        if not rows:
            self.missing.append(Missing("empty", part))
            return None
        return lazy

    def diagnostics(self, slug: str) -> tuple[Diagnostic, ...]:
        """Return what went wrong in detail, most frequent first."""
        found = self._read(f"diagnostics/{slug}.jsonl", _diagnostics)
        return () if found is None else found


def _diagnostics(data: bytes) -> tuple[Diagnostic, ...]:
    found = []
    for number, line in enumerate(data.decode("utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        entry = json.loads(line)
        try:
            journey, step, outcome, detail = (str(entry[key]) for key in ("journey", "step", "outcome", "detail"))
            found.append(Diagnostic(journey, step, outcome, detail, int(entry["count"])))
        except (KeyError, TypeError) as error:
            raise ValueError(f"line {number} is not a diagnostic: {error}") from error
    return tuple(sorted(found, key=lambda d: (-d.count, d.journey, d.step, d.outcome, d.detail)))
