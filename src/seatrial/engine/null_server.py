"""A server that does nothing, as cheaply as it can: what the load engine is measured against.

    python -m seatrial.engine.null_server --delay 20ms

One process, one epoll loop, HTTP/1.1 with keep-alive. Every request is answered with the same small JSON object; a
body is read by its content-length and dropped. With a delay each answer is held back so long after its request was
read. It listens on a free port of 127.0.0.1 alone, says so in one line of JSON when it is ready, and ends when its
standard input (a pipe) closes; it then says in a second line how many requests it answered and how long the median
one was held in truth.

It is no oracle of HTTP: what it can't frame at once (a chunked body, a head above 64 KiB) closes the connection.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import select
import socket
import subprocess
import sys
from collections import Counter, deque
from pathlib import Path
from time import monotonic_ns
from typing import Final, Self

from seatrial.engine.timer import Alarm
from seatrial.errors import EngineError
from seatrial.units import MS, parse_duration, write_duration

__all__ = ["ANSWER", "NullServer", "serve"]

ANSWER: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 40\r\n\r\n"
    b'{"token":"0123456789abcdef","free":true}'
)
"""Every answer, byte for byte."""

_READ: Final = 65_536
_EVENTS: Final = 256
_BACKLOG: Final = 4_096
_TICK_NS: Final = 10_000
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,9})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_START_SECONDS = 10.0
_STOP_SECONDS = 5.0


class _Peer:
    __slots__ = ("buffer", "fd", "socket", "unsent")

    def __init__(self, accepted: socket.socket) -> None:
        self.socket = accepted
        self.fd = accepted.fileno()
        self.buffer = b""
        self.unsent = b""


def _requests_in(peer: _Peer) -> int:
    """Return how many whole requests the buffer holds, and take them off; -1 for what can't be framed."""
    count, buffer = 0, peer.buffer
    while buffer:
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(buffer) > _READ:
                return -1
            break
        head = buffer[: end + 2]
        if _CHUNKED.search(head):
            return -1
        length = _LENGTH.search(head)
        whole = end + 4 + (int(length[1]) if length else 0)
        if len(buffer) < whole:
            break
        buffer = buffer[whole:]
        count += 1
    peer.buffer = buffer
    return count


