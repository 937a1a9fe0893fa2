"""Reading a service's own figures: whatever the service answers, each reading that was due is a row."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.running import wait_for

from seatrial.errors import NotAuthorisedError, UsageError
from seatrial.model.plan import Plan
from seatrial.model.telemetry import Missing, parse_selector
from seatrial.samples.telemetry import TELEMETRY_SCHEMA, merge_telemetry, telemetry_file
from seatrial.trials import telemetry as module
from seatrial.trials.local_process import read_process
from seatrial.trials.scrape import ScrapeError, figures, sums_of
from seatrial.trials.telemetry import TelemetryWatch, open_pages

Answer = Callable[[socket.socket], None]
PLAIN = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"


def page(text: str, head: str = PLAIN) -> bytes:
    body = text.encode()
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """Serve each connection by ``answer``, once its request is there; yield the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(5)
                    try:
                        connection.recv(65536)
                        answer(connection)
                    except OSError:
                        pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/metrics"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def plan_of(url: str | None, series: dict[str, Any] | None = None, **changes: Any) -> Plan:
    sources: dict[str, Any] = {"app": {"prometheus": url, "series": series or {"up": {"value": "up"}}}} if url else {}
    return Plan.model_validate(
        {
            "seatrial": 1,
            "title": "t",
            "target": "http://127.0.0.1:9",
            "demand": {"peak": "1/s"},
            "telemetry": {"every": "100ms", "sources": sources | changes.pop("sources", {})},
            "journeys": {"j": {"steps": [{"get": "/"}]}},
            "trials": [{"kind": "load", "at": "1 P", "for": "1s", "objectives": ["errors <= 1%"]}],
            **changes,
        }
    )


def watched(folder: Path, plan: Plan, rows: int) -> pl.DataFrame:
    """Read until there are so many rows, then end and merge as a trial does."""
    with TelemetryWatch(plan, folder, open_pages(plan, folder), folder, 0) as watch:
        wait_for(lambda: watch.so_far().height >= rows, 10)
    frame = merge_telemetry(telemetry_file(folder), folder / "telemetry" / "t.parquet", 0)
    watch.raise_failure()
    assert frame.equals(pl.read_parquet(folder / "telemetry" / "t.parquet"))
    assert dict(frame.schema) == dict(TELEMETRY_SCHEMA)
    return frame


def reasons(frame: pl.DataFrame) -> set[Missing]:
    return {Missing(code) for code in frame["missing"].unique().to_list()}


def test_values_and_rates_are_read_and_a_share_is_of_so_many(tmp_path: Path) -> None:
    begun = time.monotonic()

    def answer(connection: socket.socket) -> None:
        spent = time.monotonic() - begun
        connection.sendall(page(f"# TYPE cpu_total counter\ncpu_total {spent:.9f}\nheap_bytes 5e6\nother 1\n"))

    series = {"busy": {"rate": "cpu_total", "of": 2}, "heap": {"value": "heap_bytes"}}
    with answering(answer) as url:
        plan = plan_of(url, series)
        frame = watched(tmp_path, plan, 13)
    assert plan.telemetry is not None
    busy, heap = (frame.filter(series=plan.telemetry.named(f"app.{n}").number) for n in ("busy", "heap"))  # type: ignore[union-attr]
    assert heap["value"].unique().to_list() == [5e6]
    # A clock as a counter gains a second per second; of two that is a half. The mean is free of when answers came.
    assert 0.45 < float(busy["value"].mean()) < 0.55  # type: ignore[arg-type]
    assert heap.height == busy.height + 1  # the first of a counter is no rate yet
    assert frame["at_ns"].is_sorted()


def test_samples_that_a_selector_matches_are_summed() -> None:
    text = 'n_total{code="500",path="/a b}"} 2\nn_total{code="500"} 3\nn_total{code="200"} 9\nn 7\n'
    selectors = [
        parse_selector('n_total{code="500"}'),
        parse_selector("n_total"),
        parse_selector("absent"),
    ]
    found = figures(text, [selector.name for selector in selectors])
    assert sums_of(found, selectors) == [(5.0, Missing.NO), (14.0, Missing.NO), (None, Missing.NO_SERIES)]


def test_what_is_not_finite_is_no_figure() -> None:
    for value in ("NaN", "+Inf", "-Inf"):
        assert sums_of(figures(f"up {value}\n", ["up"]), [parse_selector("up")]) == [(None, Missing.MALFORMED)]


def test_lines_of_other_series_are_not_even_read() -> None:
    assert figures('broken{{{ 1\nupper 2\nup{a="b"} 1\n', ["up"]) == [("up", {"a": "b"}, 1.0)]


@given(text=st.text(alphabet='up{}="\\,. \n\t1eNa#_', max_size=200))
def test_any_text_gives_figures_or_the_reason_why_not(text: str) -> None:
    try:
        found = figures(text, ["up"])
    except ScrapeError as error:
        assert error.missing in (Missing.MALFORMED, Missing.TOO_LARGE)
    else:
        assert {name for name, _, _ in found} <= {"up"}


