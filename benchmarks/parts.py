"""The parts of a benchmark run, by name: each takes its measurements and puts them into the document."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.assessing import assess
from benchmarks.holding import Holding, hold
from benchmarks.parsers import UnreadableReportError
from benchmarks.profiling import profile
from benchmarks.runner import Runner
from benchmarks.scaling import scaling
from benchmarks.servers import BenchError
from benchmarks.starting import start
from benchmarks.tools import TOOLS, Tool
from benchmarks.trials import Bench
from benchmarks.verifying import verify

__all__ = ["ON_REQUEST", "PARTS", "Context", "take"]


@dataclass(frozen=True, slots=True)
class Context:
    """What parts work with.

    Attributes:
        bench: Runs the side-by-side measurements.
        runner: Runs a job.
        tools: Installed and chosen, in the order of the tables.
        document: The results.
        say: Told what is going on.
        sessions: How many think at once in ``sessions``.
        held: How many connections are held in ``connections``.
        assessed: Records of the largest bundle in ``assess``.
        verified: Bytes of the larger bundle in ``verify``.
        flame_graph: Where ``profile`` draws.
    """

    bench: Bench
    runner: Runner
    tools: list[Tool]
    document: dict[str, Any]
    say: Callable[[str], None]
    sessions: int
    held: int
    assessed: int
    verified: int
    flame_graph: Path

    def able(self, kind: str) -> list[Tool]:
        """Return the tools that can do such a job."""
        return [tool for tool in self.tools if kind in tool.jobs]


def _guarded(tool: Tool, measure: Callable[[Tool], dict[str, Any]]) -> dict[str, Any]:
    try:
        return measure(tool)
    except (BenchError, ValueError, KeyError) as error:
        return {"tool": tool.name, "error": f"failed: {error}"[:200]}


def _speed(context: Context) -> None:
    ours = TOOLS["ours"]
    for kind in ("get", "journey", "tls"):
        entries = [(tool, False) for tool in context.able(kind)]
        if kind == "journey" and ours in context.tools:
            entries.append((ours, True))
        context.document["speed"][kind] = context.bench.speed(kind, entries)


def _paced(context: Context) -> None:
    rows: list[dict[str, Any]] = []
    for tool in context.able("paced"):
        try:
            rows += context.bench.paced(tool)
        except (BenchError, ValueError, KeyError) as error:
            rows.append({"tool": tool.name, "error": f"failed: {error}"[:200]})
    context.document["paced"] = rows


def _lag(context: Context) -> None:
    context.document["send_lag"] = context.bench.send_lag(TOOLS["ours"])


def _handshakes(context: Context) -> None:
    context.document["speed"]["handshakes"] = context.bench.handshakes(TOOLS["ours"])


def _delay(context: Context) -> None:
    context.document["known_delay"] = [_guarded(tool, context.bench.known_delay) for tool in context.tools]


def _freeze(context: Context) -> None:
    if context.bench.freezes:
        context.document["freeze"] = [_guarded(tool, context.bench.freeze) for tool in context.able("paced")]


def _sessions(context: Context) -> None:
    count = context.sessions
    holdings = [
        Holding("sessions that think after a GET", "get", count, 8_000),
        Holding("sessions that think after signing in and listing", "signed-in", count, 4_000),
    ]
    context.document["sessions"] = hold(context.runner.settings, context.runner.source, holdings, context.say)


def _connections(context: Context) -> None:
    count = context.held
    holdings = [
        Holding("sessions with a connection each, plain HTTP", "get", count, 3_000, own=True),
        Holding("sessions with a connection each, TLS 1.3", "get", count, 700, own=True, secure=True),
    ]
    context.document["connections"] = hold(context.runner.settings, context.runner.source, holdings, context.say)


def _start(context: Context) -> None:
    settings = context.runner.settings
    context.document["start"] = start(context.runner.source, settings.repeats, settings.cores, context.say)


def _scaling(context: Context) -> None:
    context.document["scaling"] = scaling(context.runner, context.say)


def _assess(context: Context) -> None:
    runner = context.runner
    context.document["assess"] = assess(runner.source, context.assessed, runner.settings.cores, context.say)


def _verify(context: Context) -> None:
    runner = context.runner
    context.document["verify"] = verify(runner.source, context.verified, runner.settings.cores, context.say)


def _profile(context: Context) -> None:
    saturation = context.bench.saturated(TOOLS["ours"], "journey", False)
    context.document["profile"] = profile(context.runner, saturation, context.flame_graph, context.say)


PARTS: dict[str, Callable[[Context], None]] = {
    "speed": _speed,
    "lag": _lag,
    "paced": _paced,
    "handshakes": _handshakes,
    "delay": _delay,
    "freeze": _freeze,
    "sessions": _sessions,
    "connections": _connections,
    "start": _start,
    "scaling": _scaling,
    "assess": _assess,
    "verify": _verify,
    "profile": _profile,
}
ON_REQUEST = frozenset({"profile"})
"""Taken only where ``PARTS`` names them."""

_OF_OURS = frozenset(
    {"lag", "handshakes", "sessions", "connections", "start", "scaling", "assess", "verify", "profile"}
)


def take(context: Context, names: list[str], save: Callable[[], object]) -> None:
    """Take the parts one after the other; what is known is saved after each, should the next one be stopped.

    A part that fails is written down with its reason, and the next one is taken.
    """
    for name in names:
        if name in _OF_OURS and TOOLS["ours"] not in context.tools:
            continue
        try:
            PARTS[name](context)
        except (BenchError, UnreadableReportError, ValueError, KeyError) as error:
            context.document["failed_parts"][name] = f"{type(error).__name__}: {error}"[:300]
            context.say(f"{name} failed: {error}")
        save()
