"""Where P comes from: every assumption of the forecast with its source, and what follows from them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from seatrial.model.demand import derive
from seatrial.model.demand_words import ShownLine, case_name, concurrency_note, show_line
from seatrial.model.forecast import HIGH
from seatrial.model.reasons import Language
from seatrial.reports.texts import Say
from seatrial.reports.view import ReportView
from seatrial.units import write_number

__all__ = ["ShownForecast", "shown_forecast"]


@dataclass(frozen=True, slots=True)
class ShownForecast:
    """The forecast in one language.

    Attributes:
        intro: Whose forecast, and which case of it.
        warning: That the plan's P is another; empty where it is not.
        lines: Assumptions and results, in order.
        note: What must be known beside the concurrency.
    """

    intro: str
    warning: str
    lines: tuple[ShownLine, ...]
    note: str


def shown_forecast(view: ReportView, language: Language, say: Say) -> ShownForecast | None:
    """Return the forecast that the plan names; None where it names none, or the bundle's can't be read.

    A case that the forecast lacks is shown as a warning above the figures of the high case.
    """
    if view.plan is None or view.forecast is None:
        return None
    demand, forecast = view.plan.demand, view.forecast
    case = demand.case or HIGH
    known = case in forecast.case_names()
    try:
        derived = derive(forecast, case if known else HIGH)
    except ValueError:
        return None
    agrees = known and math.isclose(derived.peak, demand.peak, rel_tol=1e-9)
    rates = {"plan": write_number(demand.peak), "forecast": write_number(derived.peak)}
    return ShownForecast(
        intro=say("demand.intro", title=forecast.title, case=case_name(derived.case, language)),
        warning="" if agrees else say("demand.other", **rates),
        lines=tuple(show_line(line, language) for line in derived.lines),
        note=concurrency_note(derived, language),
    )
