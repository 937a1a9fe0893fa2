"""The sentences of a comparison: which, and with which figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from seatrial.model.comparison import Beside, ComparedFigure, ComparedPart
from seatrial.model.verdict import Bounded, Reason
from seatrial.stats.contrast import Smallest
from seatrial.units import format_duration, format_number, format_share

__all__ = [
    "beside_figure",
    "beside_reason",
    "effect_bounds",
    "effect_text",
    "figure_reason",
    "figure_text",
    "names",
    "not_worse",
    "p_text",
    "undecided_reasons",
]

_MOST_NAMED = 12


def names(found: Iterable[str]) -> dict[str, str]:
    """Return a list of names as a sentence's figure; of many the first, and how many more there are."""
    every = list(found)
    more = [f"… (+{len(every) - _MOST_NAMED})"] if len(every) > _MOST_NAMED else []
    return {"names": "; ".join([*every[:_MOST_NAMED], *more]) or "–"}


def figure_text(one: ComparedFigure, value: float | None) -> str:
    """Return a figure of one round for people."""
    if value is None:
        return "–"
    return format_share(value) if one.kind == "difference" else format_duration(value)


def effect_text(kind: str, value: float | None) -> str:
    """Return a change for people: a factor such as ``×1.21``, or percentage points such as ``+0.4``."""
    if value is None:
        return "∞"
    if kind == "ratio":
        return f"×{value:.3f}" if 0.1 <= value < 10 else f"×{format_number(value)}"
    return f"{100 * value:+.3f}".rstrip("0").rstrip(".")


def effect_bounds(one: ComparedFigure) -> str:
    """Return a change's interval for people: ``×1.10 – ×1.33``; a dash where nothing is known."""
    if one.effect.lower is None and one.effect.upper is None:
        return "–"
    return f"{effect_text(one.kind, one.effect.lower)} – {effect_text(one.kind, one.effect.upper)}"


def p_text(p_value: float) -> str:
    """Return a p value for people: two digits, and nothing below 0.0001."""
    return "< 0.0001" if p_value < 0.0001 else f"{p_value:.2g}"


def figure_reason(part: ComparedPart, one: ComparedFigure) -> Reason:
    """Return the sentence on a figure that got worse."""
    p = p_text(one.adjusted)
    params = _place(part, one) | {"p": p if p.startswith("<") else f"= {p}"}
    at = one.effect.estimate if one.effect.estimate is not None else one.effect.lower
    params["change"] = effect_text(one.kind, at)
    if one.kind == "ratio":
        return Reason(code="comparison.slower", params=params)
    return Reason(code="comparison.more_errors", params=params)


def beside_reason(one: Beside) -> Reason:
    """Return the sentence on a capacity, a recovery or a drift that got worse."""
    params = {"trial": one.trial, "name": one.name, "old": beside_figure(one, one.old)}
    params["new"] = beside_figure(one, one.new)
    if one.what == "capacity":
        return Reason(code="comparison.capacity_fell", params=params)
    if one.what == "recovery":
        return Reason(code="comparison.recovery_slower", params=params)
    return Reason(code="comparison.drift_grew", params=params)


def beside_figure(one: Beside, value: Bounded) -> str:
    """Return a capacity, a time or a drift with its interval for people: ``2 P (1.9 P – 2.1 P)``."""

    def text(figure: float | None) -> str:
        if figure is None:
            return "∞"
        if one.unit == "ns":
            return format_duration(figure)
        return format_share(figure) if one.unit == "share" else f"{format_number(figure)} {one.unit}"

    if value.lower is None and value.upper is None:
        return "–" if value.estimate is None else text(value.estimate)
    estimate = "" if value.estimate is None else f"{text(value.estimate)} "
    lower = "-∞" if value.lower is None else text(value.lower)
    return f"{estimate}({lower} – {text(value.upper)})"


def undecided_reasons(found: Sequence[tuple[ComparedPart, ComparedFigure]], smallest: Smallest) -> list[Reason]:
    """Return the sentences on what is not decided: what longer trials would decide, what no length, what has no bound.

    Each speaks of one figure and says how many there are: of the one that would take longest, or of the first.

    Args:
        found: Undecided figures, the worst first.
        smallest: What matters.
    """
    longer = sorted((pair for pair in found if pair[1].longer), key=lambda pair: -(pair[1].longer or 0))
    without = [pair for pair in found if not pair[1].longer]
    unbounded = [pair for pair in without if pair[1].effect.upper is None]
    close = [pair for pair in without if pair[1].effect.upper is not None]
    reasons = []
    if longer:
        times = {"times": format_number(longer[0][1].longer or 0)}
        reasons.append(Reason(code="comparison.longer", params=_first(longer, smallest) | times))
    if close:
        reasons.append(Reason(code="comparison.open", params=_first(close, smallest)))
    if unbounded:
        reasons.append(Reason(code="comparison.unbounded", params=_first(unbounded, smallest)))
    return reasons


def _first(found: Sequence[tuple[ComparedPart, ComparedFigure]], smallest: Smallest) -> dict[str, str]:
    part, one = found[0]
    return _place(part, one) | {"count": str(len(found)), "limit": _limit(one.kind, smallest)}


def not_worse(figures: int, smallest: Smallest) -> Reason:
    """Return the sentence on a comparison in which nothing got worse."""
    limit, points = _limit("ratio", smallest), _limit("difference", smallest)
    return Reason(code="comparison.not_worse", params={"count": str(figures), "limit": limit, "points": points})


def _limit(kind: str, smallest: Smallest) -> str:
    return f"×{smallest.ratio:g}" if kind == "ratio" else f"{100 * smallest.points:+g}"


def _place(part: ComparedPart, one: ComparedFigure) -> dict[str, str]:
    """Return the figures that say what is spoken of, and its interval."""
    params = {
        "trial": part.trial,
        "what": "errors" if one.kind == "difference" else "response_quantile",
        "percentile": one.what,
        "where": "all_steps" if part.step is None else "step_of_journey",
        "step": part.step or "",
        "journey": part.journey or "",
        "at": "one_level",
        "level": part.level,
        "old": figure_text(one, one.old),
        "new": figure_text(one, one.new),
        "range": "unknown",
    }
    lower, upper = one.effect.lower, one.effect.upper
    if lower is not None:
        params |= {"range": "open", "lower": effect_text(one.kind, lower)}
        if upper is not None:
            params |= {"range": "bounded", "upper": effect_text(one.kind, upper)}
    return params
