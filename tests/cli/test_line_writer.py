"""Lines for a reader that is slow, absent or gone: the writer never waits, and says once what is wrong."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.running import wait_for

from seatrial.cli.line_writer import LineWriter
from seatrial.errors import UsageError

LONG = "x" * 1000 + "\n"


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "live")
    return tmp_path / "live"


def seconds(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def test_lines_are_in_a_new_file_at_once_and_whole(tmp_path: Path) -> None:
    said: list[str] = []
    writer = LineWriter(str(tmp_path / "live.jsonl"), said.append)
    writer.write('{"title": "開場"}\n')
    wait_for(lambda: (tmp_path / "live.jsonl").read_text() == '{"title": "開場"}\n')
    writer.write("/path/\udcff\n")
    writer.close()
    writer.close()
    assert (tmp_path / "live.jsonl").read_text().splitlines()[1] == "/path/\\udcff"
    assert said == []


def test_a_file_that_holds_something_is_never_written_over(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("seatrial: 1\n")
    with pytest.raises(UsageError, match="holds something already") as refused:
        LineWriter(str(plan), print)
    assert refused.value.value == str(plan)
    assert plan.read_text() == "seatrial: 1\n"


@pytest.mark.parametrize("name", ["", "none/live.jsonl", "."])
def test_a_file_that_can_t_be_opened_is_bad_usage_before_the_run(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="can't be written"):
        LineWriter(f"{tmp_path}/{name}", print)


def test_a_fifo_that_nobody_opens_holds_up_nobody(fifo: Path) -> None:
    said: list[str] = []
    writer = LineWriter(str(fifo), said.append, most_waiting=100)
    assert seconds(lambda: [writer.write(LONG) for _ in range(200)]) < 0.2
    assert seconds(lambda: writer.close(0.1)) < 1
    assert said == ["its reader is too slow, lines are left out"]
    unread = LineWriter(str(fifo), said.append)
    unread.write(LONG)
    unread.close(0.1)
    assert said[1:] == ["nobody has opened it for reading"]


def test_a_reader_that_comes_late_has_everything_from_the_beginning(fifo: Path) -> None:
    said: list[str] = []
    writer = LineWriter(str(fifo), said.append)
    for number in range(50):
        writer.write(f"{number}\n")
    with fifo.open() as reader:
        writer.close(5)
        assert reader.read().split() == [str(number) for number in range(50)]
    assert said == []


def test_a_reader_that_takes_nothing_is_left_behind_and_it_is_said_once(fifo: Path) -> None:
    said: list[str] = []
    writer = LineWriter(str(fifo), said.append, most_waiting=50)
    reader = os.open(fifo, os.O_RDONLY)
    try:
        assert seconds(lambda: [writer.write(LONG) for _ in range(1000)]) < 0.5
        assert seconds(lambda: writer.close(0.1)) < 1
    finally:
        os.close(reader)
    assert said == ["its reader is too slow, lines are left out"]


def test_what_was_not_taken_by_the_end_is_said(fifo: Path) -> None:
    said: list[str] = []
    writer = LineWriter(str(fifo), said.append)
    reader = os.open(fifo, os.O_RDONLY)
    try:
        for _ in range(200):  # more than a pipe holds
            writer.write(LONG)
        writer.close(0.1)
    finally:
        os.close(reader)
    assert said == ["its reader did not take all of it"]


def test_a_reader_that_goes_away_is_said_once_and_costs_nothing_more(fifo: Path) -> None:
    said: list[str] = []
    writer = LineWriter(str(fifo), said.append)
    os.close(os.open(fifo, os.O_RDONLY))

    def gone() -> bool:
        writer.write(LONG)
        return bool(said)

    wait_for(gone)
    assert seconds(lambda: [writer.write(LONG) for _ in range(10_000)]) < 0.5
    writer.close()
    assert said == ["nobody reads it any more"]


def test_a_full_disk_is_said_once(tmp_path: Path) -> None:
    said: list[str] = []
    writer = LineWriter("/dev/full", said.append)
    writer.write(LONG)
    writer.close()
    writer.write(LONG)
    assert said == ["No space left on device"]


def test_a_disk_that_fills_up_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    write, room = os.write, [1500]

    def small(fd: int, data: memoryview) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        count = write(fd, data[: room[0]])
        room[0] -= count
        return count

    monkeypatch.setattr(os, "write", small)
    writer = LineWriter(str(tmp_path / "live.jsonl"), said.append)
    writer.write(LONG)
    writer.write(LONG)
    writer.close()
    monkeypatch.undo()
    assert (tmp_path / "live.jsonl").read_text() == LONG
    assert said == ["No space left on device"]


def test_a_pipe_that_its_owner_set_not_to_wait_is_waited_for_by_the_thread_alone(
    fifo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    pipe = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    monkeypatch.setattr(os, "dup", lambda fd: pipe)
    writer = LineWriter("-", said.append)
    for _ in range(200):
        writer.write(LONG)
    os.set_blocking(reader, True)
    with open(reader) as taken:
        text = taken.read(200 * len(LONG))
    writer.close()
    assert text == LONG * 200
    assert said == []
