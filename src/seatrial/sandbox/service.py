"""What the service does for a citizen, apart from HTTP."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from seatrial.sandbox.admission import WaitingRoom, Workplace
from seatrial.sandbox.faults import Board
from seatrial.sandbox.problems import Refusal
from seatrial.sandbox.release import Release
from seatrial.sandbox.store import DAYS, Slot, Store

__all__ = ["OPENING_TIME", "Booking"]

OPENING_TIME = "07:00"

# libuv counts whole milliseconds from the start of its turn, so a sleep ends about 1 ms late (measured: 0.9 to 1.2).
_TIMER_LATE_S = 0.001
_LONG_WAIT_S = 0.3


@dataclass(frozen=True, slots=True)
class _Visit:
    patron: str
    ends: float


def _taken() -> Refusal:
    return Refusal(409, "this court has just been taken", "Pick another one from GET /sessions?day=N.")


class Booking:
    """The booking service of one release.

    Args:
        release: Its rules.
        store: Its database.
        board: Its switches.
    """

    def __init__(self, release: Release, store: Store, board: Board) -> None:
        self.release = release
        self._store = store
        self._board = board
        self._work = Workplace(self._desks, release.waiting_room)
        self._shared = asyncio.Lock()
        self._room = WaitingRoom(release.waiting_room, time.monotonic)
        self._visits: OrderedDict[str, _Visit] = OrderedDict()

    def check_open(self) -> None:
        """Refuse with 403 before the opening."""
        opens_in_s = self._board.opens_in_s()
        if opens_in_s > 0:
            raise Refusal(
                403,
                f"booking opens at {OPENING_TIME}",
                f"Come back in {opens_in_s:.1f} seconds.",
                opens_at=OPENING_TIME,
                opens_in_s=round(opens_in_s, 3),
            )

    def _patron(self, token: str) -> str:
        visit = self._visits.get(token)
        if visit is None or visit.ends <= time.monotonic():
            raise Refusal(401, "you are not signed in", "Sign in first: POST /sign-in.")
        self._room.enter(token)
        return visit.patron

    def _desks(self) -> int:
        return int(self._board.number("desks")) or self.release.parallel

    @asynccontextmanager
    async def _served(self, *, newcomer: bool = False) -> AsyncIterator[None]:
        """Wait for a desk, take the time that one request's work takes, and keep the desk for the rest.

        Raises:
            Refusal: 503 when there is no room, 500 when the database can't be reached.
        """
        async with self._work.section(newcomer=newcomer) as waited_s:
            board = self._board
            work_s = self.release.service_s + board.number("slow_growth") * self._store.booked / 1e6
            stays = board.number("sticky_overload")
            if stays and waited_s > _LONG_WAIT_S:
                work_s *= stays  # whether or not whoever waits is still there
            if shared_s := min(board.number("shared_ms") / 1000, work_s):
                async with self._shared:
                    await asyncio.sleep(shared_s - _TIMER_LATE_S)
            if work_s > shared_s:
                await asyncio.sleep(work_s - shared_s - _TIMER_LATE_S)
            if board.left_s("outage"):
                raise Refusal(500, "the database can't be reached", "Try again later.")
            yield

    async def sign_in(self, patron: str, pin: str) -> str:
        """Return a new token.

        Raises:
            Refusal: 401 for an unknown citizen or a wrong PIN, 503 when there is no room.
        """
        token = secrets.token_urlsafe(16)
        self._room.enter(token)
        try:
            async with self._served(newcomer=True):
                known = self._store.knows(patron, pin)
            if not known:
                raise Refusal(401, "the patron number or the PIN is wrong", "Check both and sign in again.")
        except BaseException:
            self._room.leave(token)
            raise
        now_s = time.monotonic()
        while self._visits and next(iter(self._visits.values())).ends <= now_s:
            self._visits.popitem(last=False)
        self._visits[token] = _Visit(patron, now_s + self.release.visit_s)
        return token

    async def sessions(self, token: str, day: int) -> list[Slot]:
        """Return free court hours of a day, 1 to 7.

        Raises:
            Refusal: 401 without a visit, 400 for a day out of range, 503 when there is no room.
        """
        patron = self._patron(token)
        if not 1 <= day <= DAYS:
            raise Refusal(400, f"there is no day {day}", f"Use a day from 1 to {DAYS}.")
        async with self._served():
            return self._store.free(day, patron, time.time())

    async def hold(self, token: str, slot: int) -> int:
        """Hold a court hour for ``release.hold_s`` seconds; return the hold's id.

        Raises:
            Refusal: 401 without a visit, 404 for no such court hour, 409 when taken, 503 when there is no room.
        """
        patron = self._patron(token)
        if not self._store.exists(slot):
            raise Refusal(404, f"there is no court hour {slot}", "Pick one from GET /sessions?day=N.")
        blind = self._board.on("double_sell")
        # Release A looks now and writes after its turn has come: whoever looked meanwhile saw a free court too.
        if not self.release.atomic and not blind and not self._store.is_free(slot, time.time()):
            raise _taken()
        async with self._served():
            now_s = time.time()
            expires_s = now_s + self.release.hold_s
            if blind or not self.release.atomic:
                return self._store.write_hold(slot, patron, expires_s)
            hold = self._store.hold_if_free(slot, patron, now_s, expires_s)
        if hold is None:
            raise _taken()
        return hold

    async def book(self, token: str, hold: int) -> int:
        """Turn a hold into a booking and end the visit's stay in the waiting room; return the booking's id.

        Raises:
            Refusal: 401 without a visit, 409 when the hold is not live or the court is sold, 503 without room.
        """
        patron = self._patron(token)
        blind = self._board.on("double_sell")
        look_first = blind or not self.release.atomic
        slot: int | None = None
        if look_first:
            slot = self._store.held_slot(hold, patron, time.time())
            if slot is None or (not blind and self._store.is_booked(slot)):
                raise _taken()
        async with self._served():
            if slot is not None:
                booking: int | None = self._store.write_booking(slot, patron, hold)
            else:
                booking = self._store.book_if_free(hold, patron, time.time())
        if booking is None:
            raise _taken()
        self._room.leave(token)
        return booking

    async def bookings(self, token: str) -> list[Slot]:
        """Return the citizen's own bookings.

        Raises:
            Refusal: 401 without a visit, 503 when there is no room.
        """
        patron = self._patron(token)
        async with self._served():
            return self._store.bookings_of(patron)

    @property
    def waiting(self) -> int:
        """How many requests wait for a desk."""
        return self._work.waiting

    @property
    def booked(self) -> int:
        """How many bookings have been made."""
        return self._store.booked

    def audit(self) -> tuple[int, list[int]]:
        """Return (bookings, court hours sold more than once), straight from the database."""
        return self._store.audit()