class _Server:
    def __init__(self, delay_ns: int) -> None:
        self._delay_ns = delay_ns
        self._held: deque[tuple[int, int, _Peer]] = deque()
        self._holds: Counter[int] = Counter()
        self._answered = 0
        self._peers: dict[int, _Peer] = {}
        self._poll = select.epoll()
        self._alarm = Alarm()
        self._poll.register(self._alarm.fd, select.EPOLLIN | select.EPOLLET)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self._listener.setblocking(False)
        self._poll.register(self._listener.fileno(), select.EPOLLIN)
        self.port: int = self._listener.getsockname()[1]

    def run(self, stop_fd: int) -> None:
        self._poll.register(stop_fd, select.EPOLLIN | select.EPOLLHUP)
        listener = self._listener.fileno()
        while True:
            if self._held:
                self._alarm.set(self._held[0][0])
            for fd, mask in self._poll.poll(-1, _EVENTS):
                peer = self._peers.get(fd)
                if peer is not None:
                    self._on_peer(peer, mask)
                elif fd == listener:
                    self._accept()
                elif fd == stop_fd and not os.read(stop_fd, _READ):
                    return
            while self._held and self._held[0][0] <= monotonic_ns():
                _, read_ns, peer = self._held.popleft()
                if self._peers.get(peer.fd) is peer:  # the number of a closed one may be another's by now
                    self._send(peer, ANSWER)
                    self._holds[(monotonic_ns() - read_ns) // _TICK_NS] += 1

    def _accept(self) -> None:
        for _ in range(_EVENTS):
            try:
                accepted, _ = self._listener.accept()
            except OSError:  # none left, or no descriptor for it: the client sees that for itself
                return
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = _Peer(accepted)
            self._peers[peer.fd] = peer
            self._poll.register(peer.fd, select.EPOLLIN)
            self._on_peer(peer, select.EPOLLIN)  # the request is often there already

    def _on_peer(self, peer: _Peer, mask: int) -> None:
        if mask & select.EPOLLOUT:
            rest, peer.unsent = peer.unsent, b""
            self._poll.modify(peer.fd, select.EPOLLIN)
            self._send(peer, rest)
        if not mask & ~select.EPOLLOUT:
            return
        try:
            data = peer.socket.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            self._drop(peer)
            return
        if not data:
            self._drop(peer)
            return
        if not peer.buffer and data.startswith(b"GET ") and data.find(b"\r\n\r\n") == len(data) - 4:
            count = 1
        else:
            peer.buffer += data
            count = _requests_in(peer)
            if count < 0:
                self._drop(peer)
                return
        self._answered += count
        if not self._delay_ns:
            self._send(peer, ANSWER * count)
            return
        now = monotonic_ns()
        self._held.extend((now + self._delay_ns, now, peer) for _ in range(count))

    def _send(self, peer: _Peer, data: bytes) -> None:
        if not data or peer.unsent:
            peer.unsent += data
            return
        try:
            sent = peer.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._drop(peer)
            return
        if sent < len(data):
            peer.unsent = data[sent:]
            self._poll.modify(peer.fd, select.EPOLLIN | select.EPOLLOUT)

    def _drop(self, peer: _Peer) -> None:
        if self._peers.get(peer.fd) is peer:
            del self._peers[peer.fd]
            peer.socket.close()

    def summary(self) -> dict[str, int | None]:
        """Return how many requests were answered and the median time that one was held, in ns (None without any)."""
        half, held = (sum(self._holds.values()) + 1) // 2, None
        for tick in sorted(self._holds):
            half -= self._holds[tick]
            if half <= 0:
                held = tick * _TICK_NS + _TICK_NS // 2
                break
        return {"requests": self._answered, "held_p50_ns": held}

    def close(self) -> None:
        for peer in list(self._peers.values()):
            self._drop(peer)
        self._listener.close()
        self._alarm.close()
        self._poll.close()


def serve(delay_ns: int, stop_fd: int, said_fd: int) -> None:
    """Serve until ``stop_fd`` closes.

    Args:
        delay_ns: How long each answer is held back; 0 for not at all.
        stop_fd: A pipe, socket or terminal.
        said_fd: Where the two lines of JSON go: ``port`` and ``pid`` first, ``requests`` and ``held_p50_ns`` last.

    Raises:
        EngineError: the port can't be opened, or ``stop_fd`` is nothing that could close.
    """
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        server = _Server(delay_ns)
    except OSError as error:
        raise EngineError("the null server can't listen", value=error, remedy="Look at the machine.") from error
    try:
        os.write(said_fd, json.dumps({"port": server.port, "pid": os.getpid()}).encode() + b"\n")
        server.run(stop_fd)
        os.write(said_fd, json.dumps(server.summary()).encode() + b"\n")
    except PermissionError as error:  # what epoll says of files
        raise EngineError(
            "the null server would never end", value="standard input is a file", remedy="Give it a pipe."
        ) from error
    except BrokenPipeError:  # whoever started it is gone
        return
    finally:
        server.close()


class NullServer:
    """The null server as a child process. Use it as a context manager.

    Args:
        delay_ns: How long each answer is held back.

    Raises:
        EngineError: on entering, when it does not come up.
    """

    def __init__(self, delay_ns: int = 0) -> None:
        self._delay_ns = delay_ns
        self._child: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._summary: dict[str, int | None] = {}

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "seatrial.engine.null_server", "--delay", write_duration(self._delay_ns)]
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
        said = self._child.stdout
        ready = b""
        if said is not None and select.select([said], [], [], _START_SECONDS)[0]:
            ready = said.readline()
        if not ready:
            self.__exit__()
            raise EngineError("the null server does not come up", remedy="Look at the machine: is it out of memory?")
        self._port = int(json.loads(ready)["port"])
        return self

    def __exit__(self, *exc: object) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        try:
            out, _ = child.communicate(timeout=_STOP_SECONDS)  # closes its standard input
        except subprocess.TimeoutExpired:
            child.kill()
            out, _ = child.communicate()
        self._summary = json.loads(out) if out.strip() else {}

    @property
    def url(self) -> str:
        """Return its address, such as ``http://127.0.0.1:40123``."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def cpu_ns(self) -> int:
        """Return the CPU time it used so far, user and system, in the kernel's steps of some 10 ms (proc(5))."""
        if self._child is None:
            raise EngineError("the null server is not running", remedy="Use it in a with statement.")
        fields = Path(f"/proc/{self._child.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * 1_000 * MS // os.sysconf("SC_CLK_TCK")

    @property
    def answered(self) -> int:
        """Return how many requests it answered; known once it has ended, 0 before."""
        return self._summary.get("requests") or 0

    @property
    def held_p50_ns(self) -> int | None:
        """Return the median time for which answers were held in truth, to 10 µs; None without a delay, or before."""
        return self._summary.get("held_p50_ns")


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m seatrial.engine.null_server", description="Answer every request.")
    parser.add_argument("--delay", type=parse_duration, default=0, help="hold every answer back, for example 20ms")
    delay_ns: int = parser.parse_args().delay
    try:
        serve(delay_ns, 0, 1)
    except KeyboardInterrupt:
        return
    except EngineError as error:
        sys.exit(f"null server: {error}")


if __name__ == "__main__":
    _main()
