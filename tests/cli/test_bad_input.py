"""What goes wrong, and what it gets: one clear message, the exit code of the design, the evidence kept and marked.

Each story is told once, by a process of its own; stories run side by side in the background, and each test waits
for its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from tests.cli.certificates import Issuer
from tests.cli.running import (
    Done,
    children_of,
    free_port,
    is_running,
    seatrial,
    service,
    stopped,
    wait_for,
    write_plan,
)
from tests.ordering import ordered

from seatrial.evidence.recompute import recompute_verdict

pytestmark = pytest.mark.real
Story = Callable[[Path], Done]
STORIES: dict[str, Story] = {}
LONG = (("for: 1s", "for: 30s"),)
RUN = ("--policy", "policy.yaml", "--out", "bundle")


def story(told: Story) -> Story:
    STORIES[told.__name__] = told
    return told


def run(folder: Path, *more: str, before: tuple[str, ...] = ()) -> Done:
    return seatrial("run", "plan.yaml", *RUN, "--workers", 1, *more, cwd=folder, before=before)


@story
def unreachable(folder: Path) -> Done:
    write_plan(folder, f"http://127.0.0.1:{free_port()}")
    return run(folder)


@story
def unresolved(folder: Path) -> Done:
    write_plan(folder, "http://booking.invalid:8080")
    return run(folder, *ordered(folder, "booking.invalid:8080"))


def behind_tls(folder: Path, name: str, lasts: timedelta = timedelta(days=1), ca: str = "tls: {ca: ca.pem}") -> Done:
    issuer = Issuer(folder)
    with service(issuer.server(name, lasts)) as server:
        write_plan(folder, server.url, ("demand:", f"{ca}\ndemand:"))
        done = run(folder)
        return Done(done.code, done.out, done.err + f"\nanswered {len(server.times)}")


@story
def unknown_issuer(folder: Path) -> Done:
    return behind_tls(folder, "127.0.0.1", ca="# no tls.ca")


@story
def wrong_name(folder: Path) -> Done:
    return behind_tls(folder, "booking.example")


@story
def expired(folder: Path) -> Done:
    return behind_tls(folder, "127.0.0.1", timedelta(days=-1))


@story
def right_certificate(folder: Path) -> Done:
    return behind_tls(folder, "127.0.0.1")


@story
def full_disk(folder: Path) -> Done:
    """A disk of 12 MB of which all but some 150 kB is taken, the room that a run puts aside included."""
    return on_small_disk(folder, filler=4_030_000)


@story
def hardly_any_disk(folder: Path) -> Done:
    """A disk of 12 MB of which 7 are free: less than a run puts aside."""
    return on_small_disk(folder, filler=5_000_000)


def on_small_disk(folder: Path, filler: int) -> Done:
    with service() as server:
        changes = (("40/s", "300/s"), ("for: 1s", "for: 30s"), ("demand:", "connections: shared\ndemand:"))
        write_plan(folder, server.url, *changes)
        script = (
            "mkdir disk && mount -t tmpfs -o size=12m none disk &&"
            f" head -c {filler} /dev/zero > disk/filler || exit 99;"
            ' "$@"; code=$?; cp -a disk/bundle . || exit 99; exit $code'
        )
        begin = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh")
        if os.geteuid() == 0:
            begin = ("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh")
        return run(folder, "--out", "disk/bundle", before=begin)


def while_recording(folder: Path, act: Callable[[subprocess.Popen[str]], None], workers: int = 1) -> Done:
    """Run for 30 s, and act once rows of the stage are in a spool."""
    with service() as server:
        write_plan(folder, server.url, *LONG)
        spool = folder / "bundle" / "spool" / "01-load"
        return stopped(
            act,
            *("run", "plan.yaml", *RUN, "--workers", workers),
            until=lambda: any(path.stat().st_size for path in spool.glob("stage-*.rows")),
            cwd=folder,
        )


@story
def ctrl_c(folder: Path) -> Done:
    return while_recording(folder, lambda process: os.killpg(process.pid, signal.SIGINT))


@story
def ctrl_c_at_the_second_level(folder: Path) -> Done:
    with service() as server:
        rise = ("at: 1 P\n    for: 1s", "from: 1 P\n    to: 3 P\n    step: 0.5 P\n    hold: 2s")
        write_plan(folder, server.url, ("kind: load", "kind: stress"), rise)
        spool = folder / "bundle" / "spool" / "01-stress"
        return stopped(
            lambda process: os.killpg(process.pid, signal.SIGINT),
            *("run", "plan.yaml", *RUN, "--workers", 1),
            until=lambda: list(spool.glob("stage-0001*.rows")),
            cwd=folder,
        )


@story
def terminated(folder: Path) -> Done:
    return while_recording(folder, lambda process: process.terminate())


@story
def ctrl_c_twice(folder: Path) -> Done:
    def twice(process: subprocess.Popen[str]) -> None:
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.2)  # two keystrokes of one person
        os.killpg(process.pid, signal.SIGINT)

    return while_recording(folder, twice)


@story
def worker_killed(folder: Path) -> Done:
    def kill_the_last(process: subprocess.Popen[str]) -> None:
        os.kill(children_of(process.pid)[-1], signal.SIGKILL)

    return while_recording(folder, kill_the_last, workers=2)


@story
def run_killed(folder: Path) -> Done:
    orphans: list[int] = []

    def kill(process: subprocess.Popen[str]) -> None:
        orphans.extend(children_of(process.pid))
        process.kill()

    done = while_recording(folder, kill, workers=2)
    assert len(orphans) == 2
    wait_for(lambda: not any(is_running(pid) for pid in orphans), seconds=10)
    return done


JOURNEY = """\
async def visit(session):
    await session.get("/", name="front page")
