"""The booking service as a child process, from Python.

    with Sandbox(release="a", faults={"error_rate": 0.1}) as box:
        print(box.url, box.pid)

Light: it imports no web framework. The child stops with its parent, however the parent ends.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

__all__ = ["Sandbox"]


class Sandbox:
    """One service process and its database. Use it as a context manager, or call ``start`` and ``stop``.

    Args:
        release: ``a`` or ``b``.
        faults: Switches to turn, by name, with values as ``--fault`` takes them; bools are on and off.
        data_dir: Directory of the database, kept afterwards; None for a temporary one, removed by ``stop``.
        patrons: Citizens to seed, or None for the release's own number.
        slots: Court hours to seed, or None for the release's own number.
        host: Address to listen on.
        port: Port to listen on; 0 for any free one. After a start, ``start`` again takes the same port.
        allow_faults: Whether ``POST /faults`` may turn switches.
        tls_cert: PEM certificate chain, for HTTPS; goes with ``tls_key``.
        tls_key: PEM private key.
        start_within_s: How long the service may take until it is ready to answer.
    """

    def __init__(
        self,
        release: str,
        *,
        faults: Mapping[str, object] | None = None,
        data_dir: Path | str | None = None,
        patrons: int | None = None,
        slots: int | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        allow_faults: bool = False,
        tls_cert: Path | str | None = None,
        tls_key: Path | str | None = None,
        start_within_s: float = 20.0,
    ) -> None:
        self._start_within_s = start_within_s
        self._data_dir = None if data_dir is None else Path(data_dir)
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._stderr: IO[bytes] | None = None
        self._url = ""
        self._port = port
        options: dict[str, object] = {
            "--release": release, "--host": host, "--patrons": patrons, "--slots": slots,
            "--tls-cert": tls_cert, "--tls-key": tls_key,
        }  # fmt: skip
        self._args = [f"{name}={value}" for name, value in options.items() if value is not None]
        self._args += [f"--fault={name}={_as_text(value)}" for name, value in (faults or {}).items()]
        self._args += ["--allow-faults"] if allow_faults else []

    @property
    def url(self) -> str:
        """The service's address, such as http://127.0.0.1:40123; kept after a stop."""
        if not self._url:
            raise RuntimeError("the sandbox has not been started: use it in a with statement")
        return self._url

    @property
    def pid(self) -> int:
        """The process id of the service."""
        if self._child is None:
            raise RuntimeError("the sandbox is not running: use it in a with statement")
        return self._child.pid

    @property
    def data(self) -> Path:
        """The directory of the database; temporary ones are gone after ``stop``."""
        if self._data_dir is not None:
            return self._data_dir
        if self._scratch is None:
            raise RuntimeError("the sandbox is not running: use it in a with statement")
        return Path(self._scratch.name)

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> Self:
        """Start the process and wait until it is ready to answer.

        Raises:
            RuntimeError: it is running already, or did not come up in time; then with what it wrote to stderr.
        """
        if self.running:
            raise RuntimeError(f"the sandbox is running already: {self._url}")
        self._reap()
        if self._data_dir is None and self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="seatrial-sandbox-")
        # A file, not a pipe: nobody has to read it for the child to go on.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        command = [sys.executable, "-m", "seatrial.sandbox", "serve", *self._args]
        command += [f"--data={self.data}", f"--port={self._port}", "--die-with-parent"]
        try:
            # Its own session: an interrupt from the keyboard reaches the parent, which then stops it in order.
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                start_new_session=True,
            )
            ready = self._wait_until_ready(self._child)
        except BaseException:
            self.stop()
            raise
        self._url = str(ready["url"])
        self._port = int(self._url.rpartition(":")[2])
        return self

    def _wait_until_ready(self, child: subprocess.Popen[bytes]) -> dict[str, object]:
        if child.stdout is None:
            raise RuntimeError("the sandbox has no standard output")
        line, deadline_s = b"", time.monotonic() + self._start_within_s
        while not line.endswith(b"\n"):
            left_s = max(0.0, deadline_s - time.monotonic())
            if not select.select([child.stdout], [], [], left_s)[0]:
                raise RuntimeError(f"the sandbox was not ready after {self._start_within_s:g} s. {self._said()}")
            chunk = os.read(child.stdout.fileno(), 4096)
            if not chunk:
                raise RuntimeError(f"the sandbox did not start. {self._said()}")
            line += chunk
        ready: dict[str, object] = json.loads(line)
        return ready

    def _said(self) -> str:
        """Return what the child wrote to stderr, at most its last 4,000 characters."""
        if self._stderr is None:
            return ""
        self._stderr.seek(0)
        return "It said: " + self._stderr.read().decode(errors="replace").strip()[-4000:]

    def kill(self) -> int:
        """Kill the process at once, as a crash would; the data directory stays. Return its exit status."""
        if self._child is None:
            raise RuntimeError("the sandbox is not running: use it in a with statement")
        self._child.kill()
        return self._child.wait()

    def stop(self) -> None:
        """Stop the process, in order if it can, and remove a temporary data directory; harmless when stopped."""
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(5)
            except subprocess.TimeoutExpired:
                self._child.kill()
        self._reap()
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None

    def _reap(self) -> None:
        if self._child is not None:
            self._child.wait()
            for pipe in (self._child.stdin, self._child.stdout):
                if pipe is not None:
                    pipe.close()
            self._child = None
        if self._stderr is not None:
            self._stderr.close()
            self._stderr = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _as_text(value: object) -> str:
    """Return a switch's value as the command line takes it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)
