"""From sampled stacks to the tables of a profile. Pure: text in, counts out.

Two samplers see two things. perf interrupts the processor, so its shares of kernel, interpreter and libraries can be
trusted, but it can't name functions in Python. py-spy names them, but it stops the process for each look, which lets
system calls seem longer than they are: its shares are taken of the time outside system calls alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["Functions", "Layers", "UnreadableStacksError", "functions_of", "layers_of"]

_FRAME = re.compile(r"\s+[0-9a-f]+ (.*) \((.*)\)\s*$")
_SYSCALL = re.compile(r"__(?:x64|arm64)_sys_(\w+)")
_PYTHON = re.compile(r"(.+?) \((?:(.+?\.py)|<[^>]*>)(?::\d+)?\)")
_NATIVE_SYSCALLS = frozenset(
    {
        "send", "recv", "read", "write", "poll", "epoll_wait", "epoll_ctl", "timerfd_settime", "connect", "close",
        "socket", "setsockopt", "getsockopt", "accept4", "sendto", "recvfrom", "sendmsg", "recvmsg", "shutdown",
    }
)  # fmt: skip
_KERNEL = "[kernel.kallsyms]"
_LIBRARIES = (
    ("interpreter", re.compile(r"libpython|/python3[.\d]*$")),
    ("TLS (libssl, libcrypto, _ssl)", re.compile(r"libssl|libcrypto|_ssl\.")),
    ("C library", re.compile(r"libc\.so|libc-|libm\.|ld-linux|libpthread|\[vdso\]")),
    ("numpy", re.compile(r"numpy|_multiarray|_philox|_umath|openblas|bit_generator|_generator\.")),
    ("JSON (orjson, _json)", re.compile(r"orjson|_json\.")),
)


class UnreadableStacksError(ValueError):
    """A profiler's output without a stack in it."""


@dataclass(frozen=True, slots=True)
class Layers:
    """Samples by the layer they fell into.

    Attributes:
        total: Samples.
        layers: Layer to samples: ``kernel: sendto``, ``interpreter``, a library.
        symbols: ``symbol (layer)`` to samples.
    """

    total: int
    layers: Counter[str] = field(default_factory=Counter)
    symbols: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Functions:
    """Samples by function in Python, what it calls in C counted for it, system calls left out.

    Attributes:
        total: Samples.
        outside: Samples outside system calls: the base of the shares.
        functions: ``name (file)`` to samples.
        files: File to samples.
    """

    total: int
    outside: int
    functions: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)


def _perf_samples(script: str) -> Iterator[list[tuple[str, str]]]:
    """Yield each sample's frames, innermost first, as (symbol, library)."""
    for block in re.split(r"\n\s*\n", script):
        frames = [(match[1].partition("+0x")[0], match[2]) for match in map(_FRAME.match, block.splitlines()) if match]
        if frames:
            yield frames


def _layer(frames: list[tuple[str, str]]) -> str:
    library = frames[0][1]
    if library.startswith(_KERNEL) or library == "[kernel]":
        for symbol, _ in frames:
            if match := _SYSCALL.match(symbol):
                return f"kernel: {match[1]}"
        return "kernel: interrupts and faults"
    for layer, pattern in _LIBRARIES:
        if pattern.search(library):
            return layer
    return library.rpartition("/")[2].partition(".")[0] or library


def layers_of(script: str) -> Layers:
    """Return the layers from what ``perf script -F ip,sym,dso`` writes.

    Raises:
        UnreadableStacksError: there is no sample in it.
    """
    layers: Counter[str] = Counter()
    symbols: Counter[str] = Counter()
    for frames in _perf_samples(script):
        layer = _layer(frames)
        layers[layer] += 1
        symbols[f"{frames[0][0]} ({'kernel' if layer.startswith('kernel') else layer})"] += 1
    if not layers:
        raise UnreadableStacksError(f"no sample in perf's {len(script)} characters: {script[:80]!r}")
    return Layers(layers.total(), layers, symbols)


def functions_of(collapsed: str) -> Functions:
    """Return the functions from collapsed stacks, one a line: ``outer;inner;innermost COUNT``, as py-spy writes them.

    Raises:
        UnreadableStacksError: there is no stack in it, or none outside system calls.
    """
    functions: Counter[str] = Counter()
    files: Counter[str] = Counter()
    total = 0
    for line in collapsed.splitlines():
        stack, _, count = line.rpartition(" ")
        if not stack or not count.isdecimal():
            continue
        total += int(count)
        frames = stack.split(";")
        if frames[-1].partition(" ")[0] in _NATIVE_SYSCALLS:
            continue
        for frame in reversed(frames):
            if (match := _PYTHON.fullmatch(frame)) and match[2]:
                functions[f"{match[1]} ({match[2]})"] += int(count)
                files[match[2]] += int(count)
                break
        else:
            functions[frames[-1]] += int(count)
            files["(not Python)"] += int(count)
    if not functions:
        raise UnreadableStacksError(f"no stack in {len(collapsed)} characters: {collapsed[:80]!r}")
    return Functions(total, functions.total(), functions, files)
