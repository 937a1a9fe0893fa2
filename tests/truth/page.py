"""The page of operating characteristics, from the results that are kept: generated, never typed."""

from __future__ import annotations

from typing import Any

from tests.truth.cases import ALL
from tests.truth.harness import Case, Count, Figure

_HEAD = """\
# Operating characteristics

How often is a verdict wrong? Each row below stands for hundreds of simulated trials of a service whose true answer is
known, from theory or to the last digit by computation. The simulation gives records for the product's own schedule;
everything after that, from records to verdict, is the code that judges a real trial. A rate stands beside its exact
95 % interval (Clopper and Pearson 1934), which is what this many trials can tell.

"10 % beyond the limit" means that the true figure is 1.1 times what the plan allows, "10 % inside" that it is 0.9
times. A verdict of PASS needs the pessimistic end of the 95 % interval within the limit, FAIL needs the optimistic end
beyond it, and what lies between is INCONCLUSIVE: a trial that is too short to tell says so. So a high share of
INCONCLUSIVE beside low error rates says that more time is needed so near to the limit, and no more than that.

This page is written by `make truth` from `tests/truth/results.json`, which keeps the outcome of every single trial
by its seed; `make truth ONLY=mm1-p95` repeats one case. The services, with the source of each answer, are in
`tests/truth/services/`, the cases in `tests/truth/cases/`. The normal test run repeats the first trials of each case.
"""


def render(results: dict[str, Any]) -> str:
    """Return the page.

    Args:
        results: As :func:`tests.truth.harness.read_results` gives them; a case without results is named as such.
    """
    kept = [case for case in ALL if case.name in results]
    parts = [_HEAD, _summary(kept, results)]
    for group in dict.fromkeys(case.group for case in kept):
        parts.append(f"## {group}\n")
        parts += [_table(case, results[case.name]) for case in kept if case.group == group]
    if lacking := [case for case in ALL if case.name not in results]:
        lines = [f"- `{case.name}`: {case.service}. `make truth ONLY={case.name}`" for case in lacking]
        parts.append("## Not worked out yet\n\n" + "\n".join(lines) + "\n")
    parts.append(_versions(kept, results))
    return "\n".join(parts).rstrip() + "\n"


def _rows(case: Case, letters: dict[str, str]) -> list[tuple[Figure, Count, bool | None]]:
    return [(f, f.count(letters[f.question]), f.met(letters[f.question])) for f in case.figures]


def _summary(kept: list[Case], results: dict[str, Any]) -> str:
    rows = [(case, *row) for case in kept for row in _rows(case, results[case.name]["letters"])]
    aimed = [row for row in rows if row[3] is not None]
    missed = [row for row in aimed if row[3] is False]
    trials = sum(len(next(iter(results[case.name]["letters"].values()))) for case in kept)
    said = f"**{len(aimed) - len(missed)} of {len(aimed)} targets are met**, over {trials:,} simulated trials.\n"
    if not missed:
        return said
    lines = [
        f"- `{case.name}`, {figure.what}: {count.share:.1%}, target {figure.target}. {figure.why}".rstrip()
        for case, figure, count, _ in missed
    ]
    return said + "\nNot met:\n\n" + "\n".join(lines) + "\n"


def _table(case: Case, result: dict[str, Any]) -> str:
    lines = [
        f"### {case.name}\n",
        f"{case.service[0].upper()}{case.service[1:]}. Trial: {case.plan}.\n",
        "| what | trials | rate | 95 % interval | target | met |",
        "|---|---:|---:|---:|---:|:---:|",
    ]
    for figure, count, met in _rows(case, result["letters"]):
        low, high = count.interval
        said = {True: "yes", False: "**no**", None: ""}[met]
        cells = (figure.what, count.trials, f"{count.share:.1%}", f"{low:.1%} to {high:.1%}", figure.target, said)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def _versions(kept: list[Case], results: dict[str, Any]) -> str:
    found = dict.fromkeys(
        ", ".join(f"{name} {number}" for name, number in results[case.name]["with"].items()) for case in kept
    )
    return "## Made with\n\n" + "\n".join(f"- {line}" for line in found) + "\n"
