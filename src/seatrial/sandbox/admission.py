"""Who is let in, and how much is worked on at a time.

Release A has a :class:`Workplace` of one, with an endless queue, and no waiting room. Release B has a workplace of
sixteen with a short queue, and a :class:`WaitingRoom` that keeps a place for each visit inside, so that the
people who were let in can finish while newcomers are asked to come back.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from seatrial.sandbox.problems import Refusal
from seatrial.sandbox.release import WaitingRoomRules

__all__ = ["WaitingRoom", "Workplace", "full"]


def full(retry_after_s: int) -> Refusal:
    """Return the prompt, clear refusal of a service that has no room: 503 with Retry-After."""
    return Refusal(
        503,
        "the service is full: everyone who was let in is still being served",
        f"Try again in {retry_after_s} seconds. Courts that nobody has booked stay on offer.",
        headers={"retry-after": str(retry_after_s)},
        retry_after_s=retry_after_s,
    )


class Workplace:
    """A bounded number of requests worked on at one time, each for a time that does not depend on the machine.

    Args:
        parallel: Gives the requests worked on at one time, as it is now; 1 is a serial section.
        rules: Bounds of the queue, or None for an endless one.
        clock: Monotonic seconds.
    """

    def __init__(
        self, parallel: Callable[[], int], rules: WaitingRoomRules | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._parallel = parallel
        self._rules = rules
        self._clock = clock
        self._working = 0
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many requests are in the queue."""
        return len(self._queue)

    @asynccontextmanager
    async def section(self, *, newcomer: bool) -> AsyncIterator[float]:
        """Enter when a desk is free, in order of arrival; gives the seconds that were waited for it.

        Raises:
            Refusal: 503, at once, when the queue is full; for newcomers it is full sooner.
        """
        rules, came_s = self._rules, self._clock()
        self._call()  # there may be more desks now
        if self._working >= self._parallel():
            if rules and self.waiting >= (rules.newcomers if newcomer else rules.queue):
                raise full(rules.retry_after_s)
            await self._turn()
        else:
            self._working += 1
        try:
            yield self._clock() - came_s
        finally:
            self._working -= 1
            self._call()

    async def _turn(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # a desk was given to someone who is gone
                self._working -= 1
                self._call()
            elif turn in self._queue:
                self._queue.remove(turn)
            raise

    def _call(self) -> None:
        """Give free desks to those who wait."""
        while self._queue and self._working < self._parallel():
            turn = self._queue.popleft()
            if not turn.cancelled():
                self._working += 1
                turn.set_result(None)


class WaitingRoom:
    """Places inside, one for each visit; a place is free again after a booking or a while without a request.

    Args:
        rules: How many places there are and how long an idle one is kept; None admits everyone.
        clock: Monotonic seconds.
    """

    def __init__(self, rules: WaitingRoomRules | None, clock: Callable[[], float]) -> None:
        self._rules = rules
        self._clock = clock
        self._last_seen: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._last_seen)

    def enter(self, token: str) -> None:
        """Keep or take a place for this visit.

        Raises:
            Refusal: 503, when the visit has no place and none is free.
        """
        if self._rules is None:
            return
        places, now_s = self._last_seen, self._clock()
        # Oldest first: each entry moves to the end when it is seen, so the idle ones are at the front.
        while places and next(iter(places.values())) + self._rules.place_s <= now_s:
            places.popitem(last=False)
        if token not in places and len(places) >= self._rules.places:
            raise full(self._rules.retry_after_s)
        places[token] = now_s
        places.move_to_end(token)

    def leave(self, token: str) -> None:
        """Give the visit's place back; a visit without a place is no error."""
        self._last_seen.pop(token, None)
