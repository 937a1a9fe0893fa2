"""Access logs whose truth is known: what made them is found in them again, and nothing personal comes out."""

from __future__ import annotations

import gzip
import json
import math
import random
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from seatrial.authoring.access_log import AccessLog, Entry
from seatrial.authoring.curves import read_curve
from seatrial.authoring.draft_plan import draft_plan
from seatrial.authoring.log_paths import Paths, written
from seatrial.authoring.log_summary import LogSummary, summarise_log
from seatrial.authoring.yaml_plan import load_plan
from seatrial.cli.plans import register
from seatrial.errors import PlanError, UsageError

BEGUN = datetime(2025, 10, 10, 7, 0, 0, tzinfo=timezone(timedelta(hours=8)))
MEDIAN_S, SIGMA = 8.0, 0.6
JOURNEYS = {
    ("GET /", "GET /sessions?day=3", "GET /sessions/{n}", "POST /bookings"): 0.5,
    ("GET /", "GET /sessions?day=3"): 0.3,
    ("GET /my/bookings/{n}",): 0.2,
}
AGENTS = ("Mozilla/5.0 (X11)", 'Mozilla/5.0 (iPhone) \\"quoted\\"', "Browser/1.0")
Row = tuple[datetime, str, str, str, int]


def made(seed: int = 1, sessions: int = 4000, seconds: int = 1200) -> list[Row]:
    """Return requests of sessions: twice as many a second begin in the second half as in the first."""
    draw = random.Random(seed)
    rows: list[Row] = []
    for number in range(sessions):
        at = draw.uniform(0, seconds / 2) if draw.random() < 1 / 3 else draw.uniform(seconds / 2, seconds)
        client, agent = f"198.51.{number // 250}.{number % 250}", draw.choice(AGENTS)
        for index, step in enumerate(draw.choices(list(JOURNEYS), list(JOURNEYS.values()))[0]):
            at += draw.lognormvariate(math.log(MEDIAN_S), SIGMA) if index else 0
            when = BEGUN + timedelta(seconds=int(at))
            rows.append((when, client, agent, step.replace("{n}", str(draw.randrange(10**6))), 200))
            rows.append((when, client, agent, "GET /static/site.css?v=7", 200))
    return sorted(rows, key=lambda row: row[0])


def combined(row: Row) -> str:
    at, client, agent, request, status = row
    return f'{client} - someone [{at:%d/%b/%Y:%H:%M:%S %z}] "{request} HTTP/1.1" {status} 512 "-" "{agent}"\n'


def common(row: Row) -> str:
    at, client, _, request, status = row
    return f'{client} - - [{at:%d/%b/%Y:%H:%M:%S %z}] "{request} HTTP/1.1" {status} -\n'


def json_line(row: Row) -> str:
    at, client, agent, request, status = row
    fields = {"time_iso8601": at.isoformat(), "remote_addr": client, "request": f"{request} HTTP/2.0"}
    return json.dumps(fields | {"http_user_agent": agent, "status": str(status)}) + "\n"


def write(path: Path, rows: list[Row], form: Callable[[Row], str] = combined) -> Path:
    text = "".join(map(form, rows)).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return made()


def check_truth(found: LogSummary) -> None:
    assert found.sessions == 4000
    shares = [journey.sessions / found.sessions for journey in found.journeys]
    assert [len(journey.steps) for journey in found.journeys[:3]] == [4, 2, 1]
    assert shares[:3] == pytest.approx([0.5, 0.3, 0.2], abs=0.03)
    assert [path for _, path in found.journeys[0].steps] == ["/", "/sessions", "/sessions/{id}", "/bookings"]
    assert found.journeys[0].pauses == (False, True, True, True)
    assert found.think is not None
    assert found.think.median_s == pytest.approx(MEDIAN_S, rel=0.05)
    assert found.think.sigma == pytest.approx(SIGMA, abs=0.05)


@pytest.mark.parametrize(("name", "form"), [("a.log", combined), ("a.log.gz", combined), ("a.json", json_line)])
def test_journeys_and_think_times_are_found_as_they_were_made(
    name: str, form: Callable[[Row], str], rows: list[Row], tmp_path: Path
) -> None:
    found = summarise_log([write(tmp_path / name, rows, form)])
    check_truth(found)
    assert (found.bad, found.robots, found.late, found.assets) == (0, 0, 0, found.pages)


