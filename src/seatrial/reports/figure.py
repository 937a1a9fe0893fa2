"""One figure of the page."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Figure"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the page.

    Attributes:
        identity: Unique in the page.
        title: What is shown.
        finding: What it shows, in a sentence; also the drawing's text alternative.
        note: How to read it; may be empty.
        svg: The drawings, safe to embed; empty when there is nothing to draw.
    """

    identity: str
    title: str
    finding: str
    note: str
    svg: str