"""


@story
def untrusted_python(folder: Path) -> Done:
    return in_python(folder)


@story
def trusted_python(folder: Path) -> Done:
    return in_python(folder, "--trust-python")


def in_python(folder: Path, *trust: str) -> Done:
    with service() as server:
        journey = "{python: visit.py:visit, step_names: [front page]}"
        write_plan(folder, server.url, ("{steps: [{get: /, name: front page}]}", journey))
        (folder / "visit.py").write_text(JOURNEY)
        return run(folder, *trust)


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], tuple[Done, Path]]]:
    root = tmp_path_factory.mktemp("stories")
    with ThreadPoolExecutor(5) as pool:
        told: dict[str, Future[Done]] = {}
        for name, tell in reversed(STORIES.items()):  # the long ones, which mostly wait, first
            (root / name).mkdir()
            told[name] = pool.submit(tell, root / name)
        yield lambda name: (told[name].result(timeout=110), root / name / "bundle")
        pool.shutdown(cancel_futures=True)


def events(bundle: Path) -> list[str]:
    return [json.loads(line)["event"] for line in (bundle / "journal.jsonl").read_text().splitlines()]


def rows(bundle: Path) -> int:
    return sum(pl.read_parquet(path).height for path in bundle.glob("records/01-load/part-*.parquet"))


def assert_marked(bundle: Path, event: str, reason: str) -> None:
    """The bundle is whole, says what happened, and every way of looking at it says INVALID."""
    assert event in events(bundle)
    verdict = json.loads((bundle / "verdict.json").read_text())
    assert verdict["verdict"] == "INVALID"
    assert any(reason in given["text"] for trial in verdict["trials"] for given in trial["reasons"]), verdict
    assert "INVALID" in (bundle / "report.html").read_text()
    assert (bundle / "manifest.json").exists()
    assert not (bundle / ".ballast").exists()
    assert recompute_verdict(bundle) == (bundle / "verdict.json").read_bytes()


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("unreachable", "the target can't be reached ([Errno 111] Connection refused): http://127.0.0.1:"),
        ("unresolved", "the target's name does not resolve"),
        ("unknown_issuer", "certificate does not prove its name (unable to get local issuer certificate): https://127"),
        ("wrong_name", "certificate does not prove its name (IP address mismatch, certificate is not valid for"),
        ("expired", "certificate does not prove its name (certificate has expired): https://127.0.0.1:"),
    ],
)
def test_a_target_that_is_not_there_or_does_not_prove_its_name_is_no_fail_but_invalid(stories, name, complaint):
    done, bundle = stories(name)
    assert done.code == 4, done.err
    assert len(done.complaints) == 1
    assert complaint in done.complaints[0]
    assert "answered 0" in done.err or "answered" not in done.err
    assert_marked(bundle, "target failed", complaint)
    assert rows(bundle) == 0


def test_the_name_that_does_not_resolve_is_shown_with_a_remedy(stories):
    assert stories("unresolved")[0].complaints[0].endswith(": booking.invalid. Correct 'target' or the name service.")


def test_the_right_certificate_of_the_issuer_named_in_the_plan_passes(stories):
    done, bundle = stories("right_certificate")
    assert (done.code, done.complaints) == (0, []), done.err + done.out
    assert "PASS" in (bundle / "report.html").read_text()
    assert int(done.err.rpartition("answered ")[2]) == rows(bundle) > 10


def test_a_disk_that_fills_while_recording_leaves_a_sealed_invalid_bundle(stories):
    done, bundle = stories("full_disk")
    assert done.code == 4, (done.code, done.err)
    assert len(done.complaints) == 1
    assert "No space left on device" in done.complaints[0]
    assert "Free some space or choose another --out" in done.complaints[0]
    assert_marked(bundle, "recording failed", "No space left on device")
    assert rows(bundle) > 100
    again = seatrial("assess", bundle, "--json")
    assert again.code == 4
    verdict = json.loads((bundle / "verdict.json").read_text())
    assert {key: again.json[key] for key in verdict} == verdict


def test_a_disk_without_room_for_a_run_is_told_before_anything_is_sent_and_the_folder_may_go(stories):
    done, bundle = stories("hardly_any_disk")
    assert done.code == 4, (done.code, done.err)
    assert done.complaints == [
        "seatrial: the evidence can't be written (No space left on device): disk/bundle. Free some space or choose "
        "another --out; nothing was recorded yet, so this folder may be deleted. A run keeps 8 MB of room from its "
        "beginning on."
    ]
    assert list(bundle.iterdir()) == []


@pytest.mark.parametrize("name", ["ctrl_c", "terminated"])
def test_a_person_who_stops_the_run_keeps_the_evidence_marked(stories, name):
    done, bundle = stories(name)
    assert done.code == 5, done.err
    assert done.complaints == ["seatrial: a person stopped the run. The evidence so far is kept and marked."]
    assert_marked(bundle, "interrupted", "The trial was interrupted: a person stopped the run.")
    assert "No stage was finished, so there are no figures." in done.out
    assert rows(bundle) > 10
    assert not list(bundle.glob("spool/*/*"))
    # A second until the run looks up, three for what is under way, two for the report; the rest is a busy machine.
    assert done.seconds < 15


def test_of_a_run_that_a_person_stopped_the_finished_stages_are_shown_and_the_rest_is_said_to_be_missing(stories):
    done, bundle = stories("ctrl_c_at_the_second_level")
    assert done.code == 5, done.err
    (trial,) = json.loads((bundle / "verdict.json").read_text())["trials"]
    assert (trial["verdict"], [stage["name"] for stage in trial["stages"]]) == ("INVALID", ["1 P"])
    shown = done.out.partition("Only the stages that were finished are shown; the rest is missing")[2]
    assert any(line.split()[:2] == ["1", "P"] for line in shown.splitlines()), done.out
    assert "1.5 P" not in shown


def test_a_second_ctrl_c_ends_the_run_at_once(stories):
    done, bundle = stories("ctrl_c_twice")
    assert done.code == 5
    assert done.seconds < 2
    assert done.complaints[-1] == "seatrial: stopped at once; the bundle is neither judged nor sealed"
    assert "Traceback" not in done.err
    assert not (bundle / "manifest.json").exists()
    looked = seatrial("assess", bundle)
    assert looked.code == 4
    assert "the run was killed" in looked.out or "The trial was interrupted" in looked.out


def test_a_worker_that_is_killed_is_named_and_makes_the_trial_invalid(stories):
    done, bundle = stories("worker_killed")
    assert done.code == 4, done.err
    assert len(done.complaints) == 1
    assert "worker 1 of 2 was killed by signal 9" in done.complaints[0]
    assert_marked(bundle, "worker lost", "worker 1 of 2 was killed by signal 9")
    assert rows(bundle) > 10


def test_a_run_that_is_killed_leaves_rows_that_can_be_recovered_and_never_pass(stories, tmp_path):
    done, bundle = stories("run_killed")
    assert done.code == -signal.SIGKILL
    looked = seatrial("assess", bundle)
    assert looked.code == 4
    assert "The journal stops before the trial ended: the run was killed." in looked.out
    left = seatrial("assess", bundle, "--json").json
    assert (left["verdict"], left["digest"]) == ("INVALID", None)
    assert left["rows_left"] > 10
    assert f"{left['rows_left']:,} rows that its workers wrote are not yet among the records" in looked.out
    assert seatrial("report", bundle, "--html", tmp_path / "report.html").code == 0
    assert "INVALID" in (tmp_path / "report.html").read_text()
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    recovered = seatrial("recover", copy)
    assert (recovered.code, recovered.complaints) == (4, [])
    assert rows(copy) == left["rows_left"]
    assert not (copy / "spool").exists()
    assert_marked(copy, "stage started", "the run was killed")
    again = seatrial("recover", copy)
    assert (again.code, again.complaints[0]) == (
        2,
        f"seatrial: the bundle is finished already: {copy}. Look at it with assess or verify.",
    )


def test_python_of_a_plan_is_run_only_by_who_trusts_it(stories):
    refused, bundle = stories("untrusted_python")
    assert refused.code == 2
    assert refused.complaints == [
        "seatrial: the plan runs its author's Python code: visit. "
        "Read the code; if you trust it as your own, add --trust-python."
    ]
    assert not bundle.exists()
    trusted, bundle = stories("trusted_python")
    assert (trusted.code, trusted.complaints) == (0, []), trusted.out
    assert "PASS" in (bundle / "report.html").read_text()
    code = json.loads((bundle / "environment.json").read_text())["code"]["visit"]
    assert (bundle / code["file"]).read_text() == JOURNEY
    assert code["sha256"] == hashlib.sha256(JOURNEY.encode()).hexdigest()


MISTAKES = """\
seatrial: 1
titel: Ten mistakes
target: ftp://127.0.0.1
demand: {peak: fast}
seed: -1
deadlines: {connect: 2}
journeys:
  visit:
    weight: 0
    steps:
      - fetch: /
      - get: /
        expect: {status: 99}
