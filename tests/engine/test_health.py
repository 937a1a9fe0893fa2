"""The generator's own health, read from the machine itself while it is made to go short."""

from __future__ import annotations

import gc
import os
import resource
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.served import Engine, Server, always_ok

from seatrial.engine.health import HealthMonitor
from seatrial.engine.machine import (
    COUNTERS,
    Machine,
    busy_share,
    core_times,
    local_ports,
    named_counters,
    steal_share,
)
from seatrial.model.health import HEALTH_COLUMNS, LAG_COLUMNS, LONG_TURN_NS, UNKNOWN
from seatrial.model.sample import Outcome
from seatrial.samples.codec import HEALTH_DTYPE, read_frames
from seatrial.units import MS, SECOND


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[HealthMonitor]:
    made = HealthMonitor(tmp_path / "health.rows", 0, routes=3)
    yield made
    made.close()


def stat(*cores: tuple[int, int, int]) -> str:
    """Return ``/proc/stat`` of cores with so many jiffies busy, idle and stolen."""
    total = [sum(core[i] for core in cores) for i in range(3)]
    lines = [f"cpu{'' if n < 0 else n} {b} 0 0 {i} 0 0 0 {s} 0 0" for n, (b, i, s) in enumerate([total, *cores], -1)]
    return "\n".join([*lines, "intr 1 2 3", "ctxt 9", ""])


def test_one_stolen_core_of_thirty_two_is_seen_whole() -> None:
    before = core_times(stat(*[(100, 100, 0)] * 32))
    now = core_times(stat(*[(150, 150, 0)] * 31, (100, 100, 100)))
    everywhere = [f"cpu{n}" for n in range(32)]
    assert steal_share(before, now, everywhere) == 1.0
    assert steal_share(before, now, ["cpu3", "cpu4"]) == 0.0  # not on a core that this worker may use
    assert steal_share(before, now, ["cpu77"]) == pytest.approx(1 / 32)
    assert busy_share(before, now) == pytest.approx(1 - 31 * 50 / 3200)


def test_a_steal_counter_that_runs_backwards_or_stands_still_is_no_steal() -> None:
    before, now = core_times(stat((100, 100, 50))), core_times(stat((190, 100, 45)))
    assert steal_share(before, now, ["cpu0"]) == 0.0
    assert steal_share(before, before, ["cpu0"]) == 0.0
    assert busy_share(before, before) == 0.0


def test_what_was_cut_off_is_not_read_as_a_number() -> None:
    whole = stat((100, 100, 50), (100, 100, 50))
    assert set(core_times(whole[: whole.index("intr") - 5])) == {"cpu", "cpu0"}
    assert core_times("cpu 1 2 3 4\ncpu0 1 2 3 4\n") == dict.fromkeys(["cpu", "cpu0"], (1, 2, 3, 4, 0, 0, 0, 0))


NAMES = st.lists(st.sampled_from(["RetransSegs", "InSegs", "ListenDrops", "InErrors", "X"]), unique=True, min_size=1)


@given(names=NAMES, values=st.lists(st.integers(-1, 2**63), min_size=5, max_size=5))
def test_counters_are_found_by_name_in_whatever_order_a_kernel_has_them(names: list[str], values: list[int]) -> None:
    text = "Ip: A B\nIp: 7 8\n"
    text += f"Tcp: {' '.join(names)}\nTcp: {' '.join(map(str, values[: len(names)]))}\nUdp: InErrors\nUdp: 5\n"
    found = named_counters(text, [("Tcp", "RetransSegs"), ("Udp", "InErrors"), ("Udp", "None"), ("Sctp", "X")])
    there = {("Tcp", "RetransSegs"): values[names.index("RetransSegs")]} if "RetransSegs" in names else {}
    assert found == there | {("Udp", "InErrors"): 5}


@pytest.mark.parametrize("text", ["", "Tcp: RetransSegs\n", "Tcp: RetransSegs\nTcp:\n", "Tcp: RetransSegs\nUdp: 7\n"])
def test_a_group_without_its_values_tells_nothing(text: str) -> None:
    assert named_counters(text, [("Tcp", "RetransSegs")]) == {}


def test_a_machine_without_a_file_says_unknown_and_not_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COUNTERS, "tcp_retransmits", ("/proc/net/none", "Tcp", "RetransSegs"))
    monkeypatch.setitem(COUNTERS, "udp_errors", ("/proc/net/snmp", "Udp", "NoSuchColumn"))
    monkeypatch.setattr("seatrial.engine.machine._PORT_RANGE", "/proc/sys/net/ipv4/none")
    machine = Machine()
    try:
        row = machine.sample()
    finally:
        machine.close()
    assert (row.counters["tcp_retransmits"], row.counters["udp_errors"]) == (UNKNOWN, UNKNOWN)
    assert row.counters["listen_drops"] >= 0
    assert local_ports() == UNKNOWN