def _drip(connection: socket.socket) -> None:
    for byte in b"HTTP/1.1 200 OK, and so on and so on and so on":
        connection.sendall(bytes([byte]))
        threading.Event().wait(0.1)


def _flood(connection: socket.socket) -> None:
    connection.sendall(f"{PLAIN}\r\n".encode())
    while True:
        connection.sendall(b"x" * 1_000_000)


def _endless_head(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"A: " + b"b" * 10_000 + b"\r\n")


def _sends(data: bytes) -> Answer:
    return lambda connection: connection.sendall(data)


HOSTILE: dict[str, tuple[Answer, Missing]] = {
    "nothing": (lambda connection: None, Missing.UNREACHABLE),
    "not HTTP": (_sends(b"\x00\xffnonsense\r\n\r\n"), Missing.MALFORMED),
    "half a head": (_sends(b"HTTP/1.1 200 OK\r\nConte"), Missing.MALFORMED),
    "a body cut off": (
        _sends(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 90\r\n\r\nup 1\n"),
        Missing.MALFORMED,
    ),
    "an error": (_sends(page("up 1\n", "HTTP/1.1 503 No\r\n")), Missing.REFUSED),
    "a redirect": (_sends(page("up 1\n", "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n")), Missing.REFUSED),
    "no end": (_flood, Missing.TOO_LARGE),
    "a head without end": (_endless_head, Missing.TOO_LARGE),
    "a length that is a lie": (_sends(page("x" * 5_000_000)), Missing.TOO_LARGE),
    "crumbs": (_drip, Missing.TIMEOUT),
    "not UTF-8": (_sends(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nup \xff\n"), Missing.MALFORMED),
    "another format": (_sends(page("up{ 1\n")), Missing.MALFORMED),
    "another series": (_sends(page("down 1\n")), Missing.NO_SERIES),
    "a long line": (_sends(page(f'up{{a="{"b" * 20_000}"}} 1\n')), Missing.TOO_LARGE),
    "many lines": (_sends(page("up 1\n" * 10_001)), Missing.TOO_LARGE),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_reading_that_fails_says_why_and_harms_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READ_SECONDS", 0.3)
    answer, missing = HOSTILE[name]
    with answering(answer) as url:
        frame = watched(tmp_path, plan_of(url), 1)
    assert missing in reasons(frame), reasons(frame)
    assert Missing.NO not in reasons(frame)
    assert frame["value"].null_count() == frame.height


def test_an_answer_without_a_length_ends_with_its_connection(tmp_path: Path) -> None:
    with answering(_sends(f"{PLAIN}\r\nup 1\n".encode())) as url:
        frame = watched(tmp_path, plan_of(url), 1)
    assert reasons(frame) == {Missing.NO}


def test_readings_that_were_due_while_one_was_under_way_are_late(tmp_path: Path) -> None:
    def answer(connection: socket.socket) -> None:
        threading.Event().wait(0.25)
        connection.sendall(page("up 1\n"))

    with answering(answer) as url:
        frame = watched(tmp_path, plan_of(url), 6)
    assert reasons(frame) == {Missing.NO, Missing.LATE}
    late = frame.filter(pl.col("missing") == int(Missing.LATE)).height
    assert late >= frame.height // 2  # of three that are due two come while the first is waited for


def test_a_counter_that_falls_began_anew_and_is_no_rate(tmp_path: Path) -> None:
    counts = iter([5, 6, 7, 1, *range(2, 500)])
    with answering(lambda connection: connection.sendall(page(f"n_total {next(counts)}\n"))) as url:
        frame = watched(tmp_path, plan_of(url, {"n": {"rate": "n_total"}}), 5)
    assert frame["missing"].to_list()[:5] == [0, 0, int(Missing.RESET), 0, 0]
    assert (frame["value"].drop_nulls() > 0).all()


def test_nobody_there_is_unreachable_and_the_run_goes_on(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    assert reasons(watched(tmp_path, plan_of(f"http://127.0.0.1:{port}/"), 2)) == {Missing.UNREACHABLE}


def test_https_without_its_certificate_is_no_reading(tmp_path: Path) -> None:
    with answering(_sends(page("up 1\n"))) as url:
        frame = watched(tmp_path, plan_of(url.replace("http:", "https:")), 1)
    assert reasons(frame) <= {Missing.UNREACHABLE, Missing.TIMEOUT}
    assert isinstance(ssl.SSLError(), OSError)


def test_a_source_that_hangs_keeps_no_run_alive_and_writes_nothing_afterwards(tmp_path: Path) -> None:
    hold = threading.Event()
    with answering(lambda connection: hold.wait(5)) as url:  # type: ignore[arg-type, return-value]
        plan = plan_of(url)
        begun = time.monotonic()
        with TelemetryWatch(plan, tmp_path, open_pages(plan, tmp_path), tmp_path, 0):
            threading.Event().wait(0.05)
        assert time.monotonic() - begun < 1.5
        size = telemetry_file(tmp_path).stat().st_size
        hold.set()
    assert telemetry_file(tmp_path).stat().st_size == size == 0


def test_readings_that_can_not_be_written_are_said_at_the_end(tmp_path: Path) -> None:
    with answering(_sends(page("up 1\n"))) as url:
        plan = plan_of(url)
        with TelemetryWatch(plan, tmp_path, open_pages(plan, tmp_path), tmp_path, 0) as watch:
            wait_for(lambda: watch.so_far().height)
            full = os.open("/dev/full", os.O_WRONLY)
            os.dup2(full, watch._spool._fd)  # type: ignore[union-attr]
            os.close(full)
            wait_for(lambda: watch.failure)
    with pytest.raises(Exception, match="can't be written"):
        watch.raise_failure()


def test_a_plan_without_telemetry_reads_nothing(tmp_path: Path) -> None:
    plan = plan_of("http://127.0.0.1:9/").model_copy(update={"telemetry": None})
    before = threading.active_count()
    with TelemetryWatch(plan, tmp_path, open_pages(plan, tmp_path), tmp_path, 0) as watch:
        assert threading.active_count() == before
        assert watch.so_far().is_empty()
    assert not telemetry_file(tmp_path).exists()


def test_strangers_are_not_asked(tmp_path: Path) -> None:
    with pytest.raises(NotAuthorisedError, match="telemetry app is beyond this machine") as caught:
        open_pages(plan_of("http://192.0.2.1:9090/metrics"), tmp_path)
    assert "192.0.2.1:9090" in caught.value.remedy


def test_the_target_s_host_and_whom_the_permission_names_may_be_asked(tmp_path: Path) -> None:
    permitted = ("192.0.2.1:80", "192.0.2.7:9090")
    changes: dict[str, Any] = {"target": "http://192.0.2.1"}
    for url in ("http://192.0.2.1:9100/metrics", "http://192.0.2.7:9090/metrics"):
        assert list(open_pages(plan_of(url, **changes), tmp_path, permitted)) == ["app"]
    with pytest.raises(NotAuthorisedError):
        open_pages(plan_of("http://192.0.2.7:9091/metrics", **changes), tmp_path, permitted)


def test_a_name_that_does_not_resolve_is_refused_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="telemetry app does not resolve"):
        open_pages(plan_of("http://no-such-host.invalid/metrics"), tmp_path)


def test_a_process_shows_its_processor_memory_files_and_threads(tmp_path: Path) -> None:
    holds = "b = bytearray(60_000_000); f = [open('/dev/null') for _ in range(50)]"
    busy = f"{holds}\nprint('up', flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", busy], stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            child.stdout.readline()
            (tmp_path / "app.pid").write_text(f"{child.pid}\n")
            shown = read_process(tmp_path / "app.pid")
            assert 60e6 < shown.memory < 200e6
            assert 50 <= (shown.open_files or 0) < 80
            assert shown.threads == 1
            frame = watched(tmp_path, plan_of(None, sources={"box": {"process": "app.pid"}}), 31)
        finally:
            child.kill()
    cpu = float(frame.filter(series=0)["value"].mean())  # type: ignore[arg-type]
    assert 0.05 < cpu < 1.1  # it never rests, and has one thread


def test_another_process_under_the_pid_file_is_no_fall_and_no_leap(tmp_path: Path) -> None:
    sleeps = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
    file = tmp_path / "app.pid"
    with (
        subprocess.Popen(sleeps, stdout=subprocess.PIPE) as one,
        subprocess.Popen(sleeps, stdout=subprocess.PIPE) as two,
    ):
        try:
            for child in (one, two):
                assert child.stdout is not None
                child.stdout.readline()
            plan = plan_of(None, sources={"box": {"process": "app.pid"}})
            file.write_text(str(one.pid))
            with TelemetryWatch(plan, tmp_path, {}, tmp_path, 0) as watch:
                wait_for(lambda: watch.so_far().filter(series=0).height >= 2)
                (tmp_path / "new.pid").write_text(str(two.pid))
                (tmp_path / "new.pid").replace(file)
                wait_for(lambda: Missing.RESET in reasons(watch.so_far()))
                two.kill()
                two.wait()
                wait_for(lambda: Missing.NO_PROCESS in reasons(watch.so_far()))
                frame = watch.so_far()
        finally:
            one.kill()
            two.kill()
    assert (frame.filter(series=0)["value"].drop_nulls() >= 0).all()
    assert frame.filter(pl.col("missing") == int(Missing.RESET))["series"].to_list() == [0]


@pytest.mark.parametrize("written", ["", "no number", "-1", "12345678901", "1\n2"])
def test_what_is_no_process_is_none(written: str, tmp_path: Path) -> None:
    (tmp_path / "app.pid").write_text(written)
    with pytest.raises(ScrapeError) as caught:
        read_process(tmp_path / "app.pid")
    assert caught.value.missing is Missing.NO_PROCESS
