"""Fuzz by atheris: ``python -m tests.fuzz SECONDS [TARGET]``, from the repository's root. ``make fuzz`` calls it.

Without a target each gets its share of the time in a process of its own, the response reader most of it. What is
found lies in ``build/fuzz/``; the exit code is not 0 then. Make a regression test of it in ``test_corpus.py``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_SHARES = {"reader": 0.7, "coding": 0.15, "cookies": 0.15}
_FOLDER = Path("build") / "fuzz"


def _fuzz(target: str, seconds: int) -> None:
    import atheris

    with atheris.instrument_imports(include=["seatrial.engine"]):
        from tests.fuzz.targets import TARGETS, seeds
    corpus, findings = _FOLDER / target, _FOLDER / "findings"
    for folder in (corpus, findings):
        folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds(target)):
        (corpus / f"seed-{number:03}").write_bytes(data)
    options = [
        f"-max_total_time={seconds}",
        "-max_len=4096",
        "-timeout=5",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={findings}/{target}-", str(corpus)], TARGETS[target])
    atheris.Fuzz()


def main() -> int:
    """Fuzz one target in this process, or each in its own; return the exit code."""
    seconds = int(sys.argv[1])
    if len(sys.argv) > 2:
        _fuzz(sys.argv[2], seconds)
        return 0
    codes = []
    for target, share in _SHARES.items():
        print(f"-- {target}", flush=True)  # noqa: T201 -- this is a command
        command = [sys.executable, "-m", "tests.fuzz", str(max(1, round(seconds * share))), target]
        codes.append(subprocess.run(command, check=False).returncode)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
