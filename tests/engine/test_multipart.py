"""Multipart bodies (RFC 7578): what a server reads is what the plan and the session put in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.engine.served import Engine, Request, Server, answering, ok

from seatrial.engine import multipart
from seatrial.engine.multipart import Files
from seatrial.engine.requests import Render, UnsetVariableError, compile_request
from seatrial.engine.scripted import compile_journey
from seatrial.errors import EngineError
from seatrial.model.journey import Journey, RequestStep
from seatrial.model.sample import Outcome
from seatrial.units import SECOND

PART = re.compile(
    rb'content-disposition: form-data; name="([^"\r\n]*)"(?:; filename="([^"\r\n]*)")?\r\n'
    rb"(?:content-type: ([^\r\n]+)\r\n)?\r\n(.*)",
    re.DOTALL,
)


def step_of(parts: dict[str, Any], **more: Any) -> RequestStep:
    return RequestStep.model_validate({"post": "/upload", "multipart": parts, **more})


def compiled(folder: Path, parts: dict[str, Any], **more: Any) -> Render:
    return compile_request(step_of(parts, **more), "", {"host": "h"}, None, Files(folder))


def parts_of(content_type: str, body: bytes) -> list[tuple[bytes, ...]]:
    """Return (name, file name, type, content) of each part, as a server that follows the RFC reads them."""
    boundary = content_type.removeprefix("multipart/form-data; boundary=").encode()
    assert re.fullmatch(rb"[0-9A-Za-z-]{1,70}", boundary)  # RFC 2046, 5.1.1
    first, *rest = (b"\r\n" + body).split(b"\r\n--" + boundary)
    assert first == b""
    assert rest.pop() == b"--\r\n"
    found = []
    for piece in rest:
        assert piece.startswith(b"\r\n")
        match = PART.fullmatch(piece[2:])
        assert match is not None, piece
        found.append(match.groups(b""))
    return found


def sent(render: Render, variables: dict[str, Any], **cookies: str) -> tuple[dict[str, str], list[tuple[bytes, ...]]]:
    head, _, body = render(variables, cookies).partition(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    assert int(fields["content-length"]) == len(body)
    return fields, parts_of(fields["content-type"], body)


def test_fields_and_files_arrive_as_a_browser_sends_them(tmp_path: Path) -> None:
    (tmp_path / "scan.pdf").write_bytes(b"%PDF\r\n--\x00\xff")
    parts = {
        "patron": "${id} & ${name}",
        "scan": {"file": "scan.pdf", "type": "application/pdf"},
        "again": {"file": "./scan.pdf", "name": '身份"證\r\n.pdf'},
        'a"b': "two\nlines",
    }
    _, found = sent(compiled(tmp_path, parts), {"id": 7, "name": "陳"})
    assert found == [
        (b"patron", b"", b"", "7 & 陳".encode()),
        (b"scan", b"scan.pdf", b"application/pdf", b"%PDF\r\n--\x00\xff"),
        (b"again", "身份%22證%0D%0A.pdf".encode(), b"application/octet-stream", b"%PDF\r\n--\x00\xff"),
        (b"a%22b", b"", b"", b"two\r\nlines"),
    ]


CONTENT = st.binary(max_size=30) | st.sampled_from([b"--", b"\r\n--", b"--\r\n"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12), content=CONTENT)
def test_whatever_is_sent_is_read(value: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(content)
    render = compiled(tmp_path, {"text": "<${x}>", "file": {"file": "f"}})
    _, found = sent(render, {"x": value})
    assert [part[3] for part in found] == [f"<{value}>".encode(), content]


def test_the_boundary_is_the_same_for_every_session_and_run_and_differs_by_step(tmp_path: Path) -> None:
    boundaries = {
        name: {sent(compiled(tmp_path, {name: "${x}"}), {"x": x})[0]["content-type"] for x in ("1", "2")}
        for name in ("a", "b")
    }
    assert [len(found) for found in boundaries.values()] == [1, 1]
    assert boundaries["a"] != boundaries["b"]


def test_a_boundary_never_occurs_in_what_it_separates(tmp_path: Path) -> None:
    """A service that gives back what it was sent, and a file that holds an earlier body, end no part."""
    parts = {"text": "${x}", "file": {"file": "f"}}
    (tmp_path / "f").write_bytes(b"")
    first = sent(compiled(tmp_path, parts), {"x": ""})[0]["content-type"].rpartition("=")[2]
    (tmp_path / "f").write_bytes(f"\r\n--{first}--\r\n".encode())
    render = compiled(tmp_path, parts)
    second = sent(render, {"x": ""})[0]["content-type"].rpartition("=")[2]
    assert second != first
    echoed = f"\r\n--{second}--\r\n{second}x"
    fields, found = sent(render, {"x": echoed})
    assert [part[3] for part in found] == [echoed.encode(), f"\r\n--{first}--\r\n".encode()]
    assert second in fields["content-type"]


def test_a_body_without_variables_is_made_once(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 100_000)
    render = compiled(tmp_path, {"file": {"file": "f"}})
    assert render({}, {}) is render({}, {})
    assert b"\r\ncookie: a=b\r\n\r\n--" in render({}, {"a": "b"})
    assert sent(render, {}, a="b")[1][0][3] == b"x" * 100_000


def test_a_file_is_read_once_however_many_steps_send_it(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    files = Files(tmp_path)
    assert files.read("f") is files.read("./f")


def test_the_steps_own_type_stands_for_the_plans(tmp_path: Path) -> None:
    render = compile_request(step_of({"a": "b"}), "", {"host": "h", "Content-Type": "x/y"}, None, Files(tmp_path))
    head = render({}, {}).lower()
    assert head.count(b"content-type: multipart/form-data") == 1
    assert b"x/y" not in head


def test_a_variable_without_a_value_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnsetVariableError, match=r"\$\{x\} has no value"):
        compiled(tmp_path, {"a": "${x}"})({}, {})


@pytest.mark.parametrize("name", ["../secret", "link", "none", ".", "big", "a\0b"])
def test_a_file_that_changed_since_the_check_stops_the_worker(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / "plan"
    base.mkdir()
    (tmp_path / "secret").write_bytes(b"s")
    (base / "link").symlink_to(tmp_path / "secret")
    (base / "big").write_bytes(b"12345")
    monkeypatch.setattr(multipart, "MOST_FILE_BYTES", 4)
    with pytest.raises(EngineError, match="a file to upload can't be used any more"):
        Files(base).read(name)


def test_an_upload_goes_over_the_wire_and_may_be_redirected(engine: Engine) -> None:
    (engine.folder / "scan.bin").write_bytes(bytes(range(256)) * 4000)

    def answer(request: Request) -> bytes:
        return ok(b"", "Location: /final", status=307) if request.path == "/upload" else ok(b"stored")

    parts = {"who": "${name}", "scan": {"file": "scan.bin"}}
    steps = [
        {"get": "/name", "extract": {"name": {"regex": "st.*"}}},
        {"post": "/upload", "multipart": parts, "expect": {"contains": "stored"}},
    ]
    journey = Journey.model_validate({"steps": steps})
    with Server(answering(answer)) as server:
        made = compile_journey(journey, "", {"host": "h"}, SECOND, 3, Files(engine.folder))
        run = engine.offer(server, journeys=[made])
        bodies = [parts_of(str(r.header("content-type")), r.body) for r in server.requests if r.method == "POST"]
    assert run.outcomes == [Outcome.OK] * 2
    assert len(bodies) == 2
    assert bodies[0] == bodies[1]
    assert bodies[0][0][3] == b"stored"
    assert bodies[0][1][3] == bytes(range(256)) * 4000
