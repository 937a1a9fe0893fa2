"""The tables that a reader sees. Pure: what was measured in, cells out."""

from __future__ import annotations

from typing import Any

__all__ = [
    "DELAY_HEAD",
    "FREEZE_HEAD",
    "HELD_HEAD",
    "PACED_HEAD",
    "SPEED_HEAD",
    "assess_rows",
    "delay_rows",
    "freeze_rows",
    "held_rows",
    "import_rows",
    "paced_rows",
    "profile_lines",
    "scaling_lines",
    "speed_rows",
    "spread_text",
    "start_lines",
    "table",
    "verify_rows",
]

Row = dict[str, Any]
SPEED_HEAD = ["tool", "requests/s", "CPU µs/request", "peak MB", "errors", "client", "server", "others", "at its limit"]
FREEZE_HEAD = ["tool", "sent", "p95 reported / true, ms", "off by", "p99 reported / true, ms", "off by"]
DELAY_HEAD = ["tool", "error of the reported median, ms", "load"]
HELD_HEAD = ["what", "asked", "held", "open, says the server", "bytes each", "all processes, MB", "steps not ok"]
PACED_HEAD = ["tool", "offered/s", "done/s", "CPU µs/request", "client", "others"]


def _number(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}"


def spread_text(spread: Row, digits: int = 0) -> str:
    """Return ``median (least–most)``."""
    median, least, most = (_number(spread[key], digits) for key in ("median", "least", "most"))
    return f"{median} ({least}–{most})"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines) + "\n"


def speed_rows(rows: list[Row]) -> list[list[str]]:
    """Return the cells of a speed table, fastest first; a tool that failed stands at the end with its reason."""
    good = sorted((row for row in rows if "rps" in row), key=lambda row: -row["rps"]["median"])
    cells_of_all = []
    for row in good:
        cells = [row["tool"], spread_text(row["rps"])]
        if "cpu_us" in row:
            cells.append(spread_text(row["cpu_us"], 1))
        if "peak_mb" in row:
            cells += [_number(row["peak_mb"]["median"], 0), spread_text(row["errors"])]
            cells += [f"{row[key]['median']:.0%}" for key in ("client_share", "server_share", "others_share")]
            cells.append(row["bottleneck"])
        cells_of_all.append(cells + [""] * (len(SPEED_HEAD) - len(cells)))
    empty = [""] * (len(SPEED_HEAD) - 2)
    failed = [row for row in rows if "rps" not in row]
    return cells_of_all + [[row["tool"], f"failed: {'; '.join(row['failed_runs'])[:160]}", *empty] for row in failed]


def freeze_rows(rows: list[Row]) -> list[list[str]]:
    """Return the cells of the freeze drill's table."""
    cells_of_all = []
    for row in rows:
        if "error" in row:
            cells_of_all.append([row["tool"], row["error"], "", "", "", ""])
            continue
        cells = [row["tool"], f"{row['sent']:,} of {row['meant']:,}"]
        for name in ("p95", "p99"):
            point = row[name]
            known = point["reported_ms"] is not None
            cells.append(f"{point['reported_ms']:,.0f} / {point['true_ms']:,.0f}" if known else "not reported")
            cells.append(f"{point['relative_error']:+.1%}" if known else "")
        cells_of_all.append(cells)
    return cells_of_all


def delay_rows(rows: list[Row]) -> list[list[str]]:
    """Return the cells of the table of latency errors."""
    return [
        [row["tool"], row["error"] if "error" in row else spread_text(row["median_error_ms"], 3),
         "closed loop, 10 connections" if row.get("closed_loop") else "100 requests/s"]
        for row in rows
    ]  # fmt: skip


def held_rows(rows: list[Row]) -> list[list[str]]:
    """Return the cells of the table of what was held at once."""
    cells_of_all = []
    for row in rows:
        if "error" in row:
            cells_of_all.append([row["name"], row["error"], "", "", "", "", ""])
            continue
        wrong = sum(count for outcome, count in row["outcomes"].items() if outcome != "ok")
        cells = [row["name"], _number(row["asked"], 0), _number(row["sessions"], 0), _number(row["seen_by_server"], 0)]
        cells += [_number(row["bytes_each"], 0), _number(row["generator_bytes"] / 1e6, 0), _number(wrong, 0)]
        cells_of_all.append(cells)
    return cells_of_all


def paced_rows(rows: list[Row]) -> list[list[str]]:
    """Return the cells of the table of what a request costs at a fixed rate."""
    cells_of_all = []
    for row in rows:
        if "error" in row:
            cells_of_all.append([row["tool"], row["error"], "", "", "", ""])
            continue
        cells = [row["tool"], _number(row["rate"], 0), spread_text(row["rps"]), spread_text(row["cpu_us"], 1)]
        cells_of_all.append([*cells, *(f"{row[key]['median']:.0%}" for key in ("client_share", "others_share"))])
    return cells_of_all


