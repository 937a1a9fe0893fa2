"""The bundle while it is being made: room kept for a full disk, a journal of whole lines, a lock while it grows."""

from __future__ import annotations

import fcntl
import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from seatrial.errors import RecordingError, UsageError
from seatrial.model.journal import Event, EventKind, read_journal
from seatrial.trials.workspace import Workspace, new_bundle_folder

NOW = datetime(2026, 11, 9, 7, 0, tzinfo=UTC)
STARTED = Event(at_ns=1, event=EventKind.RUN_STARTED, data={"seed": 1})


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Refuse writes beyond ``size`` bytes of a file, as a full disk does: what still fits is taken."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    made = Workspace(new_bundle_folder(tmp_path / "bundle", "x", NOW))
    yield made
    made.close()


def test_a_bundle_without_a_place_of_its_own_is_named_after_time_and_plan(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = new_bundle_folder(None, "Sports facility: opening 開場!", NOW)
    assert folder == Path("seatrial-runs/20261109T070000Z-sports-facility-opening")
    assert folder.is_dir()
    assert new_bundle_folder(None, "開場", NOW).name == "20261109T070000Z-run"


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_folder_that_can_t_be_made_is_refused_with_its_name(tmp_path, name):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="Choose another --out") as caught:
        new_bundle_folder(tmp_path / name, "x", NOW)
    assert str(tmp_path / name) in str(caught.value)


def test_room_is_put_aside_and_given_back_once_it_is_needed(workspace):
    ballast = workspace.folder / ".ballast"
    assert ballast.stat().st_blocks * 512 >= 8 * 1024 * 1024  # really there, not a hole
    workspace.make_room()
    workspace.make_room()
    assert not ballast.exists()


def test_a_disk_without_room_for_the_ballast_refuses_the_run_and_keeps_nothing(tmp_path):
    folder = new_bundle_folder(tmp_path / "bundle", "x", NOW)
    with files_no_larger_than(1024 * 1024), pytest.raises(RecordingError, match="the evidence can't be written"):
        Workspace(folder)
    assert list(folder.iterdir()) == []


def test_the_journal_takes_a_line_whole_or_not_at_all(workspace):
    journal = workspace.folder / "journal.jsonl"
    workspace.log(STARTED)
    whole = journal.read_bytes()
    with files_no_larger_than(len(whole) + 10), pytest.raises(RecordingError, match="No space left"):
        workspace.log(STARTED)
    assert journal.read_bytes() == whole
    workspace.log(STARTED)
    assert read_journal(journal) == (STARTED, STARTED)


def test_a_document_that_can_t_be_written_is_no_silence(workspace):
    with (
        files_no_larger_than(3),
        pytest.raises(RecordingError, match="nothing was recorded yet, so this folder may be"),
    ):
        workspace.write("plan.yaml", b"seatrial: 1")
    workspace.spool(0, "load")
    with files_no_larger_than(3), pytest.raises(RecordingError, match="what was recorded so far is kept"):
        workspace.write_json("plan.json", {"title": "too long"})


def test_a_journal_is_locked_while_its_run_goes_on_and_free_afterwards(tmp_path):
    workspace = Workspace(new_bundle_folder(tmp_path / "bundle", "x", NOW))
    other = os.open(workspace.folder / "journal.jsonl", os.O_RDONLY)
    try:
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        workspace.close()
        workspace.close()
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(other)


def test_events_are_lines_of_json(workspace):
    workspace.log(STARTED)
    assert json.loads((workspace.folder / "journal.jsonl").read_text()) == {
        "at_ns": 1,
        "event": "run started",
        "data": {"seed": 1},
    }
