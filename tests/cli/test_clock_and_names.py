"""A whole run while the machine's clock is set, and while its name service goes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from tests.cli.running import SEATRIAL, Done, Service, seatrial, service, wait_for, write_plan
from tests.ordering import ordered

from seatrial.model.sample import Outcome

ROOT = str(Path(__file__).parents[2])
RUN = ("run", "plan.yaml", "--policy", "policy.yaml", "--out", "bundle", "--json", "--workers", "2")

SET_THE_CLOCK = """
import os, threading, time
import time_machine

def wait_and_set():
    while not os.path.exists(os.environ["CLOCK_STEP"]):
        threading.Event().wait(0.01)
    with open(os.environ["CLOCK_STEP"]) as step:
        time_machine.travel(time.time() + float(step.read()), tick=True).start()

threading.Thread(target=wait_and_set, daemon=True).start()
"""
"""Read by every process of the run as it starts: the C functions behind ``time.time`` and ``datetime.now`` are set.
The monotonic clock is the kernel's own, as it is when a real clock is set."""


def records(bundle: Path) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(path) for path in sorted(bundle.glob("records/**/*.parquet"))])


@pytest.mark.real
@pytest.mark.parametrize("requests", [5, 50], ids=["before the first health row", "after it"])
def test_a_clock_that_is_set_back_during_a_run_changes_no_figure_and_is_told(tmp_path: Path, requests: int) -> None:
    (tmp_path / "sitecustomize.py").write_text(SET_THE_CLOCK)
    step = tmp_path / "step"
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    with service() as server:
        write_plan(tmp_path, server.url, ("for: 1s", "for: 2s"))
        with subprocess.Popen(
            [*SEATRIAL, *RUN],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": path, "CLOCK_STEP": str(step)},
        ) as process:
            wait_for(lambda: len(server.times) > requests or process.poll() is not None)
            (tmp_path / "made").write_text(str(-26 * 3600))
            (tmp_path / "made").rename(step)
            out, err = process.communicate(timeout=60)
    done = Done(process.returncode, out, err)
    assert (done.code, done.json["verdict"]) == (0, "PASS"), done.err
    (told,) = [r for r in done.json["trials"][0]["reasons"] if r["code"] == "generator.clock_stepped"]
    assert told["params"]["measured"].startswith(("26 h", "25 h 59 min 59 s"))
    rows = records(tmp_path / "bundle")
    assert rows.height == len(server.times) > 60
    assert set(rows["outcome"].unique()) == {int(Outcome.OK)}
    spread = rows["intended_ns"].max() - rows["intended_ns"].min()  # type: ignore[operator]
    assert 1.5e9 < spread < 2e9
    assert rows.select((pl.col("done_ns") - pl.col("intended_ns")).max()).item() < 1.5e9
    assert rows.select((pl.col("sent_ns") - pl.col("intended_ns")).min()).item() >= 0


ELSEWHERE = """
import fcntl, pathlib, socket, struct, subprocess, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:  # bring up lo: SIOCSIFFLAGS, IFF_UP | IFF_RUNNING
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh", b"lo", 0x41))
folder = pathlib.Path(sys.argv[2])
(folder / "resolv.conf").write_text("nameserver 127.0.0.1\\noptions timeout:1 attempts:1\\n")
(folder / "nsswitch.conf").write_text("hosts: dns\\n")
for name in ("resolv.conf", "nsswitch.conf"):
    subprocess.run(["mount", "--bind", folder / name, pathlib.Path("/etc") / name], check=True)
sys.path.insert(0, sys.argv[1])
import tests.cli.test_clock_and_names as those
getattr(those, sys.argv[3])(folder)
"""
"""In a network and a file system of its own, where the name service is the test's."""


