"""Spools and their merge: whole frames count, cut ones are left out, changed ones are found."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.engine.recorder import Recorder
from seatrial.errors import EvidenceError, RecordingError
from seatrial.model.health import HEALTH_COLUMNS
from seatrial.model.sample import COLUMNS, NEVER, Outcome
from seatrial.samples import merge
from seatrial.samples.codec import HEALTH_DTYPE, HEALTH_ROW, ROW, ROW_DTYPE, frame, read_frames
from seatrial.samples.merge import merge_health, merge_stage, part_files
from seatrial.samples.spool import Spool, health_file, stage_file

I16, I64 = st.integers(-(2**15), 2**15 - 1), st.integers(-(2**63), 2**63 - 1)
ROW_VALUES = (I16, I16, I64, I64, I64, I64, I64, st.integers(-128, 127), I16, I64, I64)
ROWS = st.lists(st.tuples(*ROW_VALUES), min_size=1, max_size=5)
EPOCH = 1_000


def row(
    session: int, intended: int, sent: int = NEVER, step: int = 0, outcome: Outcome = Outcome.OK
) -> tuple[int, ...]:
    return (0, step, session, intended, sent, NEVER, intended + 9, int(outcome), 200, 10, 20)


def packed(*rows: tuple[int, ...]) -> bytes:
    return b"".join(ROW.pack(*row) for row in rows)


def health_row(worker: int, at_ns: int) -> bytes:
    told = {"worker": worker, "at_ns": at_ns, "machine_cpu": 0.25}
    return HEALTH_ROW.pack(*(told.get(name, 1) for name, _ in HEALTH_COLUMNS))


def spool_of(path: Path, *frames: list[tuple[int, ...]]) -> Path:
    spool = Spool(path, ROW.size)
    for rows in frames:
        spool.append(packed(*rows))
    spool.close()
    return path


def rows_in(path: Path) -> list[tuple[int, ...]]:
    return [row for frame in read_frames(path, ROW_DTYPE) for row in frame.tolist()]


def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spool") / "a.rows"


def test_a_row_is_laid_out_as_its_columns_say() -> None:
    assert ROW.size == ROW_DTYPE.itemsize
    assert ROW_DTYPE.names == tuple(name for name, _, _ in COLUMNS)
    assert HEALTH_ROW.size == HEALTH_DTYPE.itemsize


@settings(max_examples=40)
@given(frames=st.lists(ROWS, max_size=4))
def test_what_is_spooled_is_read_back(
    frames: list[list[tuple[int, ...]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = spool_of(temporary(tmp_path_factory), *frames)
    assert rows_in(path) == [row for rows in frames for row in rows]


@settings(max_examples=40)
@given(frames=st.lists(ROWS, min_size=1, max_size=3), data=st.data())
def test_a_tail_that_was_cut_off_is_left_out(
    frames: list[list[tuple[int, ...]]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = spool_of(temporary(tmp_path_factory), *frames)
    whole = path.read_bytes()
    last = len(frame(packed(*frames[-1]), ROW.size))
    keep = data.draw(st.integers(len(whole) - last, len(whole) - 1))
    path.write_bytes(whole[:keep])
    assert rows_in(path) == [row for rows in frames[:-1] for row in rows]


@settings(max_examples=40)
@given(frames=st.lists(ROWS, min_size=1, max_size=3), data=st.data())
def test_any_changed_byte_is_found(
    frames: list[list[tuple[int, ...]]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = spool_of(temporary(tmp_path_factory), *frames)
    whole = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(whole))
    with pytest.raises(EvidenceError, match=r"spool file is damaged: a.rows, frame at byte \d+"):
        rows_in(path)


def test_a_frame_needs_whole_rows() -> None:
    for rows in (b"", b"x", packed(row(1, 1)) + b"x"):
        with pytest.raises(ValueError, match="not a whole number of rows"):
            frame(rows, ROW.size)


def test_a_spool_never_writes_over_another(tmp_path: Path) -> None:
    spool_of(tmp_path / "a.rows", [row(1, 1)])
    with pytest.raises(RecordingError, match="File exists") as raised:
        Spool(tmp_path / "a.rows", ROW.size)
    assert raised.value.value == tmp_path / "a.rows"
    assert raised.value.remedy


def test_a_spool_in_no_folder_is_a_recording_error(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="No such file"):
        Spool(tmp_path / "none" / "a.rows", ROW.size)


def test_a_spool_of_nothing_is_empty_and_closes_twice(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "a.rows", ROW.size)
    spool.append(b"")
    spool.close()
    spool.close()
    assert rows_in(tmp_path / "a.rows") == []


def test_a_full_disk_is_a_recording_error_with_path_and_remedy(tmp_path: Path) -> None:
    path = tmp_path / "a.rows"
    spool = Spool(path, ROW.size)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, spool._fd)
    os.close(full)
    with pytest.raises(RecordingError, match="No space left on device") as raised:
        spool.append(packed(row(1, 1)))
    spool.close()
    assert raised.value.value == path
    assert "Free some space" in raised.value.remedy


class Disk:
    """``os.write`` on a disk with room for so many bytes."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._write = os.write

    def write(self, fd: int, data: memoryview) -> int:
        if self.room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        count = self._write(fd, data[: self.room])
        self.room -= count
        return count


