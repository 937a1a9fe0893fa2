"""A bundle's raw records lead to the same verdict anywhere; a torn bundle leads to none, or to INVALID."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from tests.verdict.made import DIGEST, Made, exponential, load, make, plan_of, stress

from seatrial.errors import BundleError
from seatrial.evidence.recompute import recompute, recompute_verdict
from seatrial.model.journal import Event, EventKind
from seatrial.model.plan import plan_document, trial_slug
from seatrial.model.sample import SESSION_STRIDE
from seatrial.model.verdict import RunVerdict, Verdict
from seatrial.units import MS
from seatrial.verdict.judge import judge

PLAN = plan_of(
    load("p95 response time <= 2s", "errors <= 1%"),
    stress("p95 response time <= 2s", "capacity >= 2 P", name="Über die Grenze"),
)
TRIALS = [make(PLAN, exponential(100 * MS), trial=trial) for trial in (0, 1)]
SLUGS = [trial_slug(index, name) for index, name in enumerate(PLAN.trial_names())]


def events(made: Made) -> list[Event]:
    found = [Event(at_ns=1, event=EventKind.TRIAL_STARTED, trial=made.trial, data={"workers": made.workers})]
    for log in made.stages:
        facts = {"load_end_ns": log.load_end_ns, "drained_ns": log.drained_ns, "sessions": log.sessions}
        at = {"trial": made.trial, "stage": log.index}
        found.append(Event(at_ns=log.started_ns, event=EventKind.STAGE_STARTED, **at))
        found.append(Event(at_ns=log.drained_ns or 0, event=EventKind.STAGE_ENDED, data=facts, **at))
    found += [
        Event(at_ns=9, event=EventKind.DECISION, trial=made.trial, stage=stage, data={"next": following, "held": True})
        for stage, following in made.decisions
    ]
    return [*found, Event(at_ns=10, event=EventKind.TRIAL_ENDED, trial=made.trial)]


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    (folder / "plan.json").write_text(json.dumps(plan_document(PLAN)))
    (folder / "policy.json").write_text(json.dumps(TRIALS[0].policy.as_document()))
    (folder / "environment.json").write_text(json.dumps({"plan_digest": DIGEST}))
    lines = [event.line() for made in TRIALS for event in events(made)]
    (folder / "journal.jsonl").write_text("".join(lines))
    (folder / "health").mkdir()
    for slug, made in zip(SLUGS, TRIALS, strict=True):
        records = folder / "records" / slug
        records.mkdir(parents=True)
        size = len(made.records) // 3 + 1
        for number, start in enumerate(range(0, len(made.records), size)):
            made.records[start : start + size].write_parquet(records / f"part-{number:04d}.parquet")
        made.health.write_parquet(folder / "health" / f"{slug}.parquet")
    return folder


@pytest.fixture
def bundle(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "bundle"))


def codes(run: RunVerdict, trial: int) -> set[str]:
    return {reason.code for reason in run.trials[trial].reasons}


def test_the_recomputed_verdict_is_the_one_that_was_given(bundle: Path) -> None:
    given = judge(PLAN, DIGEST, TRIALS[0].policy, [made.data for made in TRIALS])
    assert given.verdict is Verdict.PASS
    assert recompute(bundle) == given
    assert json.loads(recompute_verdict(bundle)) == given.as_document()
    assert recompute_verdict(bundle) == recompute_verdict(bundle)


def test_the_verdict_has_the_same_bytes_on_any_number_of_threads(bundle: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from seatrial.evidence.recompute import recompute_verdict; "
        "sys.stdout.buffer.write(recompute_verdict(Path(sys.argv[1])))"
    )
    for threads in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program, str(bundle)],
            env={"POLARS_MAX_THREADS": threads, "OMP_NUM_THREADS": threads},
            capture_output=True,
            check=True,
            timeout=60,
        )
        assert done.stdout == recompute_verdict(bundle)


def test_recomputing_loads_no_engine_and_not_the_slow_half_of_scipy() -> None:
    program = (
        "import sys, seatrial.evidence.recompute; "
        "print([m for m in sys.modules if m.startswith(('seatrial.engine', 'seatrial.authoring', 'seatrial.backends', "
        "'seatrial.reports', 'uvloop', 'django', 'ray', 'scipy.stats'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["plan.json", "policy.json", "environment.json", "journal.jsonl"])
@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"plan_digest": "abc"}', "null\n"])
def test_without_the_story_there_is_no_verdict(bundle: Path, name: str, content: str | None) -> None:
    path = bundle / name
    path.unlink()
    if content is not None:
        path.write_text(content)
    if name == "journal.jsonl" and content in ("", "{", "[]", '{"plan_digest": "abc"}'):
        # A journal without a whole line says that nothing was begun.
        run = recompute(bundle)
        assert run.verdict is Verdict.INVALID
        assert "validity.not_started" in codes(run, 0)
    else:
        with pytest.raises(BundleError):
            recompute(bundle)


@pytest.mark.parametrize(
    "line",
    [
        '{"at_ns": 1, "event": "trial started", "trial": 0}',
        '{"at_ns": 1, "event": "trial started", "trial": 0, "data": {"workers": "many"}}',
        '{"at_ns": 1, "event": "stage ended", "trial": 0, "stage": 9, "data": {}}',
        '{"at_ns": 1, "event": "decision", "trial": 0, "stage": 0, "data": {}}',
        '{"at_ns": 1, "event": "decision", "trial": 0, "stage": 0, "data": {"next": "on"}}',
        '{"at_ns": 1, "event": "mutiny"}',
        '{"at_ns": 1, "event": "trial started", "trial": 0, "data": {"workers": 1e999}}',
        '{"at_ns": 1, "event": "trial started", "trial": 0, "data": {"workers": 1000000000000}}',
        '{"at_ns": 1, "event": "trial started", "trial": 0, "data": {"workers": true}}',
        '{"at_ns": 1, "event": "trial started", "trial": 0, "data": {"workers": 1, "clock_offset_ns": "now"}}',
        '{"at_ns": 1, "event": "trial started", "trial": 0, "data": {"workers": 1, "clock_offset_ns": true}}',
        '{"at_ns": 1, "event": "trial started", "trial": 0, "data": {"workers": 1, "clock_offset_ns": 1e999}}',
        '{"at_ns": 1, "event": "trial started", "trial": 0, "data": {"workers": '
        + "[" * 100_000
        + "]" * 100_000
        + "}}",
        '{"at_ns": -1, "event": "run ended"}',
    ],
)
def test_a_torn_journal_is_refused(bundle: Path, line: str) -> None:
    with (bundle / "journal.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(BundleError):
        recompute(bundle)


def test_a_loss_that_names_no_trial_is_every_trial_s(bundle: Path) -> None:
    path = bundle / "journal.jsonl"
    path.write_text('{"at_ns": 1, "event": "worker lost"}\n' + path.read_text())
    run = recompute(bundle)
    assert codes(run, 0) == codes(run, 1) == {"validity.worker_lost"}


def test_a_trial_started_again_keeps_its_lost_workers_in_mind(bundle: Path) -> None:
    path = bundle / "journal.jsonl"
    path.write_text('{"at_ns": 1, "event": "trial started", "trial": 0, "data": {"workers": 2}}\n' + path.read_text())
    assert "validity.health_missing" in codes(recompute(bundle), 0)


def test_a_journal_cut_off_in_the_middle_is_a_killed_run(bundle: Path) -> None:
    path = bundle / "journal.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]) + lines[-1][:10])
    run = recompute(bundle)
    assert (run.trials[0].verdict, run.trials[1].verdict) == (Verdict.PASS, Verdict.INVALID)
    assert codes(run, 1) == {"validity.ending_unknown"}


def _garbage(folder: Path) -> None:
    (folder / "part-0001.parquet").write_bytes(b"PAR1 not really PAR1")


def _cut(folder: Path) -> None:
    path = folder / "part-0001.parquet"
    path.write_bytes(path.read_bytes()[:-50])


def _other_columns(folder: Path) -> None:
    path = folder / "part-0001.parquet"
    pl.read_parquet(path).with_columns(pl.col("status").cast(pl.Int64)).write_parquet(path)


def _link(folder: Path) -> None:
    path = folder / "part-0001.parquet"
    path.rename(folder / "elsewhere")
    path.symlink_to(folder / "elsewhere")


def _bomb(folder: Path) -> None:
    """A million and one equal rows in a few kilobytes: what no run writes into one part."""
    path = folder / "part-0001.parquet"
    row = pl.read_parquet(path).head(1)
    pl.concat([row] * 64, rechunk=True).select(pl.all().repeat_by(15_626).explode()).write_parquet(path)
    assert path.stat().st_size < 100_000


@pytest.mark.parametrize("spoil", [_garbage, _cut, _other_columns, _link, _bomb])
def test_records_that_cannot_be_read_make_their_trial_invalid(bundle: Path, spoil: Callable[[Path], None]) -> None:
    spoil(bundle / "records" / SLUGS[0])
    run = recompute(bundle)
    assert (run.trials[0].verdict, run.trials[1].verdict) == (Verdict.INVALID, Verdict.PASS)
    assert "validity.records_unreadable" in codes(run, 0)
    assert "part-0001.parquet" in " ".join(reason.text for reason in run.trials[0].reasons)


def test_damaged_pages_make_their_trial_invalid(bundle: Path) -> None:
    for part in sorted((bundle / "records" / SLUGS[0]).iterdir()):
        data = bytearray(part.read_bytes())
        data[4 : len(data) // 2] = b"\x5a" * (len(data) // 2 - 4)
        part.write_bytes(bytes(data))
    run = recompute(bundle)
    assert run.trials[0].verdict is Verdict.INVALID


def test_a_missing_part_shows_as_missing_sessions(bundle: Path) -> None:
    (bundle / "records" / SLUGS[0] / "part-0001.parquet").unlink()
    assert codes(recompute(bundle), 0) == {"validity.sessions_missing"}


def test_a_missing_folder_of_records_is_invalid(bundle: Path) -> None:
    shutil.rmtree(bundle / "records" / SLUGS[1])
    assert "validity.no_records" in codes(recompute(bundle), 1)


def test_missing_health_rows_are_invalid(bundle: Path) -> None:
    (bundle / "health" / f"{SLUGS[1]}.parquet").unlink()
    assert codes(recompute(bundle), 1) == {"validity.health_missing"}
    (bundle / "health" / f"{SLUGS[0]}.parquet").write_bytes(b"no rows")
    assert "validity.health_unreadable" in codes(recompute(bundle), 0)


def test_another_digest_of_the_plan_is_another_schedule(bundle: Path) -> None:
    (bundle / "environment.json").write_text(json.dumps({"plan_digest": "cd" * 32}))
    run = recompute(bundle)
    assert run.verdict is Verdict.INVALID
    assert codes(run, 0) & {"validity.sessions_missing", "validity.sessions_extra", "validity.schedule_slipped"}


def test_levels_swapped_in_the_records_are_found(bundle: Path) -> None:
    for part in (bundle / "records" / SLUGS[1]).iterdir():
        frame = pl.read_parquet(part)
        flipped = (4 - frame["session"] // SESSION_STRIDE) * SESSION_STRIDE + frame["session"] % SESSION_STRIDE
        frame.with_columns(flipped.alias("session")).write_parquet(part)
    assert recompute(bundle).trials[1].verdict is Verdict.INVALID
