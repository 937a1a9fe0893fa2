"""A PostgreSQL of the test's own: made, started and thrown away; it listens on a socket in its folder only."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["postgresql"]

_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "max_connections": "60",
    "shared_buffers": "64MB",
}


def binaries() -> Path:
    """Return the folder of the newest PostgreSQL of this machine."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    assert found, "PostgreSQL is missing: install postgresql (.ci/run does)"
    return found[-1].parent


@contextmanager
def postgresql() -> Iterator[str]:
    """Give the address of an empty database, in a cluster that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="seatrial-pg-", dir="/tmp"))  # a socket's path must be short
    as_nobody: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(folder, "nobody", "nogroup")
        as_nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]
    else:
        folder.chmod(0o700)
    data = folder / "data"

    def run(program: str, *arguments: str | Path) -> None:
        environ = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        command = [*as_nobody, binaries() / program, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=folder, env=environ)
        assert done.returncode == 0, f"{program}: {done.stdout} {done.stderr}"

    options = " ".join(f"-c {name}={value or chr(39) * 2}" for name, value in _SETTINGS.items())
    try:
        run("initdb", "--auth=trust", "--no-sync", "--encoding=UTF8", "--username=portal", "--pgdata", data)
        run(
            "pg_ctl",
            "start",
            "--wait",
            "--silent",
            "--pgdata",
            data,
            "--log",
            folder / "log",
            "-o",
            f"-k {folder} {options}",
        )
        run("createdb", "--host", folder, "--username", "portal", "portal")
        yield f"postgresql://portal@/portal?host={folder}"
    finally:
        if (data / "postmaster.pid").exists():
            run("pg_ctl", "stop", "--mode=immediate", "--silent", "--pgdata", data)
        shutil.rmtree(folder, ignore_errors=True)