class NameService:
    """Answers every question for an address with those given, and counts the questions; a real one, in UDP (RFC 1035).

    Attributes:
        asked: Names that were asked for, as often as they were.
    """

    def __init__(self, *addresses: str) -> None:
        self.asked: list[bytes] = []
        self._addresses = addresses
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind(("127.0.0.1", 53))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            question, client = self._sock.recvfrom(512)
            if not question:
                return
            end = question.index(b"\0", 12) + 5
            name, kind = question[12 : end - 4], question[end - 4 : end - 2]
            self.asked.append(name)
            found = self._addresses if kind == b"\0\1" else ()
            head = question[:2] + b"\x81\x80\0\1" + len(found).to_bytes(2, "big") + bytes(4)
            records = [b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton(address) for address in found]
            self._sock.sendto(head + question[12:end] + b"".join(records), client)

    def stop(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.sendto(b"", ("127.0.0.1", 53))
        self._thread.join()
        self._sock.close()


def elsewhere(folder: Path, what: str) -> None:
    begin = ("unshare", "--user", "--map-root-user", "--net", "--mount", sys.executable, "-c", ELSEWHERE)
    done = subprocess.run([*begin, ROOT, str(folder), what], capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def write_named_plan(folder: Path, server: Service, *changes: tuple[str, str]) -> tuple[str, ...]:
    """Write a plan, and an order for its target; return the options of a run under it."""
    write_plan(folder, f"http://booking.test:{server.server_port}", *changes)
    return ordered(folder, f"booking.test:{server.server_port}", max_per_second=40.0)


def the_name_service_stops(folder: Path) -> None:
    names = NameService("127.0.0.1")
    with service() as server:

        def stop_when_asked() -> None:
            wait_for(lambda: len(server.times) > 2)
            names.stop()

        permitted = write_named_plan(folder, server)
        stopper = threading.Thread(target=stop_when_asked, daemon=True)
        stopper.start()
        done = seatrial(*RUN, *permitted, cwd=folder)
        stopper.join(5)
    assert (done.code, done.json["verdict"]) == (0, "PASS"), done.err
    rows = records(folder / "bundle")
    assert rows.height > 20
    assert set(rows["outcome"].unique()) == {int(Outcome.OK)}
    assert 1 <= names.asked.count(b"\7booking\4test\0") <= 4  # by the run itself, for IPv4 and IPv6, and by no worker


def one_of_two_addresses_dies(folder: Path) -> None:
    names = NameService("127.0.0.1", "127.0.0.77")
    with service() as server, socket.create_server(("127.0.0.77", server.server_port)) as other:

        def die_when_asked() -> None:
            wait_for(lambda: len(server.times) > 2)
            other.close()

        permitted = write_named_plan(folder, server, ("p50 response time <= 1s, ", ""))
        killer = threading.Thread(target=die_when_asked, daemon=True)
        killer.start()
        done = seatrial(*RUN, *permitted, cwd=folder)
        killer.join(5)
    names.stop()
    assert (done.code, done.json["verdict"]) == (1, "FAIL"), done.out + done.err
    rows = records(folder / "bundle").sort("intended_ns")
    outcomes = [Outcome(code) for code in rows["outcome"].to_list()]
    later = outcomes[len(outcomes) // 2 :]
    assert len(outcomes) > 20
    assert set(later) == {Outcome.OK, Outcome.CONNECT_FAILED}
    assert abs(2 * later.count(Outcome.OK) - len(later)) <= 4  # each of two workers takes the addresses in turn


def the_name_service_is_gone(folder: Path) -> None:
    with service() as server:
        permitted = write_named_plan(folder, server)
        done = seatrial(*RUN, *permitted, cwd=folder)
    assert done.code == 4, done.err
    assert "the target's name does not resolve" in done.err, done.err
    assert "booking.test" in done.err
    assert server.times == []
    assert done.json["verdict"] == "INVALID"


@pytest.mark.real
@pytest.mark.parametrize("what", [the_name_service_stops, one_of_two_addresses_dies, the_name_service_is_gone])
def test_names_are_resolved_once_and_then_no_more(tmp_path: Path, what: Callable[[Path], None]) -> None:
    elsewhere(tmp_path, what.__name__)
