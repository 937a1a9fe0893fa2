"""What the booking service raises on purpose.

SandboxError    a release file, a switch, or a data directory is not as it must be
Refusal         a citizen's request is answered with an error
"""

from __future__ import annotations

__all__ = ["Refusal", "SandboxError"]


class SandboxError(ValueError):
    """A release file, a switch or a data directory is wrong; the message shows the value and the remedy."""

    def __init__(self, what: str, *, value: object, remedy: str) -> None:
        self.what = what
        self.value = value
        self.remedy = remedy
        super().__init__(f"{what}: {value}. {remedy}")


class Refusal(Exception):
    """A request is answered with ``status`` and ``{"error": ..., "remedy": ...}``.

    Attributes:
        status: HTTP status, 400 to 599.
        body: The JSON object of the answer: ``error``, ``remedy`` and any further facts.
        headers: Further response headers.
    """

    def __init__(
        self, status: int, error: str, remedy: str, *, headers: dict[str, str] | None = None, **facts: object
    ) -> None:
        self.status = status
        self.body: dict[str, object] = {"error": error, "remedy": remedy, **facts}
        self.headers = headers or {}
        super().__init__(f"{status} {error}")
