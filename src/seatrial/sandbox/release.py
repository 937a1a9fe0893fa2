"""A release of the booking service: what its data file says, and the files that it is made of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from seatrial.sandbox.problems import SandboxError
from seatrial.sandbox.switches import SWITCHES, Value, parse_switches

__all__ = ["RELEASES", "Release", "WaitingRoomRules", "load_release", "read_release", "release_files"]

_HERE = Path(__file__).resolve().parent
RELEASES = ("a", "b")


@dataclass(frozen=True, slots=True)
class WaitingRoomRules:
    """How release B keeps its load bounded.

    Attributes:
        places: Visits inside at one time.
        place_s: Seconds without a request after which a visit's place is free again.
        queue: Requests of visits inside that may wait for work.
        newcomers: A sign-in is admitted only while fewer requests than this are waiting.
        retry_after_s: Whole seconds that a refused citizen is asked to wait.
    """

    places: int
    place_s: float
    queue: int
    newcomers: int
    retry_after_s: int


@dataclass(frozen=True, slots=True)
class Release:
    """One release, as its data file describes it.

    Attributes:
        name: ``a`` or ``b``.
        title: One line for people.
        patrons: Citizens who can sign in.
        slots: Court hours on offer, over seven days.
        hold_s: Seconds for which a hold keeps a court.
        visit_s: Seconds for which a token is good.
        parallel: Requests worked on at one time.
        service_s: Seconds that one request's work takes, by waiting, so that every machine is as fast.
        atomic: Whether holds and bookings are one statement (True), or a look and then a write (False).
        waiting_room: None where everyone is admitted.
        switches: Every switch and its value.
    """

    name: str
    title: str
    patrons: int
    slots: int
    hold_s: float
    visit_s: float
    parallel: int
    service_s: float
    atomic: bool
    waiting_room: WaitingRoomRules | None
    switches: dict[str, Value]


def load_release(name: str) -> Release:
    """Return the release that ships as ``releases/<name>.json``.

    Raises:
        SandboxError: there is no such release, or its file is not as it must be.
    """
    return read_release(_config_path(name))


def release_files(name: str) -> list[tuple[str, Path]]:
    """Return every file that makes up a release, as (stable name with forward slashes, path), sorted by name.

    They are the release's data file and all source files of the service: a change to either is a new release.

    Raises:
        SandboxError: there is no such release.
    """
    config = _config_path(name)
    files = [*_HERE.glob("*.py"), config]
    return sorted((f"sandbox/{path.relative_to(_HERE).as_posix()}", path) for path in files)


def _config_path(name: str) -> Path:
    if name not in RELEASES:
        raise SandboxError("there is no such release", value=name, remedy=f"Use one of {', '.join(RELEASES)}.")
    return _HERE / "releases" / f"{name}.json"


def read_release(path: Path) -> Release:
    """Return the release that the data file at ``path`` describes; every field must be there, and no other.

    Raises:
        SandboxError: a field is missing, unknown, or has a value that it can't take.
    """
    doc = _object(json.loads(path.read_text(encoding="utf-8")), path.name)
    work = _object(_take(doc, "work", path), "work")
    switches = _object(_take(doc, "switches", path), "switches")
    room = _take(doc, "waiting_room", path)
    booking = _take(doc, "booking", path)
    if booking not in ("atomic", "check_then_write"):
        raise SandboxError("booking is not a known way", value=booking, remedy="Use atomic or check_then_write.")
    if missing := [name for name in SWITCHES if name not in switches]:
        raise SandboxError(f"{path.name} lacks a switch", value=missing[0], remedy="Give every switch a value.")
    release = Release(
        name=str(_take(doc, "release", path)),
        title=str(_take(doc, "title", path)),
        patrons=_whole(doc, "patrons", path),
        slots=_whole(doc, "slots", path),
        hold_s=_whole(doc, "hold_s", path),
        visit_s=_whole(doc, "visit_s", path),
        parallel=_whole(work, "parallel", path),
        service_s=_whole(work, "service_ms", path) / 1000,
        atomic=booking == "atomic",
        waiting_room=None if room is None else _room(_object(room, "waiting_room"), path),
        switches=parse_switches(switches),
    )
    for rest in (doc, work):
        if rest:
            raise SandboxError(f"{path.name} has a field too many", value=next(iter(rest)), remedy="Remove it.")
    return release


def _room(doc: dict[str, object], path: Path) -> WaitingRoomRules:
    rules = WaitingRoomRules(
        **{n: _whole(doc, n, path) for n in ("places", "place_s", "queue", "newcomers", "retry_after_s")}
    )
    if doc:
        raise SandboxError(f"{path.name} has a field too many", value=next(iter(doc)), remedy="Remove it.")
    return rules


def _object(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise SandboxError(f"{where} is not an object", value=value, remedy="Write it as {...}.")
    return dict(value)


def _take(doc: dict[str, object], name: str, path: Path) -> object:
    if name not in doc:
        raise SandboxError(f"{path.name} lacks a field", value=name, remedy="Add it.")
    return doc.pop(name)


def _whole(doc: dict[str, object], name: str, path: Path) -> int:
    value = _take(doc, name, path)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise SandboxError(f"{name} is not a whole number above 0", value=value, remedy=f"See {path.name}.")
    return value
