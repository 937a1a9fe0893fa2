"""One worker's users of a closed stage: each begins again when they are through, until the stage's end."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush, heappushpop
from typing import TYPE_CHECKING

from seatrial.engine.arrivals import Arrival
from seatrial.errors import EngineError
from seatrial.model.sample import SESSION_STRIDE

if TYPE_CHECKING:
    from seatrial.engine.session import Session
    from seatrial.engine.stage import StageOrder
    from seatrial.model.users import UserDraws

__all__ = ["UserArrivals"]


class UserArrivals:
    """The arrivals of a closed stage: the driver takes the earliest, and tells when a session is over.

    Args:
        order: The stage.
        draws: Its users, and what is drawn for them.
    """

    def __init__(self, order: StageOrder, draws: UserDraws) -> None:
        self._draws = draws
        self._users = draws.users
        self._start_ns = order.start_ns
        self._end_ns = order.start_ns + order.duration_ns
        self._workers = order.workers
        self._newcomer = order.worker
        self._waiting: list[tuple[int, int, Arrival]] = []
        self._began_ns: dict[int, int] = {}

    def __iter__(self) -> Iterator[Arrival]:
        return self

    def __next__(self) -> Arrival:
        """Take the earliest out; StopIteration where no user is known to be ready, which may change."""
        self._let_in()
        if not self._waiting:
            raise StopIteration
        return heappop(self._waiting)[2]

    def earliest(self, taken: Arrival | None) -> Arrival | None:
        """Return the earliest of ``taken`` and all others, in exchange for ``taken``; None where there is none."""
        if taken is None:
            return next(self, None)
        self._let_in()
        return heappushpop(self._waiting, (taken.at_ns, taken.session, taken))[2]

    def ended(self, session: Session, end_ns: int, turned_away: bool = False) -> None:
        """Take note that a user is through with an iteration.

        Args:
            session: Of the iteration.
            end_ns: When it was over.
            turned_away: Whether it was not even begun, because too many sessions were in progress.
        """
        iteration, user = divmod(session.number % SESSION_STRIDE, self._users.count)
        rest_ns = self._draws.rest_ns(user, iteration)
        next_ns = self._users.next_ns(self._began_ns[user], end_ns, rest_ns, turned_away)
        if next_ns < self._end_ns:
            self._add(user, iteration + 1, next_ns)

    def _let_in(self) -> None:
        """Add the next new user; users begin in the order of their numbers, so one is enough."""
        user = self._newcomer
        if user < self._users.count:
            begin_ns = self._start_ns + self._users.begins_ns(user)
            if not self._waiting or begin_ns <= self._waiting[0][0]:
                self._newcomer += self._workers
                self._add(user, 0, begin_ns)

    def _add(self, user: int, iteration: int, at_ns: int) -> None:
        number = iteration * self._users.count + user
        if number >= SESSION_STRIDE:
            raise EngineError(
                "more iterations than a stage can number",
                value=f"iteration {iteration:,} of user {user:,}",
                remedy="Hold the trial for a shorter time, or let the users rest.",
            )
        self._began_ns[user] = at_ns
        journey, seed = self._draws.journey(user, iteration), self._draws.seed(user, iteration)
        heappush(self._waiting, (at_ns, number, Arrival(number, journey, seed, at_ns, number)))
