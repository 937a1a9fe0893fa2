"""Work out the operating characteristics and write their page: ``make truth``.

``python -m tests.truth [TRIALS] [CASE ...]`` from the repository's root. Fewer than 500 trials are not published: they
go to ``build/truth/``. With names, only those cases are worked out anew; others stay as they were.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.truth.cases import ALL, CASES
from tests.truth.harness import PAGE, PUBLISHED, RESULTS, made_with, read_results, run_all, write_results
from tests.truth.page import render

_BUILD = Path("build") / "truth"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run what is asked for; return the exit code."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else PUBLISHED
    strangers = [name for name in sys.argv[2:] if name not in CASES]
    if strangers or trials < 1:
        _say(f"no such case: {' '.join(strangers)}. There are: {' '.join(CASES)}")
        return 2
    wanted = [CASES[name] for name in sys.argv[2:]] or list(ALL)
    results_file, page = (RESULTS, PAGE) if trials >= PUBLISHED else (_BUILD / RESULTS.name, _BUILD / PAGE.name)
    results_file.parent.mkdir(parents=True, exist_ok=True)
    results = {name: kept for name, kept in read_results(results_file).items() if name in CASES}
    begun = time.monotonic()
    for case, letters in run_all(wanted, trials, lambda name: _say(f"{name} ...")):
        results[case.name] = {"letters": letters, "with": made_with()}
        for figure in case.figures:
            count, met = figure.count(letters[figure.question]), figure.met(letters[figure.question])
            mark = {True: "met", False: "MISSED", None: ""}[met]
            _say(f"  {figure.what}: {count.share:.1%} of {count.trials} {figure.target} {mark}")
        _say(f"  {time.monotonic() - begun:.0f} s so far")
        write_results(results, results_file)
    page.write_text(render(read_results(results_file)), encoding="utf-8")  # what stands in the file, in its order
    _say(f"written: {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