def test_the_common_form_has_no_agents_and_the_same_truth(rows: list[Row], tmp_path: Path) -> None:
    check_truth(summarise_log([write(tmp_path / "a.log", rows, common)]))


def test_the_curve_of_arrivals_has_the_shape_and_the_number_that_were_made(rows: list[Row], tmp_path: Path) -> None:
    found = summarise_log([write(tmp_path / "a.log", rows)], bin_s=600)
    first, second = found.sessions_per_s[:2]
    assert first * 600 == pytest.approx(4000 / 3, rel=0.08)
    assert second / first == pytest.approx(2, rel=0.1)
    assert sum(found.sessions_per_s) * 600 == pytest.approx(4000)
    assert sum(found.requests_per_s) * 600 == pytest.approx(len(rows))


def test_lines_out_of_order_within_a_minute_change_nothing(rows: list[Row], tmp_path: Path) -> None:
    draw = random.Random(5)
    shuffled = sorted(rows, key=lambda row: row[0] + timedelta(seconds=draw.uniform(0, 50)))
    assert shuffled != rows
    found = summarise_log([write(tmp_path / "a.log", shuffled)])
    check_truth(found)
    assert found.late == 0


def test_files_in_the_wrong_order_are_refused_and_in_the_right_one_taken(rows: list[Row], tmp_path: Path) -> None:
    middle = len(rows) // 2
    old, new = write(tmp_path / "old.log.gz", rows[:middle]), write(tmp_path / "new.log", rows[middle:], json_line)
    check_truth(summarise_log([old, new]))
    with pytest.raises(PlanError, match="an access log out of order"):
        summarise_log([new, old])


def test_times_are_instants_whatever_zone_they_are_written_in(rows: list[Row], tmp_path: Path) -> None:
    zones = [timezone(timedelta(hours=hours, minutes=minutes)) for hours, minutes in ((0, 0), (-9, -30), (5, 45))]
    mixed = [(row[0].astimezone(zones[index % 3]), *row[1:]) for index, row in enumerate(rows)]
    there = summarise_log([write(tmp_path / "a.log", mixed)])
    here = summarise_log([write(tmp_path / "b.log", rows)])
    assert there == here
    assert there.begun_s == pytest.approx(BEGUN.timestamp(), abs=2)


def test_broken_lines_are_counted_and_refused_above_their_share(rows: list[Row], tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    lines = [combined(row) for row in rows[:2000]]
    broken = ["nonsense\n", lines[0][:40] + "\n", '{"time": 1}\n', "{" * 5000 + "\n", lines[0].replace("Oct", "Okt")]
    broken += [lines[0].replace(":07:", ":27:"), "\x00\xff\n", "x" * 200_000 + "\n"]
    for index, line in enumerate(broken):
        lines.insert(10 + 100 * index, line)
    path.write_text("".join(lines) + "\n\n", encoding="latin-1")
    assert summarise_log([path]).bad == len(broken)
    with pytest.raises(PlanError) as caught:
        summarise_log([path], most_bad=0.003)
    assert str(caught.value) == (
        f"{path}:11: too many lines in no known form: 8 of 2008 lines, 0.4 %. "
        "Name a log in Common, Combined or JSON form, or allow more with --bad-lines."
    )


def test_a_log_of_another_kind_is_given_up_early(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("Oct 10 07:00:00 host sshd[1]: nothing\n" * 20_000, encoding="utf-8")
    with pytest.raises(PlanError, match="too many lines in no known form: 5001 of 5001"):
        summarise_log([path])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "an access log without a single request"),
        (gzip.compress(combined((BEGUN, "a", "b", "GET /", 200)).encode() * 9000)[:-9], "the gzip is torn"),
        (b"\x1f\x8bnot gzip at all", "the gzip is torn"),
        (gzip.compress(b"\0" * (17 << 20)), "a line of more than 16 MiB"),
        (combined((BEGUN, "a", "Googlebot/2.1", "GET /", 200)).encode(), "an access log without a session"),
        (
            (
                common((BEGUN, "a", "", "GET /", 200)) + common((BEGUN + timedelta(days=32), "a", "", "GET /", 200))
            ).encode(),
            "an access log of more than 31 days",
        ),
    ],
)
def test_a_file_that_says_nothing_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(content)
    with pytest.raises(PlanError, match=said):
        summarise_log([tmp_path / "a.log"])


