"""Release A sells a court twice under concurrency; release B never does, and says clearly when it is full."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.sandbox.admission import WaitingRoom, Workplace
from seatrial.sandbox.faults import Board
from seatrial.sandbox.patrons import patron
from seatrial.sandbox.problems import Refusal, SandboxError
from seatrial.sandbox.process import Sandbox
from seatrial.sandbox.release import WaitingRoomRules, load_release
from seatrial.sandbox.service import Booking
from seatrial.sandbox.store import Store

Connect = Callable[..., Any]
RULES = WaitingRoomRules(places=2, place_s=10, queue=2, newcomers=1, retry_after_s=5)


def at_once(clients: list[Any], method: str, path: str, bodies: Sequence[object]) -> list[Any]:
    """Send on every connection before reading from any."""
    for client, body in zip(clients, bodies, strict=True):
        client.send(method, path, body)
    return [client.answer() for client in clients]


def signed_in(box: Sandbox, connect: Connect, numbers: list[int]) -> list[Any]:
    """Sign citizens in, each on a connection of their own, at most sixteen at a time."""
    clients = [connect(box.url) for _ in numbers]
    for at in range(0, len(clients), 16):
        some = clients[at : at + 16]
        bodies = [{"patron": (p := patron(number)).id, "pin": p.pin} for number in numbers[at : at + 16]]
        for client, answer in zip(some, at_once(some, "POST", "/sign-in", bodies), strict=True):
            client.token = answer.body["token"]
    return clients


def rush(box: Sandbox, connect: Connect, first_patron: int, day: int) -> tuple[int, list[Any], list[Any]]:
    """Five citizens want one court while the service is busy: return the court, the holds, the bookings."""
    everyone = signed_in(box, connect, list(range(first_patron, first_patron + 10)))
    citizens, busy = everyone[:5], everyone[5:]
    slot = citizens[0].free_slot(day)
    # The work of the busy ones is ahead of the five, so that all five arrive before the first is served.
    for client in busy:
        client.send("GET", "/bookings")
    holds = at_once(citizens, "POST", "/holds", [{"slot": slot}] * 5)
    for client in busy:
        client.answer()
        client.send("GET", "/bookings")
    holders = [(c, h.body["hold"]) for c, h in zip(citizens, holds, strict=True) if h.status == 201]
    bookings = at_once([c for c, _ in holders], "POST", "/bookings", [{"hold": hold} for _, hold in holders])
    for client in busy:
        client.answer()
    return slot, holds, bookings


def test_release_a_sells_one_court_to_several_citizens(box_a: Sandbox, connect: Connect) -> None:
    slot, _, bookings = rush(box_a, connect, 30, 7)
    assert sum(answer.status == 201 for answer in bookings) > 1
    assert slot in connect(box_a.url).get("/audit").body["double_booked"]


def test_release_b_sells_one_court_once(box_b: Sandbox, connect: Connect) -> None:
    for day in (1, 4):
        _, holds, bookings = rush(box_b, connect, 30, day)
        assert sorted(answer.status for answer in holds) == [201] + [409] * 4
        assert [answer.status for answer in bookings] == [201]
    assert connect(box_b.url).get("/audit").body["double_booked"] == []


def test_release_b_books_one_hold_once_however_often_it_is_sent(box_b: Sandbox, connect: Connect) -> None:
    client = connect(box_b.url).sign_in(50)
    hold = client.post("/holds", {"slot": client.free_slot(2)}).body["hold"]
    again = [connect(box_b.url) for _ in range(8)]
    for other in again:
        other.token = client.token
    answers = at_once(again, "POST", "/bookings", [{"hold": hold}] * 8)
    assert sorted(answer.status for answer in answers) == [201] + [409] * 7
    assert connect(box_b.url).get("/audit").body["double_booked"] == []


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from("wxyz"), st.integers(0, 15)), min_size=1))
def test_whatever_the_order_an_atomic_store_sells_no_court_twice(steps: list[tuple[int, str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        store = Store(Path(folder) / "db", patron_count=1, slot_count=7)
        stack.callback(store.close)
        now_s, sold, holds = 0.0, set[int](), [(0, "w", 0)]
        for slot, who, passed in steps:
            now_s += passed
            hold = store.hold_if_free(slot, who, now_s, now_s + 20)
            assert hold is None or slot not in sold
            if hold is not None:
                holds.append((hold, who, slot))
            old, owner, wanted = holds[passed % len(holds)]
            if store.book_if_free(old, owner, now_s) is not None:
                assert wanted not in sold
                sold.add(wanted)
        assert store.audit() == (len(sold), [])
        assert store.booked == len(sold)


def test_a_hold_that_ran_out_can_be_taken_by_another_and_not_booked_by_the_first(tmp_path: Path) -> None:
    with contextlib.closing(Store(tmp_path / "db", patron_count=1, slot_count=7)) as store:
        first = store.hold_if_free(1, "first", 0, 10)
        assert first is not None
        assert store.hold_if_free(1, "second", 9.9, 20) is None
        second = store.hold_if_free(1, "second", 10, 20)
        assert second is not None
        assert store.book_if_free(first, "first", 10) is None
        assert store.book_if_free(second, "second", 19.9) is not None


@pytest.mark.parametrize("count", [1, 6, 7, 50, 1400])
def test_the_slots_are_spread_over_seven_days_and_every_one_is_listed(count: int, tmp_path: Path) -> None:
    with contextlib.closing(Store(tmp_path / "db", patron_count=1, slot_count=count)) as store:
        listed: set[object] = set()
        for day in range(1, 8):
            while free := store.free(day, "P000003", 1.0):
                assert len(free) <= 40
                ids = [slot["id"] for slot in free]
                assert not listed & set(ids)
                listed.update(ids)
                for slot in ids:
                    store.write_hold(int(str(slot)), "P000003", 2.0)
        assert listed == set(range(1, count + 1))


def test_a_data_directory_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(b"not a database" * 100)
    with pytest.raises(SandboxError, match="no usable database"):
        Store(tmp_path / "db", patron_count=1, slot_count=7)


def test_release_a_admits_everyone_and_serves_them_one_by_one(box_a: Sandbox, connect: Connect) -> None:
    clients = signed_in(box_a, connect, [1] * 12)
    answers = at_once(clients, "GET", "/bookings", [None] * 12)
    assert {answer.status for answer in answers} == {200}
    assert max(answer.took_s for answer in answers) > 12 * 0.010


def test_release_b_serves_sixteen_at_once(box_b: Sandbox, connect: Connect) -> None:
    clients = signed_in(box_b, connect, [1] * 16)
    answers = at_once(clients, "GET", "/bookings", [None] * 16)
    assert {answer.status for answer in answers} == {200}
    assert max(answer.took_s for answer in answers) < 16 * 0.035


def test_release_b_refuses_newcomers_at_once_and_clearly_when_it_is_full(
    switchable: tuple[Sandbox, Any], connect: Connect
) -> None:
    box, control = switchable
    citizen = connect(box.url).sign_in(70)
    for slot in citizen.get("/sessions?day=1").body["free"][:4]:
        assert citizen.book(slot["id"]).status == 201
    count = control.get("/audit").body["bookings"]
    control.post("/faults", {"slow_growth": 240_000 / count})  # each request now takes 240 ms more
    crowd = [connect(box.url) for _ in range(40)]
    sign_in = {"patron": "P000002", "pin": "6512"}
    answers = at_once(crowd, "POST", "/sign-in", [sign_in] * 40)
    # Sixteen are worked on, sixteen newcomers may wait.
    assert sorted(answer.status for answer in answers) == [200] * 32 + [503] * 8
    for refused in (answer for answer in answers if answer.status == 503):
        assert refused.headers["retry-after"] == "5"
        assert refused.body["error"].startswith("the service is full")
        assert "Try again in 5 seconds" in refused.body["remedy"]


def test_the_waiting_room_keeps_a_place_for_each_visit_and_frees_idle_ones() -> None:
    now = [0.0]
    room = WaitingRoom(RULES, lambda: now[0])
    room.enter("first")
    now[0] = 5
    room.enter("second")
    room.enter("second")
    with pytest.raises(Refusal, match="503 the service is full"):
        room.enter("third")
    now[0] = 9.9
    room.enter("first")  # seen again: now the second is the older one
    now[0] = 15
    room.enter("third")
    assert len(room) == 2
    with pytest.raises(Refusal):
        room.enter("second")
    room.leave("first")
    room.leave("first")
    room.enter("second")


def test_a_visit_holds_its_place_until_it_has_booked_and_a_wrong_pin_takes_none(tmp_path: Path) -> None:
    release = replace(load_release("b"), waiting_room=RULES, service_s=0.001, visit_s=60)
    one, two, three = (patron(number) for number in (1, 2, 3))

    async def story(service: Booking) -> None:
        first = await service.sign_in(one.id, one.pin)
        with pytest.raises(Refusal, match="401"):
            await service.sign_in(two.id, "none")
        second = await service.sign_in(two.id, two.pin)
        with pytest.raises(Refusal, match="503"):
            await service.sign_in(three.id, three.pin)
        await service.book(first, await service.hold(first, 1))
        third = await service.sign_in(three.id, three.pin)
        with pytest.raises(Refusal, match="503"):  # signed in still, but without a place
            await service.bookings(first)
        assert await service.bookings(second) == await service.bookings(third) == []

    with contextlib.closing(Store(tmp_path / "db", patron_count=3, slot_count=7)) as store:
        asyncio.run(story(Booking(release, store, Board(release.switches, seed=1))))


def test_a_service_without_a_waiting_room_admits_everyone() -> None:
    room = WaitingRoom(None, lambda: 0.0)
    for token in range(10_000):
        room.enter(str(token))


@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_the_queue_is_bounded_and_shorter_for_newcomers(newcomers: list[bool]) -> None:
    async def story() -> list[int]:
        work, done = Workplace(lambda: 1, RULES), asyncio.Event()

        async def visit(newcomer: bool) -> int:
            try:
                async with work.section(newcomer=newcomer):
                    await done.wait()
            except Refusal as refusal:
                return refusal.status
            return 200

        visits = [asyncio.ensure_future(visit(newcomer)) for newcomer in newcomers]
        for _ in range(3):
            await asyncio.sleep(0)
        assert work.waiting <= RULES.queue
        done.set()
        return await asyncio.gather(*visits)

    waiting, expected = -1, []  # the first to come does not wait
    for newcomer in newcomers:
        admitted = waiting < (RULES.newcomers if newcomer else RULES.queue)
        waiting += admitted
        expected.append(200 if admitted else 503)
    assert asyncio.run(story()) == expected


def test_a_desk_that_was_kept_for_somebody_who_is_gone_goes_to_the_next() -> None:
    async def story() -> list[str]:
        work, done, served = Workplace(lambda: 1, None), asyncio.Event(), []

        async def visit(name: str) -> None:
            async with work.section(newcomer=False):
                served.append(name)
                if name == "first":
                    await done.wait()

        first, gone, left, last = (asyncio.ensure_future(visit(n)) for n in ("first", "gone", "left", "last"))
        await asyncio.sleep(0)
        gone.cancel()  # while waiting
        done.set()
        await first
        left.cancel()  # just as the desk is given
        await last
        assert work.waiting == 0
        return served

    assert asyncio.run(story()) in (["first", "last"], ["first", "left", "last"])
