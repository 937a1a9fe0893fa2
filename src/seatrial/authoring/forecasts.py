"""Forecasts: read from YAML with every problem at its line, held against a plan's P, and written for a plan."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path

from seatrial.authoring.problems import ProblemList, shorten, split_message
from seatrial.authoring.validation import did_you_mean, part, validate
from seatrial.authoring.yaml_source import Node, UnreadableError, read_source, read_yaml
from seatrial.errors import PlanError, Problem
from seatrial.model.demand import Derivation, derive
from seatrial.model.forecast import HIGH, Forecast
from seatrial.model.plan import Demand
from seatrial.units import SECOND, write_duration, write_number, write_rate

__all__ = [
    "LoadedForecast",
    "check_forecast",
    "curve_csv",
    "demand_block",
    "disagreement",
    "forecast_of",
    "load_forecast",
    "read_forecast",
]

_SAME = 1e-9


@dataclass(frozen=True, slots=True)
class LoadedForecast:
    """A forecast without any known fault.

    Attributes:
        forecast: The forecast.
        source: The bytes that were read.
        digest: SHA-256 of ``source``, hexadecimal.
        name: Of the file, without its folder.
    """

    forecast: Forecast
    source: bytes
    digest: str
    name: str


def load_forecast(path: Path) -> LoadedForecast:
    """Return the forecast in a YAML file.

    Raises:
        PlanError: with every problem found, in the order of the forecast's lines.
    """
    problems = ProblemList(str(path))
    try:
        source = read_source(path, problems)
    except UnreadableError as error:
        raise PlanError(problems.in_order()) from error
    return read_forecast(source, str(path), path.name)


def read_forecast(source: bytes, where: str, name: str = "forecast.yaml") -> LoadedForecast:
    """Return the forecast in ``source``.

    Args:
        source: YAML.
        where: What problems call it.
        name: The file's own name.

    Raises:
        PlanError: with every problem found, in the order of the forecast's lines.
    """
    problems = ProblemList(where)
    try:
        root = read_yaml(source, problems)
    except UnreadableError as error:
        raise PlanError(problems.in_order()) from error
    forecast = validate(Forecast, root, problems)
    for case in forecast.case_names() if forecast is not None else ():
        try:
            derive(forecast, case)  # type: ignore[arg-type]
        except ValueError as error:
            what, remedy = split_message(str(error))
            problems.add(1, what, None, remedy)
    if forecast is None or len(problems):
        raise PlanError(problems.in_order())
    return LoadedForecast(forecast, source, hashlib.sha256(source).hexdigest(), name)


def forecast_of(demand: Demand, base: Path) -> LoadedForecast | None:
    """Return the forecast that a plan's demand names; None where it names none.

    Args:
        demand: Of the plan.
        base: The plan's folder; the file must lie in or below it.

    Raises:
        PlanError: the file can't be read, lies elsewhere, is no forecast, or its case is not the plan's P.
    """
    if demand.forecast is None:
        return None
    where = str(base / demand.forecast)
    try:
        inside = (base / demand.forecast).resolve().is_relative_to(base.resolve())
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: links in a circle
        remedy = "Put the file beside the plan."
        raise PlanError([Problem("no such name is possible", where, shorten(demand.forecast), remedy)]) from error
    if not inside:
        remedy = "Put the file beside the plan."
        raise PlanError([Problem("a forecast outside the plan's folder", where, shorten(demand.forecast), remedy)])
    loaded = load_forecast(base / demand.forecast)
    wrong = disagreement(demand, loaded.forecast)
    if wrong is not None:
        raise PlanError([Problem(wrong[0], where, wrong[1], wrong[2])])
    return loaded


def disagreement(demand: Demand, forecast: Forecast) -> tuple[str, str, str] | None:
    """Return (what, value, remedy) where a plan's P is not what its case of the forecast comes to; None where it is."""
    case = demand.case or HIGH
    if case not in forecast.case_names():
        return "the forecast has no such case", case, did_you_mean(case, forecast.case_names())
    peak = derive(forecast, case).peak
    if math.isclose(demand.peak, peak, rel_tol=_SAME):
        return None
    others = ", ".join(f"{name} {write_rate(derive(forecast, name).peak)}" for name in forecast.case_names())
    what = f"the plan's peak is not the forecast's {case} case, {write_rate(peak)}"
    return what, write_rate(demand.peak), f"Write peak: {write_rate(peak)}, or name another case: {others}."


def check_forecast(node: Node | None, base: Path, problems: ProblemList) -> None:
    """Add what is wrong with the forecast that ``demand`` names, at the line of the value to change."""
    demand: Demand | None = part(Demand, node)
    if node is None or demand is None:
        return
    try:
        forecast_of(demand, base)
    except PlanError as error:
        at = node.get("forecast") or node
        for problem in error.problems:
            if problem.where != str(base / (demand.forecast or "")):
                problems.add_elsewhere(at.line, problem)  # at a line of the forecast itself
                continue
            told = (node.get("peak") if "peak" in problem.what else node.get("case")) or at
            problems.add(told.line, problem.what, problem.value or at.written, problem.remedy)


def curve_csv(derivation: Derivation) -> str:
    """Return the curve of arrivals as CSV with the header ``time,rate``, as ``seatrial plan curve`` reads it."""
    rows = (f"{write_number(at / SECOND)},{write_number(rate)}\n" for at, rate in derivation.points)
    return "time,rate\n" + "".join(rows)


def demand_block(loaded: LoadedForecast, derivation: Derivation) -> str:
    """Return the demand and a load trial with the curve of arrivals, in YAML, to be pasted into a plan."""
    case = "" if derivation.case == HIGH else f", case: {derivation.case}"
    name = json.dumps(loaded.name, ensure_ascii=False)
    source = json.dumps(f"{shorten(loaded.name)}, sha256 {loaded.digest}", ensure_ascii=False)
    points = "".join(f"          - [{write_duration(at)}, {write_rate(rate)}]\n" for at, rate in derivation.points)
    return (
        f"demand: {{peak: {write_rate(derivation.peak)}, forecast: {name}{case}}}\n"
        "trials:\n"
        "  - kind: load\n"
        "    shape:\n"
        "      curve:\n"
        f"        source: {source}\n"
        "        scale: 1 P\n"
        "        points:\n"
        f"{points}"
        "    objectives: [p95 response time <= 2s, errors <= 0.1%, goodput >= 99% of offered]\n"
    )
