"""Recomputing a verdict with nothing taken on trust: the plan too is read again as its author wrote it.

A verdict is computed from ``plan.json``. A tester who wanted softer limits than those that were agreed could write
them there and leave ``plan.yaml`` as everybody knows it, so both must be one plan, and the schedule must be keyed by
the digest of what was read.
"""

from __future__ import annotations

from pathlib import Path

from seatrial.authoring.forecasts import disagreement, read_forecast
from seatrial.authoring.yaml_plan import read_plan
from seatrial.errors import BundleError, PlanError
from seatrial.evidence.bundle import ENVIRONMENT, FORECAST, FORECAST_SOURCE, PLAN, plan_source, read_part
from seatrial.evidence.canonical import canonical_bytes, parse_json, sha256_hex
from seatrial.evidence.recompute import recompute, recompute_verdict
from seatrial.model.forecast import forecast_document
from seatrial.model.plan import Demand, plan_document
from seatrial.model.verdict import RunVerdict

__all__ = ["refuse_other_plan", "replay", "replay_bytes"]

_SOURCE = "Take the bundle from its source again, or have the trial run again."


def refuse_other_plan(folder: Path) -> None:
    """Check that a bundle's two forms of the plan are one plan, that its schedule and its forecast are this plan's.

    Raises:
        BundleError: they are not, or one of them can't be read.
    """
    name = plan_source(folder)
    source = read_part(folder, name)
    environment = parse_json(read_part(folder, ENVIRONMENT), ENVIRONMENT)
    stated = environment.get("plan_digest") if isinstance(environment, dict) else None
    if stated != sha256_hex(source):
        raise BundleError(
            f"{ENVIRONMENT} names another plan than {name}", value=f"plan_digest {stated}", remedy=_SOURCE
        )
    try:
        plan = read_plan(source, name)
    except PlanError as error:
        raise BundleError(f"{name} is not a plan", value=error.problems[0], remedy=_SOURCE) from error
    if canonical_bytes(plan_document(plan)) != read_part(folder, PLAN):
        raise BundleError(f"{PLAN} is not the plan that stands in {name}", remedy=_SOURCE)
    _refuse_other_forecast(folder, plan.demand)


def _refuse_other_forecast(folder: Path, demand: Demand) -> None:
    """Check that the forecast that a plan names is in the bundle, in both forms, and comes to the plan's P."""
    if demand.forecast is None:
        return
    source = read_part(folder, FORECAST_SOURCE)
    try:
        forecast = read_forecast(source, FORECAST_SOURCE).forecast
    except PlanError as error:
        raise BundleError(f"{FORECAST_SOURCE} is not a forecast", value=error.problems[0], remedy=_SOURCE) from error
    if canonical_bytes(forecast_document(forecast)) != read_part(folder, FORECAST):
        raise BundleError(f"{FORECAST} is not the forecast that stands in {FORECAST_SOURCE}", remedy=_SOURCE)
    if (wrong := disagreement(demand, forecast)) is not None:
        raise BundleError(wrong[0], value=wrong[1], remedy=_SOURCE)


def replay(folder: Path) -> RunVerdict:
    """Return the verdict that an opened bundle's records lead to, under the plan as it was written.

    Raises:
        BundleError: a document is missing or malformed, or the two forms of the plan are not one plan.
    """
    refuse_other_plan(folder)
    return recompute(folder)


def replay_bytes(folder: Path) -> bytes:
    """Return the canonical bytes of :func:`replay`'s verdict: what ``verdict.json`` must be."""
    refuse_other_plan(folder)
    return recompute_verdict(folder)
