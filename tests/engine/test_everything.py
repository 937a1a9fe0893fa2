"""A plan that uses every word of scripting, run against a real server: step by step, and the same for any workers."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.engine.served import Engine, Request, Row, Run, Server, answering, ok

from seatrial.authoring.feeders import read_feed
from seatrial.authoring.yaml_plan import LoadedPlan, load_plan
from seatrial.engine.arrivals import FeedRows, Given, Source
from seatrial.engine.multipart import Files
from seatrial.engine.scripted import compile_journey
from seatrial.engine.synthetic import SyntheticText
from seatrial.model.sample import Outcome

FOLDER = Path(__file__).parent / "everything"
HTML = "Content-Type: text/html; charset=utf-8"
PAGE = """<!doctype html><title>x</title><link rel=stylesheet href=/a.css><h1> 康樂 設施 </h1>
<form id=in><input name=csrf value="c-{patron}"></form><img src=/logo.png>"""
SESSIONS = 48


class Service:
    """A small booking service that checks what it is sent and remembers it by session."""

    def __init__(self) -> None:
        lines = (FOLDER / "patrons.jsonl").read_text(encoding="utf-8").splitlines()
        self.patrons = {row["id"]: row for row in map(json.loads, lines)}
        self.seen: dict[str, list[tuple[str, str, bytes]]] = defaultdict(list)
        self.sent: dict[str, list[str]] = defaultdict(list)

    def answer(self, request: Request) -> bytes:
        who = (
            request.header("x-patron")
            or (request.header("cookie") or "visit=nobody").partition("=")[2].partition(";")[0]
        )
        assert request.header("accept-language") == "zh-Hant, en"
        kind = request.header("content-type") or ""
        body = request.body
        if "boundary=" in kind:  # another request has another boundary, or none would be one
            body = body.replace(kind.rpartition("=")[2].encode(), b"BOUNDARY")
        self.seen[who].append((request.method, request.path, body))
        if who == "nobody":
            return ok(b"", status=404)
        path = request.path.partition("?")[0].strip("/").replace("/", "_").replace(".", "_")
        name = f"_{request.method.lower()}_{path.partition('_')[0]}"
        return getattr(self, name)(who, request)

    def _get_home(self, who: str, request: Request) -> bytes:
        assert request.path == "/home?season=spring"
        page = gzip.compress(PAGE.format(patron=who).encode())
        return ok(page, HTML, "Content-Encoding: gzip", f"Set-Cookie: visit={who}; Path=/; HttpOnly")

    def _get_a(self, who: str, request: Request) -> bytes:
        return ok(b"a{}", "Content-Type: text/css")

    def _get_logo(self, who: str, request: Request) -> bytes:
        return ok(b"png")

    def _post_in(self, who: str, request: Request) -> bytes:
        patron = self.patrons[who]
        credentials = base64.b64decode(str(request.header("authorization")).removeprefix("Basic ")).decode()
        assert credentials == f"{who}:{patron['pin']}"
        assert parse_qs(request.body.decode()) == {"csrf": [f"c-{who}"], "title": ["康樂 設施"]}
        kind = "member" if patron["adult"] else "guest"
        answer = {"ok": True, "token": f"t-{who}", "kind": kind}
        trace = ["X-Trace: t1"] if who.endswith("1") else []
        return ok(json.dumps(answer).encode(), *trace)

    def _signed_in(self, who: str, request: Request) -> None:
        assert request.header("authorization") == f"Bearer t-{who}", request.path

    def _get_search(self, who: str, request: Request) -> bytes:
        self._signed_in(who, request)
        query = parse_qs(urlsplit(request.path).query)
        before = sum(path.startswith("/search") for _, path, _ in self.seen[who])
        assert query["page"] == [str(before)]
        assert query["branch"][0] in {"01", "02", "03"}
        return ok(json.dumps({"free": [{"id": f"s{i}"} for i in range(9)]}).encode())

    def _get_list(self, who: str, request: Request) -> bytes:
        page, last = int(request.path.rpartition("/")[2]), int(who[1:]) % 4 + 1
        return ok(json.dumps({"next": f"/list/{page + 1}"} if page < last else {}).encode())

    def _get_member(self, who: str, request: Request) -> bytes:
        asked = sum(path == "/member" for _, path, _ in self.seen[who])
        return ok(b"", status=503 if asked <= int(who[1:]) % 3 else 200)

    def _get_guest(self, who: str, request: Request) -> bytes:
        return ok(b"no", status=500)

    def _post_book(self, who: str, request: Request) -> bytes:
        self._signed_in(who, request)
        sent, patron = json.loads(request.body), self.patrons[who]
        assert re.fullmatch(r"s[0-8]", sent.pop("slot"))
        assert sent == {"party": patron["party"], "adult": patron["adult"], "text": f"for {who}"}
        return ok(b"", status=201)

    def _put_wait(self, who: str, request: Request) -> bytes:
        assert re.fullmatch(r"[\u4e00-\u9fff]{2,4}", request.body.decode())
        return ok(b"")

    def _head_look(self, who: str, request: Request) -> bytes:
        return b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n"

    def _post_upload(self, who: str, request: Request) -> bytes:
        assert (FOLDER / "scan.bin").read_bytes() in request.body
        assert 'filename="身份證.bin"'.encode() in request.body
        assert re.search(rb"\r\n\r\n[A-Z]{1,2}\d{6}\([0-9A]\)\r\n--", request.body)
        assert re.fullmatch(r"[0-9a-f-]{36}", str(request.header("x-request-id")))
        return ok(b"", "Location: /stored", f"Set-Cookie: stored={who}", status=303)

    def _get_stored(self, who: str, request: Request) -> bytes:
        return ok(b"stored 16384")

    def _patch_adult(self, who: str, request: Request) -> bytes:
        assert self.patrons[who]["adult"] is True
        return ok(b"")

    def _options_traced(self, who: str, request: Request) -> bytes:
        assert who.endswith("1")
        return ok(b"")

    def _delete_in(self, who: str, request: Request) -> bytes:
        return b"HTTP/1.1 204 No Content\r\n\r\n"


@pytest.fixture(scope="module")
def loaded() -> LoadedPlan:
    return load_plan(FOLDER / "plan.yaml")


def run_worker(engine: Engine, loaded: LoadedPlan, worker: int, workers: int) -> tuple[Run, Service]:
    service, journey = Service(), loaded.plan.journeys["apply"]
    with Server(answering(service.answer)) as server:
        fields = {"host": f"127.0.0.1:{server.port}"} | loaded.plan.headers
        made = compile_journey(journey, "", fields, loaded.plan.deadlines.response, 5, Files(loaded.base))
        feeds: dict[str, Source] = {"season": Given("spring")}
        for name, feed in journey.feed.items():
            table = read_feed(feed, loaded.base)
            feeds[name] = FeedRows(table.columns, table.rows, feed.order)
        feeds |= {name: SyntheticText(kind) for name, kind in journey.synthetic.items()}
        run = engine.offer(
            server, journeys=[made], feeds=feeds, sessions=SESSIONS, within_ms=200, once=False, worker=worker,
            workers=workers, response_ms=5000,
        )  # fmt: skip
    return run, service


# One letter for each kind of record, in the order of the journey.
GRAMMAR = re.compile(
    r"home (resources ){2}in (search ){1,3}list (more ){0,3}"
    r"((retried-member ){0,2}member|guest) (book |wait |look look |)upload (adult )?(traced )?out"
)
SHORT = {
    "home (resources)": "resources", "sign in": "in", "first list": "list", "further list": "more",
    "GET /member": "member", "GET /guest": "guest", "sign out": "out",
}  # fmt: skip


def told(rows: list[Row], labels: tuple[str, ...]) -> str:
    names = []
    for row in sorted(rows, key=lambda row: (row.intended_ns, row.done_ns)):
        name = SHORT.get(labels[row.step], labels[row.step])
        names.append(f"retried-{name}" if row.outcome is Outcome.RETRIED else name)
    return " ".join(names)


def by_session(run: Run) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = defaultdict(list)
    for row in run.rows:
        found[row.session].append(row)
    return found


def test_every_session_takes_its_steps_as_the_plan_says(engine: Engine, loaded: LoadedPlan) -> None:
    run, service = run_worker(engine, loaded, 0, 1)
    labels = loaded.plan.journeys["apply"].labels
    sessions = by_session(run)
    assert len(sessions) == len(service.seen) == SESSIONS
    for number, rows in sessions.items():
        first = [row for row in rows if row.outcome is not Outcome.RETRIED]
        retried = sorted((row for row in rows if row.outcome is Outcome.RETRIED), key=lambda row: row.done_ns)
        # A step's record begins where its first attempt did: told in the order of their beginnings, it comes first.
        story = told(retried + first, labels)
        story = re.sub(r"member((?: retried-member)+)", lambda m: m[1].strip() + " member", story)
        story = re.sub(r"((?:retried-member ?)+) member (?=retried)", r"\1 ", story)
        assert GRAMMAR.fullmatch(story), story
        guest = story.count("guest")
        assert all(row.outcome is Outcome.OK for row in first if labels[row.step] != "GET /guest"), run.details
        assert [row.outcome for row in first].count(Outcome.HTTP_ERROR) == guest
        patron = service.patrons[f"P{number:03d}"]
        assert guest == (0 if patron["adult"] else 1)
        assert story.count("adult") == (1 if patron["adult"] else 0)
        assert story.count("more") == int(patron["id"][1:]) % 4
        assert story.count("traced") == (1 if patron["id"].endswith("1") else 0)
        if retried:
            (member,) = (row for row in first if labels[row.step] == "GET /member")
            assert (member.intended_ns, member.sent_ns) == (retried[0].intended_ns, retried[0].sent_ns)
            assert len(retried) == int(patron["id"][1:]) % 3
    drawn = Counter(name for rows in sessions.values() for name in set(told(rows, labels).split()))
    # Two of four take the first option, one the second, one none.
    assert 12 < drawn["book"] < 36
    assert drawn["wait"] > 0
    assert drawn["look"] > 0
    assert drawn["book"] + drawn["wait"] + drawn["look"] < SESSIONS


def pauses(run: Run) -> dict[int, list[int]]:
    """Return, for each session, what it waited between an answer and the next intention, in nanoseconds."""
    found = {}
    for number, rows in by_session(run).items():
        steps = sorted(
            (row for row in rows if row.outcome is not Outcome.RETRIED), key=lambda row: (row.intended_ns, row.done_ns)
        )
        pages: dict[int, int] = {}
        for row in steps:
            pages[row.intended_ns] = max(pages.get(row.intended_ns, 0), row.done_ns)
        marks = sorted(pages.items())
        found[number] = [begun - ended for (_, ended), (begun, _) in pairwise(marks)]
    return found


def test_what_sessions_draw_is_the_same_for_any_number_of_workers(engine: Engine, loaded: LoadedPlan) -> None:
    """Choices, rounds, picks, pauses, rows and made-up data: what the server saw, and how long people thought."""
    alone, service = run_worker(engine, loaded, 0, 1)
    wanted = {who: sorted(requests) for who, requests in service.seen.items()}
    thought = {number: [gap for gap in gaps if gap > 0] for number, gaps in pauses(alone).items()}
    assert all(len(gaps) >= 3 for gaps in thought.values())
    assert len({gap for gaps in thought.values() for gap in gaps}) > 100
    assert {gap for gaps in thought.values() for gap in gaps} <= set(range(1, 9_000_001))
    for workers in (2, 3):
        seen, waited = {}, {}
        for worker in range(workers):
            run, service = run_worker(engine, loaded, worker, workers)
            seen |= {who: sorted(requests) for who, requests in service.seen.items()}
            waited |= {number: [gap for gap in gaps if gap > 0] for number, gaps in pauses(run).items()}
        assert seen == wanted
        assert waited == thought
