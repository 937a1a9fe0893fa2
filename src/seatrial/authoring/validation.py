"""From a tree of values with their lines to a model, with every problem at its line."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from seatrial.authoring.problems import ProblemList
from seatrial.authoring.sentences import NOUNS, translate
from seatrial.authoring.yaml_source import Node
from seatrial.model.answer import Check, Extract, Size
from seatrial.model.forecast import (
    Bots,
    BusiestMinute,
    Case,
    Forecast,
    JourneyTime,
    OpeningPart,
    OpeningRush,
    People,
    PerPerson,
    ShareOf,
    Times,
)
from seatrial.model.journey import Feed, Journey
from seatrial.model.kinds import Fault, Overload, RecoveryTrial, SoakTrial, SpikeTrial
from seatrial.model.phase import Phase
from seatrial.model.plan import Deadlines, Demand, Plan, StopRules, Tls
from seatrial.model.policy import Acceptance, Policy, Required, Validity
from seatrial.model.request import Auth, Basic, Condition, FilePart, RequestStep, Retry
from seatrial.model.scalability import ScalabilityTrial
from seatrial.model.scalability import Size as UnitSize
from seatrial.model.selection import DossierItem, Factor, Override, Selection, Words
from seatrial.model.shape import Burst, Curve, HeldLevel, Shape, Sine, Spike
from seatrial.model.steps import ChooseStep, GroupStep, Option, PauseStep, RepeatStep, ThinkTime
from seatrial.model.telemetry import Series, Source, Telemetry
from seatrial.model.trial import LoadTrial, StressTrial

__all__ = ["PARTS", "did_you_mean", "part", "validate"]

Path = tuple[str | int, ...]
T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

_ADAPTERS: dict[int, TypeAdapter[Any]] = {}
_MOST_NAMES = 200

#: Where each part of a document stands; ``*`` is any key or index, a word after ``steps/*`` or ``trials/*`` its tag,
#: and so are ``FilePart`` and ``ThinkTime``, which say what an author wrote in place of a text.
#: Steps within steps, of set-up and of tear-down stand where a journey's own do.
PARTS: dict[str, type[BaseModel]] = {
    "Plan": Plan,
    "Plan/demand": Demand,
    "Plan/deadlines": Deadlines,
    "Plan/tls": Tls,
    "Plan/journeys/*": Journey,
    "Plan/journeys/*/feed/*": Feed,
    "Plan/journeys/*/steps/*/request": RequestStep,
    "Plan/journeys/*/auth": Auth,
    "Plan/journeys/*/auth/basic": Basic,
    "Plan/journeys/*/steps/*/request/auth": Auth,
    "Plan/journeys/*/steps/*/request/auth/basic": Basic,
    "Plan/journeys/*/steps/*/request/multipart/*/FilePart": FilePart,
    "Plan/journeys/*/steps/*/request/when": Condition,
    "Plan/journeys/*/steps/*/request/retry": Retry,
    "Plan/journeys/*/steps/*/request/expect": Check,
    "Plan/journeys/*/steps/*/request/expect/size": Size,
    "Plan/journeys/*/steps/*/request/extract/*": Extract,
    "Plan/journeys/*/steps/*/pause": PauseStep,
    "Plan/journeys/*/steps/*/pause/pause/ThinkTime": ThinkTime,
    "Plan/journeys/*/steps/*/group": GroupStep,
    "Plan/journeys/*/steps/*/group/when": Condition,
    "Plan/journeys/*/steps/*/repeat": RepeatStep,
    "Plan/journeys/*/steps/*/repeat/while": Condition,
    "Plan/journeys/*/steps/*/choose": ChooseStep,
    "Plan/journeys/*/steps/*/choose/choose/*": Option,
    "Plan/set_up": Phase,
    "Plan/tear_down": Phase,
    "Plan/set_up/auth": Auth,
    "Plan/tear_down/auth": Auth,
    "Plan/stop": StopRules,
    "Plan/telemetry": Telemetry,
    "Plan/telemetry/sources/*": Source,
    "Plan/telemetry/sources/*/series/*": Series,
    "Plan/trials/*/load": LoadTrial,
    "Plan/trials/*/load/think/ThinkTime": ThinkTime,
    "Plan/trials/*/load/shape": Shape,
    "Plan/trials/*/load/shape/steps/*": HeldLevel,
    "Plan/trials/*/load/shape/spike": Spike,
    "Plan/trials/*/load/shape/sine": Sine,
    "Plan/trials/*/load/shape/curve": Curve,
    "Plan/trials/*/load/shape/burst": Burst,
    "Plan/trials/*/stress": StressTrial,
    "Plan/trials/*/spike": SpikeTrial,
    "Plan/trials/*/soak": SoakTrial,
    "Plan/trials/*/recovery": RecoveryTrial,
    "Plan/trials/*/recovery/overload": Overload,
    "Plan/trials/*/recovery/fault": Fault,
    "Plan/trials/*/recovery/fault/begin": Phase,
    "Plan/trials/*/recovery/fault/begin/auth": Auth,
    "Plan/trials/*/recovery/fault/end": Phase,
    "Plan/trials/*/recovery/fault/end/auth": Auth,
    "Plan/trials/*/scalability": ScalabilityTrial,
    "Plan/trials/*/scalability/sizes/*": UnitSize,
    "Plan/trials/*/scalability/sizes/*/set": Phase,
    "Plan/trials/*/scalability/sizes/*/set/auth": Auth,
    "Policy": Policy,
    "Policy/validity": Validity,
    "Policy/acceptance": Acceptance,
    "Policy/acceptance/mandatory/*": Required,
    "Policy/selection": Selection,
    "Policy/selection/factors/*": Factor,
    "Policy/selection/factors/*/title": Words,
    "Policy/selection/factors/*/levels/*": Words,
    "Policy/selection/overrides/*": Override,
    "Policy/dossier/*": DossierItem,
    "Policy/dossier/*/title": Words,
    "Forecast": Forecast,
    "Forecast/people": People,
    "Forecast/growth": Times,
    "Forecast/coming": ShareOf,
    "Forecast/peak_hour": ShareOf,
    "Forecast/rush": OpeningRush,
    "Forecast/rush/first/*": OpeningPart,
    "Forecast/busiest_minute": BusiestMinute,
    "Forecast/retries": PerPerson,
    "Forecast/bots": Bots,
    "Forecast/journeys/*": JourneyTime,
    "Forecast/cases/*": Case,
    "Forecast/cases/*/*": Times,
}


def validate(model: type[M], node: Node, problems: ProblemList) -> M | None:
    """Return the model that ``node`` holds, or None with every reason in ``problems``.

    Values are taken strictly: no text for a number, no number for text, no 1 for true.
    """
    try:
        return model.model_validate_json(json.dumps(node.plain()), strict=True)
    except ValidationError as error:
        grouped: dict[Path, list[dict[str, Any]]] = {}
        for found in error.errors(include_url=False):
            place = found["loc"][:-1] if _is_union_branch(found["loc"], str(found["type"])) else found["loc"]
            grouped.setdefault(place, []).append(dict(found))
        for place, errors in grouped.items():
            if problems.is_full:
                break
            _report(model, node, place, errors, problems)
        return None


def part(wanted: type[T] | Any, node: Node | None) -> T | None:
    """Return one part of a document on its own; None when it is missing or wrong (:func:`validate` says why)."""
    if node is None:
        return None
    try:
        # Keyed by identity, because not every type can be hashed; the adapter keeps its type alive.
        adapter = _ADAPTERS.get(id(wanted))
        if adapter is None:
            adapter = _ADAPTERS[id(wanted)] = TypeAdapter(wanted)
        found: T = adapter.validate_json(json.dumps(node.plain()), strict=True)
    except ValidationError:
        return None
    return found


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """Return a remedy that names the nearest of ``known``, or all of them when none is near."""
    names = list(islice(known, _MOST_NAMES))
    near = difflib.get_close_matches(wrong[:80], names, n=1)
    if near:
        return f"Did you mean {near[0]}?"
    return f"Known here: {', '.join(names[:40])}." if names else "There is none here."


def _is_union_branch(place: Path, kind: str) -> bool:
    return bool(place) and place[-1] in ("str", "int", "float", "bool") and kind in NOUNS


def _untagged(root: Node, place: Path) -> Path:
    """Return a place without pydantic's tags.

    They come after a step's or a trial's index, and after a value that may be written in several forms.
    """
    if place[:1] == ("trials",):
        place = place[:2] + place[3:]
    kept: list[str | int] = []
    for at, element in enumerate(place):
        # A key may have the name of a form: it is a key where there is such a key.
        if _is_tag(place[:at], element) or (element in _FORMS and root.get(*kept, element) is None):
            continue
        kept.append(element)
    return tuple(kept)


_TAGS = ("request", "pause", "group", "repeat", "choose")
_FORMS = ("FilePart", "text", "ThinkTime", "duration", "times", "smallest_largest")


def _is_tag(before: Sequence[str | int], element: str | int) -> bool:
    if len(before) < 3 or before[0] not in ("journeys", "set_up", "tear_down", "trials"):
        return False
    return before[-2] in ("steps", "otherwise") and isinstance(before[-1], int) and element in _TAGS


def _of_outermost(place: Path) -> Path:
    """Return the place that a part of a step within steps would have in a journey's own."""
    tags = [at for at in range(len(place)) if _is_tag(place[:at], place[at])]
    return ("journeys", "*", "steps", "*", *place[tags[-1] :]) if tags else place


