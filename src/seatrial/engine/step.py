"""One request of a journey, compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.engine.answers import compile_check, compile_extract
from seatrial.engine.requests import Render
from seatrial.model.request import RequestStep, Retry

if TYPE_CHECKING:
    from seatrial.engine.page import PageLoader

__all__ = ["IDEMPOTENT", "CompiledStep"]

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""Methods that may be sent again when nobody knows whether they arrived (RFC 9110, 9.2.2)."""


class CompiledStep:
    """A request with everything that never changes worked out.

    Attributes:
        index: Of its records.
        ends: Whether a session ends when it fails.
        hops: How many redirects are followed.
        method: In upper case.
        page: Fetches the resources of its answer; None where they are not wanted.
        render: From a session's variables and cookies to the bytes of the request.
        retry: How impatient people are; None where they wait.
        special: Whether it needs more than to be sent and answered.
        wait_ns: Deadline for the whole answer.
    """

    __slots__ = (
        "check",
        "ends",
        "extracts",
        "hops",
        "index",
        "is_head",
        "method",
        "page",
        "render",
        "repeatable",
        "retry",
        "special",
        "wait_ns",
    )

    def __init__(self, index: int, step: RequestStep, render: Render, wait_ns: int, hops: int) -> None:
        self.index = index
        self.render = render
        self.wait_ns = wait_ns
        self.method = step.method
        self.is_head = step.method == "HEAD"
        self.repeatable = step.method in IDEMPOTENT
        self.check = compile_check(step.expect)
        self.extracts = [(name, compile_extract(e), e.optional) for name, e in step.extract.items()]
        self.hops = 0 if any(300 <= status < 400 for status in step.expect.status) else hops
        self.ends = step.on_failure == "end"
        self.retry: Retry | None = step.retry
        self.page: PageLoader | None = None
        self.special = step.resources or step.retry is not None or not self.ends
