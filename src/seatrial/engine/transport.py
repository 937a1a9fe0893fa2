"""What carries a session's requests, where it is not the reactor's own HTTP/1.1.

A request exists as the bytes of HTTP/1.1 whatever carries it: steps, redirects and pages know one form alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from seatrial.engine.session import Session

__all__ = ["FOREVER", "Transport"]

FOREVER: Final = 2**63 - 1
"""An instant that never comes."""


class Transport(Protocol):
    """Carries exchanges for the sessions of one driver.

    What becomes of an exchange it tells the session, and only out of ``turn`` or an event of one of its sockets:
    ``on_sent`` when a connection stands and the request goes out on it, then ``on_response`` or ``on_broken`` once.
    """

    @property
    def connections(self) -> int:
        """Return the connections held, open or opening."""
        ...

    def turn(self, now: int) -> int:
        """Do what is due; the driver asks once in each of its turns.

        Returns:
            When it wants to be asked again at the latest, on the monotonic clock; ``FOREVER`` for never.
        """
        ...

    def submit(self, session: Session, data: bytes, is_head: bool) -> None:
        """Begin an exchange. Of the session it calls ``on_sent`` at most; a failure is told in the next turn.

        Args:
            session: Whose; it has no other one under way.
            data: The whole request, as HTTP/1.1.
            is_head: Whether its answer has no body.
        """
        ...

    def cancel(self, session: Session) -> int:
        """Forget the session's exchange.

        Returns:
            The bytes of its answer so far; NEVER if no connection stood yet, so that nothing was sent.
        """
        ...

    def leave(self, session: Session) -> None:
        """Close what is the session's own: it is over."""
        ...

    def close(self) -> None:
        """Give up every exchange and close every connection."""
        ...