def import_rows(imports: dict[str, float], most: int = 8) -> list[list[str]]:
    """Return what modules take to load, by package, most first, the rest as one row."""
    ranked = sorted(imports.items(), key=lambda item: -item[1])
    rows = [[package, _number(ms, 0)] for package, ms in ranked[:most]]
    if ranked[most:]:
        rows.append([f"{len(ranked) - most} others", _number(sum(ms for _, ms in ranked[most:]), 0)])
    return [*rows, ["all", _number(sum(imports.values()), 0)]]


def start_lines(start: Row) -> list[str]:
    """Return the part ``start`` as a page's paragraphs."""
    said = "; ".join(
        f"with {count} {spread_text(start[f'workers_{count}']['seconds'], 2)} s"
        for count in (1, 2)
    )  # fmt: skip
    lines = [f"From the command to the first request, by number of workers: {said}; {start['repeats']} repeats.\n"]
    for name, key in (("the run's own process", "parent_imports_ms"), ("a worker", "worker_imports_ms")):
        lines += [f"What {name} loads:\n", table(["package", "ms"], import_rows(start[key]))]
    return lines


ASSESS_HEAD = ["records", "bundle", "seconds", "CPU seconds", "most memory", "verdict"]


def assess_rows(rows: list[Row]) -> list[list[str]]:
    """Return the cells of the part ``assess``."""
    return [
        [
            f"{row['records']:,}",
            f"{row['bundle_bytes'] / 1e6:,.0f} MB",
            f"{row['wall_s']:.1f}",
            f"{row['cpu_s']:.1f}",
            f"{row['peak_bytes'] / 1e6:,.0f} MB",
            row["verdict"],
        ]
        for row in rows
    ]


VERIFY_HEAD = ["records", "bundle", "seconds", "CPU seconds", "most memory"]


def verify_rows(rows: list[Row]) -> list[list[str]]:
    """Return the cells of the part ``verify``."""
    return [cells[:-1] for cells in assess_rows([row | {"verdict": ""} for row in rows])]


def scaling_lines(found: Row) -> list[str]:
    """Return the part ``scaling`` as a page's paragraphs."""
    rows = [
        ["requests/s at saturation, one worker", _number(found["one_rps"], 0)],
        ["requests/s at saturation, two workers", _number(found["two_rps"], 0)],
        ["two against one, as measured", f"{found['measured_ratio']:.2f}"],
        ["CPU µs/request at a third of one worker's saturation, one worker", _number(found["one_cpu_us"], 1)],
        ["the same with two workers, each at that rate", _number(found["two_cpu_us"], 1)],
        ["two against one, by cost: 2 · c1 / c2", f"{found['ratio_by_cost']:.2f}"],
        ["what two cores can give client and server together, requests/s", _number(found["ceiling_rps"], 0)],
        ["two workers' share of that", f"{found['share_of_ceiling']:.0%}"],
    ]
    return [f"{found['meaning']}\n", table(["", "three-step journey"], rows)]


def profile_lines(row: Row) -> list[str]:
    """Return a profile as a page's paragraphs."""
    lines = [f"The three-step journey, which saturates at {row['saturation']:,.0f} journeys/s here.\n"]
    perf, spy = row["perf"], row["py_spy"]
    if "error" in perf:
        lines.append(f"perf: {perf['error']}.\n")
    else:
        cost = (
            f"{perf['sessions_per_s']:,.0f} journeys/s at {perf['cpu_us']:.1f} µs of CPU a request, profiling included"
        )
        lines.append(f"## By layer\n\nperf, {perf['samples']:,} samples of all CPU time; {cost}.\n")
        lines.append(table(["layer", "share"], _shares(perf["layers"], perf["samples"])))
        lines += ["## By symbol\n", table(["symbol", "share"], _shares(perf["symbols"], perf["samples"]))]
    if "error" in spy:
        lines.append(f"py-spy: {spy['error']}.\n")
        return lines
    said = f"py-spy, {spy['outside']:,} samples outside system calls, what a function calls in C counted for it; "
    said += f"{spy['sessions_per_s']:,.0f} journeys/s."
    lines += [f"## By function\n\n{said}\n", table(["function", "share"], _shares(spy["functions"], spy["outside"]))]
    lines += ["## By module\n", table(["module", "share"], _shares(spy["files"], spy["outside"]))]
    if spy["flame_graph"]:
        why = "py-spy stops the process for each look, which lets system calls seem longer than they are"
        lines.append(f"[The flame graph]({spy['flame_graph']}); {why}.\n")
    return lines


def _shares(counts: list[tuple[str, int]], total: int) -> list[list[str]]:
    return [[name, f"{count / total:.1%}"] for name, count in counts if count / total >= 0.001]