def test_a_missing_log_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="No such file"):
        summarise_log([tmp_path / "none.log"])
    with pytest.raises(PlanError, match="not a file"):
        summarise_log([tmp_path])


def test_robots_what_is_not_there_and_lines_without_a_request_make_no_session(tmp_path: Path) -> None:
    other = [
        (BEGUN, "192.0.2.1", "Googlebot/2.1", "GET /", 200),
        (BEGUN, "192.0.2.2", "curl/8.0", "GET /", 200),
        (BEGUN, "192.0.2.3", "Mozilla", "GET /wp-login.php", 404),
        (BEGUN, "192.0.2.4", "Mozilla", "\\x16\\x03\\x01", 400),
        (BEGUN, "192.0.2.5", "Mozilla", "GET http://elsewhere.example/", 400),
    ]
    found = summarise_log([write(tmp_path / "a.log", [*other, (BEGUN, "192.0.2.6", "Mozilla", "GET /", 200)])])
    assert (found.robots, found.missing, found.without_request, found.sessions) == (2, 1, 2, 1)


def test_a_long_silence_ends_a_session(tmp_path: Path) -> None:
    rows = [(BEGUN + timedelta(minutes=m), "192.0.2.1", "Mozilla", "GET /", 200) for m in (0, 29, 60)]
    assert summarise_log([write(tmp_path / "a.log", rows)]).sessions == 2
    assert summarise_log([write(tmp_path / "a.log", rows)], gap_s=60 * 31).sessions == 1


def test_nothing_personal_comes_out(tmp_path: Path) -> None:
    names = ["chan-tai-man", "mary.wong", "john", "someone@example.org", "A123456", "deadbeef", "陳大文"]
    rows = []
    for number in range(200):
        at, client = BEGUN + timedelta(seconds=number), f"203.0.113.{number}"
        secret = names[number % len(names)] if number < 20 else f"tok{number}"
        rows += [
            (at, client, "PersonalBrowser/7", f"GET /users/{secret}/profile?email={secret}", 200),
            (at + timedelta(seconds=5), client, "PersonalBrowser/7", "GET /users/me;jsessionid=ABC", 200),
        ]
    path = write(tmp_path / "a.log", rows)
    done = CliRunner().invoke(app(), ["plan", "from-logs", str(path), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.exception
    as_json = CliRunner().invoke(app(), ["plan", "from-logs", str(path), "--json"])
    everything = done.output + as_json.output
    everything += "".join(file.read_text(encoding="utf-8") for file in (tmp_path / "out").iterdir())
    assert "/users/{id}/profile" in everything
    assert "/users/me" in everything
    for secret in (*names, "tok", "203.0.113", "PersonalBrowser", "jsessionid", "email", "someone"):
        assert secret not in everything.replace(str(tmp_path), ""), secret


def test_a_word_is_shown_once_five_clients_asked_for_it() -> None:
    paths = Paths()
    for number in range(4):
        template = paths.note("/people/john", bytes([number]))
    for number in range(4, 9):
        paths.note("/people/edit", bytes([number]))
    assert written(paths.shown(template)) == "/people/{id}"
    paths.note("/people/john", b"another")
    assert written(paths.shown(template)) == "/people/john"
    assert written(paths.shown(paths.note("/people/john/", b"x"))) == "/people/john"
    crowd = [
        paths.note(f"/people/{chr(97 + n % 26)}{chr(97 + n // 26)}x", bytes([c])) for n in range(120) for c in range(6)
    ]
    assert {written(paths.shown(template)) for template in crowd} == {"/people/{id}"}


def app() -> typer.Typer:
    made = typer.Typer()
    register(made)
    return made


def test_the_command_writes_a_plan_that_is_one_and_a_curve_that_reads_back(rows: list[Row], tmp_path: Path) -> None:
    path = write(tmp_path / "a.log.gz", rows)
    done = CliRunner().invoke(app(), ["plan", "from-logs", str(path), "--out", str(tmp_path / "out"), "--bin", "1min"])
    assert done.exit_code == 0, done.exception
    assert re.search(r"think times: median [78]\.\d+ s, sigma 0\.6", done.output)
    plan = load_plan(tmp_path / "out" / "plan.yaml").plan
    assert [len(journey.labels) for journey in plan.journeys.values()] == [4, 2, 1]
    assert [trial.title for trial in plan.trials] == ["load", "as recorded"]
    shares = [weight / sum(plan.weights) for weight in plan.weights]
    assert shares == pytest.approx([0.5, 0.3, 0.2], abs=0.03)
    curve = read_curve(tmp_path / "out" / "arrivals.csv")
    assert max(rate for _, rate in curve.points) == pytest.approx(plan.demand.peak, rel=0.011)
    again = CliRunner().invoke(app(), ["plan", "from-logs", str(path), "--out", str(tmp_path / "out")])
    assert isinstance(again.exception, UsageError)


@pytest.mark.parametrize(
    "wrong", [["--bin", "1"], ["--bin", "1500ms"], ["--gap", "0s"], ["--bad-lines", "1"], ["--gap", "soon"]]
)
def test_a_wrong_option_is_refused_with_its_value(wrong: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(app(), ["plan", "from-logs", str(tmp_path / "a.log"), *wrong])
    assert isinstance(done.exception, UsageError)
    assert " ".join(wrong) in str(done.exception)


def test_too_fine_a_bin_and_too_few_sessions_are_refused(rows: list[Row], tmp_path: Path) -> None:
    path = write(tmp_path / "a.log", rows)
    with pytest.raises(PlanError, match="more than 1000 bins of 1 s"):
        summarise_log([path], bin_s=1)
    few = write(tmp_path / "few.log", [(BEGUN, "192.0.2.1", "Mozilla", "GET /", 200)])
    with pytest.raises(PlanError, match="too few sessions for a plan: 1 sessions"):
        draft_plan(summarise_log([few]), "few.log")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), sessions=st.integers(5, 120), seconds=st.integers(1, 40_000))
def test_every_draft_is_a_plan_or_says_why_not(seed: int, sessions: int, seconds: int, tmp_path: Path) -> None:
    path = write(tmp_path / "a.log", made(seed, sessions, seconds))
    summary = summarise_log([path])
    assert len(summary.sessions_per_s) <= 1000
    try:
        draft = draft_plan(summary, "a.log")
    except PlanError as error:
        assert "too few sessions" in str(error)
        return
    for name, text in draft.files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    plan = load_plan(tmp_path / "plan.yaml").plan
    assert plan.demand.peak >= max(summary.sessions_per_s) * (1 - 1e-9)
    assert 0 < draft.coverage <= 1


FRAGMENT = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [combined((BEGUN, "192.0.2.1", "Mozilla", "GET /a/b", 200)), '{"msec":"1.5","request":"GET / H"}\n']
    ),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(FRAGMENT, max_size=8), cut=st.integers(0, 400), packed=st.booleans())