def _model_at(model: type[BaseModel], place: Path) -> type[BaseModel] | None:
    place = _of_outermost(place)
    for pattern, found in PARTS.items():
        wanted = pattern.split("/")
        fits = wanted[0] == model.__name__ and len(wanted) == len(place) + 1
        if fits and all(a in ("*", b) for a, b in zip(wanted[1:], place, strict=True)):
            return found
    return None


def _nearest(root: Node, place: Path) -> Node:
    """Return the value at ``place``, or the last one on the way there."""
    node = root
    for element in place:
        below = node.get(element)
        if below is None:
            break
        node = below
    return node


def _report(
    model: type[BaseModel], root: Node, tagged: Path, errors: list[dict[str, Any]], problems: ProblemList
) -> None:
    error = errors[0]
    kind, context = str(error["type"]), error.get("ctx", {})
    place = _untagged(root, tagged)
    of_key = place[-1:] == ("[key]",)
    place = place[:-1] if of_key else place
    parent = root.get(*place[:-1]) if place else None
    key = str(place[-1]) if place else ""
    if kind == "missing":
        line = parent.line if parent else 1
        if isinstance(place[-1], int):  # a pair of which only the first is there
            problems.add(line, "a list of too few values", parent.written if parent else None, "Write two values.")
        else:
            problems.add(line, f"{key} is missing", None, f"Add {key}.")
        return
    if kind == "extra_forbidden":
        owner = _model_at(model, tagged[:-1])
        known = [f.alias or name for name, f in owner.model_fields.items() if not f.exclude] if owner else []
        line = parent.line_of(key) if parent else 1
        problems.add(line, "an unknown key", key, did_you_mean(key, known))
        return
    if kind == "union_tag_invalid":
        place = (*place, "kind")
    at = _nearest(root, (*place, *context.get("at", ())))
    if kind == "too_short" and len(at.items) + len(at.entries) >= context["min_length"]:
        return  # every one of them is wrong, which is said of each
    what, remedy = translate(tuple(str(e["type"]) for e in errors), context)
    if place and kind not in ("value_error", "rule", "union_tag_not_found"):
        where = next((str(e) for e in reversed(place) if isinstance(e, str)), "")
        what = f"{where} is {what}"
    problems.add(at.line, what, key if of_key else at.written or None, remedy)
