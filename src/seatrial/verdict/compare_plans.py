"""What two rounds were not asked alike: their plans and policies, key by key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from seatrial.model.comparison import PlanDifference
from seatrial.model.plan import plan_document
from seatrial.verdict.compare_levels import Round

__all__ = ["plan_differences"]

_MOST_CHARACTERS = 160
_MOST = 50


def plan_differences(old: Round, new: Round) -> tuple[PlanDifference, ...]:
    """Return where the plans and policies differ, at most fifty places; trials are told apart by their names."""
    found = [*_differences("", _plan(old), _plan(new))]
    found += _differences("policy.", old.policy.as_document(), new.policy.as_document())
    return tuple(found[:_MOST])


def _plan(one: Round) -> dict[str, Any]:
    document = plan_document(one.plan)
    trials = dict(zip(one.plan.trial_names(), document.pop("trials"), strict=True))
    return {key: value for key, value in document.items() if key != "title"} | {"trials": trials}


def _differences(where: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[PlanDifference]:
    for key in dict.fromkeys([*old, *new]):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _differences(f"{where}{key}.", before, after)
        else:
            yield PlanDifference(where=f"{where}{key}", old=_brief(before), new=_brief(after))


def _brief(value: object) -> str:
    if value is None:
        return ""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…"