def test_half_a_frame_is_taken_back_and_the_failure_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = packed(row(1, 1)), packed(row(2, 2), row(3, 3))
    disk = Disk(len(frame(first, ROW.size)) + 30)
    monkeypatch.setattr(os, "write", disk.write)
    spool = Spool(tmp_path / "a.rows", ROW.size)
    spool.append(first)
    with pytest.raises(RecordingError, match="No space left"):
        spool.append(second)
    disk.room = 10_000
    for rows in (first, b""):  # rows are missing already: nothing may hide that
        with pytest.raises(RecordingError, match="No space left"):
            spool.append(rows)
    spool.close()
    assert (tmp_path / "a.rows").read_bytes() == frame(first, ROW.size)


def test_a_write_in_pieces_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:7]))
    path = spool_of(tmp_path / "a.rows", [row(1, 1), row(2, 2)])
    monkeypatch.undo()
    assert rows_in(path) == [row(1, 1), row(2, 2)]


def test_a_recorder_writes_full_buffers_by_itself_and_the_rest_when_asked(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.rows")
    for i in range(5000):
        recorder.add(*row(i, i + 1))
    assert len(rows_in(tmp_path / "a.rows")) == 4096
    taken = recorder.take()
    assert taken["session"].tolist() == list(range(5000))
    recorder.add(*row(5000, 1))
    recorder.close()
    assert [r[2] for r in rows_in(tmp_path / "a.rows")] == list(range(5001))


def test_the_merge_sorts_and_makes_times_relative(tmp_path: Path) -> None:
    a = spool_of(tmp_path / "a.rows", [row(3, EPOCH + 30, EPOCH + 31)], [row(1, EPOCH + 10)])
    b = spool_of(tmp_path / "b.rows", [row(2, EPOCH + 10), row(1, EPOCH + 10, step=1)])
    missing = tmp_path / "never-written.rows"
    records = merge_stage([a, b, missing], tmp_path / "records", EPOCH)
    assert records.columns == [name for name, _, _ in COLUMNS]
    assert records.select("session", "step", "intended_ns", "sent_ns", "done_ns").rows() == [
        (1, 0, 10, None, 19),
        (1, 1, 10, None, 19),
        (2, 0, 10, None, 19),
        (3, 0, 30, 31, 39),
    ]
    assert records["first_byte_ns"].to_list() == [None] * 4
    (part,) = part_files(tmp_path / "records")
    assert part.name == "part-0000.parquet"
    assert pl.read_parquet(part).equals(records)
    assert not a.exists()
    assert not b.exists()


def test_never_becomes_null_and_no_other_time_does(tmp_path: Path) -> None:
    spool = spool_of(tmp_path / "a.rows", [row(1, EPOCH, EPOCH - 1), row(2, EPOCH, EPOCH)])
    records = merge_stage([spool], tmp_path / "records", EPOCH)
    assert records["sent_ns"].to_list() == [-1, 0]
    assert {name for name in records.columns if records[name].null_count()} == {"first_byte_ns"}


@settings(max_examples=40)
@given(split=st.lists(st.integers(0, 3), min_size=12, max_size=12))
def test_any_spread_over_workers_gives_the_same_records(
    split: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("merge")
    rows = [row(session, EPOCH + session // 3, step=step) for session in range(6) for step in range(2)]
    spools = []
    for worker in range(4):
        mine = [r for r, owner in zip(rows, split, strict=True) if owner == worker]
        if mine:
            spools.append(spool_of(stage_file(folder, 0, worker), mine[::-1]))
    records = merge_stage(spools, folder / "records", EPOCH)
    keys = [(r[3] - EPOCH, r[2], r[1]) for r in rows]
    assert records.select("intended_ns", "session", "step").rows() == sorted(keys)


def test_parts_are_numbered_on_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge, "PART_ROWS", 2)
    folder = tmp_path / "records"
    merge_stage([spool_of(tmp_path / "a.rows", [row(i, i + EPOCH) for i in range(5)])], folder, EPOCH)
    merge_stage([spool_of(tmp_path / "b.rows", [row(i, i + EPOCH) for i in range(5, 8)])], folder, EPOCH)
    merge_stage([tmp_path / "nothing.rows"], folder, EPOCH)
    parts = part_files(folder)
    assert [part.name for part in parts] == [f"part-{i:04d}.parquet" for i in range(5)]
    assert pl.concat(map(pl.read_parquet, parts))["session"].to_list() == list(range(8))
    assert [len(pl.read_parquet(part)) for part in parts] == [2, 2, 1, 2, 1]


def test_a_part_that_cannot_be_written_keeps_the_spool_and_leaves_no_half(tmp_path: Path) -> None:
    spool = spool_of(tmp_path / "a.rows", [row(1, EPOCH)])
    folder = tmp_path / "records"
    folder.mkdir()
    (folder / "part-0000.draft").symlink_to("/dev/full")
    with pytest.raises(RecordingError, match=r"part-0000\.parquet") as raised:
        merge_stage([spool], folder, EPOCH)
    assert "still in the spool" in raised.value.remedy
    assert rows_in(spool) == [row(1, EPOCH)]
    assert list(folder.iterdir()) == []


def test_a_merge_that_failed_halfway_can_be_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge, "PART_ROWS", 2)
    spool = spool_of(tmp_path / "a.rows", [row(i, i + EPOCH) for i in range(5)])
    folder = tmp_path / "records"
    (folder / "part-0001.draft").mkdir(parents=True)
    with pytest.raises(RecordingError):
        merge_stage([spool], folder, EPOCH)
    assert part_files(folder) == []
    (folder / "part-0001.draft").rmdir()
    merge_stage([spool], folder, EPOCH)
    assert pl.concat(map(pl.read_parquet, part_files(folder)))["session"].to_list() == list(range(5))


def test_a_folder_that_cannot_be_made_keeps_the_spool(tmp_path: Path) -> None:
    spool = spool_of(tmp_path / "a.rows", [row(1, EPOCH)])
    (tmp_path / "records").write_text("a file stands here")
    with pytest.raises(RecordingError, match="records"):
        merge_stage([spool], tmp_path / "records", EPOCH)
    assert spool.exists()


def test_a_damaged_spool_stops_the_merge_and_stays(tmp_path: Path) -> None:
    good, bad = spool_of(tmp_path / "a.rows", [row(1, 1)]), spool_of(tmp_path / "b.rows", [row(2, 2)])
    bad.write_bytes(bad.read_bytes()[:-1] + b"!")
    with pytest.raises(EvidenceError, match=r"b\.rows"):
        merge_stage([good, bad], tmp_path / "records", EPOCH)
    assert good.exists()
    assert bad.exists()


def test_a_stage_without_rows_has_records_of_no_length(tmp_path: Path) -> None:
    records = merge_stage([], tmp_path / "records", EPOCH)
    assert (len(records), len(records.columns)) == (0, len(COLUMNS))
    assert part_files(tmp_path / "records") == []
    assert part_files(tmp_path / "nowhere") == []


def test_health_is_merged_by_time_and_worker(tmp_path: Path) -> None:
    paths = []
    for worker in (1, 0):
        spool = Spool(health_file(tmp_path, worker), HEALTH_ROW.size)
        for at in (EPOCH + 20, EPOCH + 10):
            spool.append(health_row(worker, at))
        spool.close()
        paths.append(health_file(tmp_path, worker))
    health = merge_health(paths, tmp_path / "trial" / "health.parquet", EPOCH)
    assert health.select("at_ns", "worker").rows() == [(10, 0), (10, 1), (20, 0), (20, 1)]
    assert health["machine_cpu"].to_list() == [0.25] * 4
    assert pl.read_parquet(tmp_path / "trial" / "health.parquet").equals(health)
    assert not any(path.exists() for path in paths)


def test_health_that_cannot_be_written_stays_in_its_spool(tmp_path: Path) -> None:
    spool = Spool(health_file(tmp_path, 0), HEALTH_ROW.size)
    spool.append(health_row(0, EPOCH))
    spool.close()
    (tmp_path / "health.draft").symlink_to("/dev/full")
    with pytest.raises(RecordingError):
        merge_health([health_file(tmp_path, 0)], tmp_path / "health.parquet", EPOCH)
    frames = list(read_frames(health_file(tmp_path, 0), HEALTH_DTYPE))
    assert [int(value) for value in np.concatenate(frames)["at_ns"]] == [EPOCH]