def test_connections_that_a_full_queue_turns_away_are_counted(monitor: HealthMonitor) -> None:
    monitor.sample(0, 0)
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        row = monitor.sample(0, 0)
    assert row["listen_overflows"] >= 1
    assert row["listen_drops"] >= row["listen_overflows"]


def test_datagrams_that_are_received_and_lost_are_counted(monitor: HealthMonitor) -> None:
    monitor.sample(0, 0)
    with socket.socket(type=socket.SOCK_DGRAM) as server, socket.socket(type=socket.SOCK_DGRAM) as client:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        server.bind(("127.0.0.1", 0))
        for _ in range(50):
            client.sendto(bytes(1000), server.getsockname())
        row = monitor.sample(0, 0)
    assert row["udp_errors"] >= 40


def test_open_files_are_counted_as_they_are(monitor: HealthMonitor, monkeypatch: pytest.MonkeyPatch) -> None:
    gc.collect()  # what earlier tests left must not be closed in between
    before = monitor.sample(0, 0)["open_files"]
    with ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(socket.socket())
        row = monitor.sample(0, 30)
        listed = len(os.listdir("/proc/self/fd")) - 1  # less the one that lists
        assert row["open_files"] == before + 30
        # A thread in accept() has a descriptor set aside that no listing shows; earlier tests may leave some.
        assert listed <= row["open_files"] <= listed + threading.active_count() - 1
        told = os.fstat

        def older(fd: int) -> os.stat_result:
            """What Linux before 6.2 says of ``/proc/self/fd``: nothing."""
            return os.stat_result([*told(fd)[:6], 0, *told(fd)[7:]])

        monkeypatch.setattr(os, "fstat", older)
        assert monitor.sample(0, 30)["open_files"] == listed
    assert row["files_limit"] == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert (row["connections"], row["ports_limit"]) == (30, 3 * local_ports())


def test_a_worker_without_a_free_descriptor_still_says_so(monitor: HealthMonitor) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 20, hard))
        with pytest.raises(OSError, match="Too many open files"):
            for _ in range(50):
                stack.enter_context(socket.socket())
        row = monitor.sample(0, 0)
    assert row["open_files"] >= row["files_limit"]
    assert row["tcp_retransmits"] >= 0


def test_turns_above_ten_milliseconds_are_counted_and_the_longest_is_kept(monitor: HealthMonitor) -> None:
    for took_ns in (LONG_TURN_NS, LONG_TURN_NS + 1, 30 * MS, MS):
        monitor.turn(took_ns)
    row = monitor.sample(0, 0)
    assert (row["long_turns"], row["stall_ns"]) == (2, 30 * MS)
    row = monitor.sample(0, 0)
    assert (row["long_turns"], row["stall_ns"]) == (0, 0)


def test_a_row_holds_what_it_was_told_in_the_order_of_its_columns(tmp_path: Path) -> None:
    monitor = HealthMonitor(tmp_path / "health.rows", 4)
    row = monitor.sample(5, 6, tuple(range(8)), files_refused=2, ports_refused=3)
    monitor.close()
    assert list(row) == [name for name, _ in HEALTH_COLUMNS]
    assert [row[name] for name in LAG_COLUMNS] == list(range(8))
    assert (row["files_refused"], row["ports_refused"]) == (2, 3)
    (frame,) = read_frames(tmp_path / "health.rows", HEALTH_DTYPE)
    assert frame.tolist() == [tuple(row.values())]


def test_a_row_costs_less_than_a_thousandth_of_its_second(monitor: HealthMonitor) -> None:
    costs = []
    for _ in range(50):
        began = time.thread_time_ns()
        monitor.sample(1, 1)
        costs.append(time.thread_time_ns() - began)
    assert statistics.median(costs) < MS


def test_a_wall_clock_that_is_set_shows_in_the_row_and_nowhere_else(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall, real = time.time_ns, time.time
    began = time.monotonic()

    def hour() -> int:
        return 3600 if time.monotonic() - began > 0.6 else 0  # set while the stage runs

    with Server(always_ok) as server:
        monkeypatch.setattr(time, "time_ns", lambda: wall() - hour() * SECOND)
        monkeypatch.setattr(time, "time", lambda: real() - hour())
        run = engine.offer(server, {"get": "/"}, {"pause": "10ms"}, {"get": "/b"}, sessions=60, within_ms=1200)
    assert run.outcomes == [Outcome.OK] * 120
    assert {row.session: row.intended_ns for row in run.rows if row.step == 0} == {s: at for s, _, at in run.scheduled}
    assert max(row.done_ns - row.intended_ns for row in run.rows) < SECOND
    offsets = [row["clock_offset_ns"] for row in run.health]
    assert [row["at_ns"] for row in run.health] == sorted(row["at_ns"] for row in run.health)
    first_ns = wall() - time.monotonic_ns()
    assert min(offsets) - first_ns == pytest.approx(-3600 * SECOND, abs=SECOND / 2)
    assert SECOND > run.health[0]["at_ns"] - run.start_ns > SECOND // 2
