"""Steps as they are written: their kinds, the requests among them, and what results will call those."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.authoring.yaml_source import Node
from seatrial.model.journey import METHODS, RESOURCES

__all__ = ["requests_below", "step_labels", "steps_of", "texts_below"]


def steps_of(node: Node | None) -> Iterator[Node]:
    """Yield the steps of a list, those that are no mapping left out: the validation says what is wrong with them."""
    for step in node.items if node else ():
        if step.kind == "mapping":
            yield step


def requests_below(steps: Node | None) -> Iterator[Node]:
    """Yield every request of a list of steps in the order in which they are written, those within steps too."""
    for step in steps_of(steps):
        if "choose" in step.entries:
            for option in step.entries["choose"].items:
                yield from requests_below(option.get("steps"))
        elif "steps" in step.entries or "otherwise" in step.entries:
            yield from requests_below(step.get("steps"))
            yield from requests_below(step.get("otherwise"))
        else:
            yield step


def step_labels(journey: Node) -> tuple[tuple[str, int], ...]:
    """Return the name and line of each request of a journey as results will call them, those of resources too."""
    named = journey.get("step_names")
    if named is not None:
        return tuple((item.scalar, item.line) for item in named.items if isinstance(item.scalar, str))
    labels: list[tuple[str, int]] = []
    for step in requests_below(journey.get("steps")):
        found = _label(step)
        if found is None:
            continue
        labels.append(found)
        resources = step.get("resources")
        if resources is not None and resources.scalar is True:
            labels.append((found[0] + RESOURCES, found[1]))
    return tuple(labels)


def _label(step: Node) -> tuple[str, int] | None:
    name = step.get("name")
    if name is not None and isinstance(name.scalar, str):
        return name.scalar, name.line
    method = next((m for m in METHODS if m in step.entries), None)
    if method is not None and isinstance(path := step.entries[method].scalar, str):
        return f"{method.upper()} {path.partition('?')[0]}", step.line
    return None


def texts_below(node: Node | None) -> Iterator[Node]:
    """Yield every text below and including ``node``, keys left out."""
    if node is None:
        return
    if isinstance(node.scalar, str):
        yield node
    for inner in (*node.items, *node.entries.values()):
        yield from texts_below(inner)