trials:
  - kind: loaf
  - {kind: load, at: 1 P, for: 1s, objectives: [p95 of everything <= 1s]}
"""


def test_ten_mistakes_are_told_at_once_each_with_its_line(tmp_path):
    (tmp_path / "plan.yaml").write_text(MISTAKES)
    done = seatrial("run", "plan.yaml", "--out", "bundle", cwd=tmp_path)
    assert done.code == 2
    *problems, last = done.err.splitlines()
    assert last == f"seatrial: {len(problems)} problems in the plan"
    assert len(problems) >= 10
    lines = [int(problem.split(":")[1]) for problem in problems if problem.startswith("plan.yaml:")]
    assert len(lines) == len(problems)
    assert lines == sorted(lines)
    assert set(lines) >= {2, 3, 4, 5, 6, 9, 11, 13, 15, 16}
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    ("csv", "complaint"),
    [
        (None, "patrons.csv"),
        (b"", "patrons.csv"),
        ("id,name\nP1,陳嘉欣\n".encode("big5"), "patrons.csv"),
    ],
    ids=["missing", "empty", "in another encoding"],
)
def test_a_feeder_that_is_missing_empty_or_in_another_encoding_is_refused(tmp_path, csv, complaint):
    steps = "steps: [{get: /, name: front page}]"
    write_plan(tmp_path, "http://127.0.0.1:9", (steps, "feed: {patron: patrons.csv}, " + steps))
    if csv is not None:
        (tmp_path / "patrons.csv").write_bytes(csv)
    done = seatrial("run", "plan.yaml", "--out", "bundle", cwd=tmp_path)
    assert done.code == 2
    assert done.complaints == ["seatrial: 1 problem in the plan"]
    assert complaint in done.err.splitlines()[0]
    assert not (tmp_path / "bundle").exists()


def without_network(folder: Path, *more: str) -> Done:
    """Run where no packet leaves: a connection that is tried ends as "can't be reached", with code 4."""
    (folder / "hosts").write_text("192.0.2.1 localhost\n")
    script = 'mount --bind hosts /etc/hosts || exit 99; exec "$@"'
    begin = ("unshare", "--user", "--map-root-user", "--mount", "--net", "sh", "-c", script, "sh")
    return seatrial("run", "plan.yaml", "--out", "bundle", *more, cwd=folder, before=begin)


@pytest.mark.parametrize(("target", "place"), [("http://192.0.2.1", "192.0.2.1:80"), ("http://3221225985:8080", "")])
def test_a_target_beyond_this_machine_is_refused_before_any_connection(tmp_path, target, place):
    write_plan(tmp_path, target)
    done = without_network(tmp_path)
    assert (done.code, len(done.complaints)) == (2, 1), done.err
    assert "the target is beyond this machine (192.0.2.1) and nothing shows that it may be loaded" in done.complaints[0]
    assert f": {place}" in done.complaints[0]
    assert not (tmp_path / "bundle").exists()


def test_a_name_of_this_machine_that_resolves_elsewhere_is_refused_before_any_connection(tmp_path):
    write_plan(tmp_path, "http://localhost:8080")
    done = without_network(tmp_path)
    assert (done.code, len(done.complaints)) == (2, 1), done.err
    assert "the target is beyond this machine (192.0.2.1) and nothing shows" in done.complaints[0]
    assert "localhost:8080" in done.complaints[0]
    assert not (tmp_path / "bundle").exists()


def test_an_order_for_less_than_the_plan_offers_is_refused(tmp_path):
    write_plan(tmp_path, "http://192.0.2.1")
    done = without_network(tmp_path, *ordered(tmp_path, "192.0.2.1:80", max_per_second=39.0))
    assert done.code == 2, done.err
    assert "40/s > 39/s" in done.err
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"format": "other", "name": "", "version": "", "subjects": []}'])
def test_a_release_manifest_that_is_none_is_named_as_it_was_given(tmp_path, content):
    write_plan(tmp_path, "http://127.0.0.1:9")
    (tmp_path / "mine.json").write_text(content)
    done = seatrial("run", "plan.yaml", "--out", "bundle", "--release", "mine.json", cwd=tmp_path)
    assert done.code == 2
    assert "mine.json" in done.complaints[0]
    assert "release.json" not in done.err
    assert not (tmp_path / "bundle").exists()


def test_an_output_folder_that_holds_something_is_refused_and_left_as_it_was(tmp_path):
    write_plan(tmp_path, "http://127.0.0.1:9")
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "earlier.txt").write_text("evidence")
    done = seatrial("run", "plan.yaml", "--out", "bundle", cwd=tmp_path)
    assert (done.code, done.complaints) == (
        2,
        ["seatrial: the folder for the bundle is not empty: bundle. Every run gets a folder of its own."],
    )
    assert [path.name for path in (tmp_path / "bundle").iterdir()] == ["earlier.txt"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--workers", "0"), "--workers"),
        (("--backend", "cloud"), "no such backend: cloud"),
        (("--release", "nowhere.json"), "nowhere.json"),
        (("--key", "nowhere.pem"), "nowhere.pem"),
    ],
)
def test_a_wrong_option_is_bad_usage_and_leaves_nothing(tmp_path, arguments, complaint):
    write_plan(tmp_path, "http://127.0.0.1:9")
    done = seatrial("run", "plan.yaml", "--out", "bundle", *arguments, cwd=tmp_path)
    assert done.code == 2, done.err
    assert complaint in done.err
    assert len(done.complaints) == 1
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("command", ["assess", "pack", "recover", "report"])
def test_a_bundle_that_is_not_there_is_bad_usage(tmp_path, command):
    done = seatrial(command, "nowhere", *(["file"] if command == "pack" else []), cwd=tmp_path)
    assert done.code == 2
    assert done.complaints == ["seatrial: there is no bundle here: nowhere. Give a bundle's folder or its packed file."]


@pytest.mark.parametrize("command", ["assess", "recover", "report", "histogram"])
def test_a_folder_that_is_no_bundle_is_invalid_and_no_fail(tmp_path, command):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "plan.json").write_text("{}")
    done = seatrial(command, "bundle", cwd=tmp_path)
    assert done.code == 4
    assert len(done.complaints) == 1
    assert "Traceback" not in done.err