def test_whatever_a_log_holds_is_read_or_refused(pieces: list[str], cut: int, packed: bool, tmp_path: Path) -> None:
    content = "".join(pieces).encode("utf-8", "surrogatepass")
    (tmp_path / "a.log").write_bytes(gzip.compress(content)[:cut] if packed else content[:cut])
    log = AccessLog([tmp_path / "a.log"], most_bad=0.9)
    try:
        entries = list(log.entries())
    except PlanError as error:
        assert all(problem.remedy.endswith(".") for problem in error.problems)
        return
    assert len(entries) == log.lines - log.bad - log.without_request > 0
    assert all(isinstance(entry, Entry) and entry.path.startswith("/") for entry in entries)


@pytest.mark.parametrize(
    ("row", "at"),
    [
        ({"msec": 1760050800.25}, 1760050800.25),
        ({"ts": "1760050800"}, 1760050800.0),
        ({"@timestamp": "2025-10-09T23:00:00Z"}, 1760050800.0),
        ({"time_local": "10/Oct/2025:07:00:00 +0800"}, 1760050800.0),
    ],
)
def test_json_lines_may_name_their_time_in_several_ways(row: dict[str, object], at: float, tmp_path: Path) -> None:
    line = row | {"request_method": "POST", "request_uri": "/a?b", "remote_addr": "192.0.2.1", "status": 201}
    (tmp_path / "a.log").write_text(json.dumps(line), encoding="utf-8")
    (entry,) = AccessLog([tmp_path / "a.log"]).entries()
    assert (entry.at_s, entry.method, entry.path, entry.status) == (at, "POST", "/a", 201)
    assert datetime.fromtimestamp(at, UTC).year == 2025
