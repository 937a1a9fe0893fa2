"""``seatrial plan demand``: from a forecast to P, with every assumption and its source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from seatrial.authoring.forecasts import LoadedForecast
    from seatrial.model.demand import Derivation
    from seatrial.model.reasons import Language

__all__ = ["demand", "language_of", "write_files"]

_TEXTS: dict[str, tuple[str, str]] = {
    "title": ("{title}, {case}", "{title}（{case}）"),
    "p": ("P = {rate} journeys/s in the {case}.", "{case}：P = 每秒 {rate} 個流程。"),
    "source": ("source: {source}", "來源：{source}"),
    "challenge": (
        "A challenge, not a rule: what P would be if as many times more came as came elsewhere.",
        "以下是提問而非規定：如果實際需求超出預測的倍數與其他個案相同，P 會是多少。",
    ),
    "incident": (
        "× {multiple} = {rate}/s  {what}: {against} {planned}, {came} came ({unit})",
        "× {multiple} = {rate}/s  {what}：{against} {planned}，實際 {came}（{unit}）",
    ),
    "paste": ("To be pasted into a plan:", "可貼入測試計劃："),
    "written": ("Written: {files}", "已寫入：{files}"),
}


def demand(
    forecast: Annotated[Path, typer.Argument(help="The forecast, a YAML file.")],
    case: Annotated[str, typer.Option(help="base, high, or another case of the forecast.")] = "high",
    out: Annotated[Path | None, typer.Option(help="A folder for demand.json, arrivals.csv and demand.yaml.")] = None,
    lang: Annotated[str, typer.Option(help="en or zh-Hant.")] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Work out P, the curve of arrivals and the concurrency from a forecast, step by step.

    Raises:
        PlanError: the forecast is wrong.
        UsageError: no such case or language, or a file to be written is there already.
    """
    from seatrial.authoring.forecasts import curve_csv, demand_block, load_forecast
    from seatrial.authoring.validation import did_you_mean
    from seatrial.errors import UsageError
    from seatrial.model.demand import derive

    language = language_of(lang)
    loaded = load_forecast(forecast)
    names = loaded.forecast.case_names()
    if case not in names:
        raise UsageError("the forecast has no such case", value=f"--case {case}", remedy=did_you_mean(case, names))
    derived = derive(loaded.forecast, case)
    document = _document(loaded, derived)
    block = demand_block(loaded, derived)
    files = {"demand.json": json.dumps(document, ensure_ascii=False, indent=2) + "\n"}
    files |= {"arrivals.csv": curve_csv(derived), "demand.yaml": block}
    written = write_files(out, files) if out is not None else []
    if as_json:
        typer.echo(json.dumps(document | {"written": [str(path) for path in written]}, ensure_ascii=False))
        return
    _print(loaded, derived, language)
    if written:
        typer.echo("\n" + _say("written", language, files=", ".join(str(path) for path in written)))
    else:
        typer.echo(f"\n{_say('paste', language)}\n\n{block}", nl=False)


def language_of(lang: str) -> Language:
    """Return a language of the reports.

    Raises:
        UsageError: another one.
    """
    from seatrial.errors import UsageError

    if lang == "en":
        return "en"
    if lang == "zh-Hant":
        return "zh-Hant"
    raise UsageError("no such language", value=f"--lang {lang}", remedy="Write en or zh-Hant.")


def write_files(folder: Path, files: dict[str, str]) -> list[Path]:
    """Write files into a folder, which is made where it is missing; return their paths. None is overwritten.

    Raises:
        UsageError: one of them is there already, or the folder can't be written.
    """
    from seatrial.errors import UsageError

    paths = [folder / name for name in files]
    there = [str(path) for path in paths if path.exists() or path.is_symlink()]
    if there:
        raise UsageError("a file is there already", value=", ".join(there), remedy="Choose another --out.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in zip(paths, files.values(), strict=True):
            with path.open("x", encoding="utf-8", newline="") as file:
                file.write(text)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no such name is possible"
        raise UsageError(
            f"the files can't be written ({reason})", value=folder, remedy="Choose another --out."
        ) from error
    return paths


def _say(key: str, language: Language, **places: str) -> str:
    return _TEXTS[key][0 if language == "en" else 1].format(**places)


def _document(loaded: LoadedForecast, derived: Derivation) -> dict[str, Any]:
    """Return the derivation as JSON-ready data; rates per second, times in nanoseconds where their key says so."""
    from seatrial.authoring.challenge import challenges
    from seatrial.model.demand import derive

    lines = [
        {
            "term": line.term,
            "name": line.name or None,
            "value": line.value,
            "unit": line.unit,
            "formula": line.formula or None,
            "assumptions": [{"source": a.source, "times": a.times} for a in line.assumptions],
        }
        for line in derived.lines
    ]
    return {
        "forecast": {"title": loaded.forecast.title, "file": loaded.name, "sha256": loaded.digest},
        "case": derived.case,
        "peak_per_s": derived.peak,
        "peaks_per_s": {name: derive(loaded.forecast, name).peak for name in loaded.forecast.case_names()},
        "arrivals_in_hour": derived.arrivals,
        "mean_duration_s": derived.mean_s,
        "concurrency": derived.concurrency,
        "concurrency_reached": derived.is_sustained,
        "lines": lines,
        "curve": [[at_ns, rate] for at_ns, rate in derived.points],
        "challenge": [
            {
                "what": each.incident.what["en"],
                "multiple": each.incident.multiple,
                "peak_per_s": each.peak,
                "source": each.incident.source,
            }
            for each in challenges(derived.peak)
        ],
    }


def _print(loaded: LoadedForecast, derived: Derivation, language: Language) -> None:
    from seatrial.authoring.challenge import challenges
    from seatrial.model.demand import derive
    from seatrial.model.demand_words import case_name, concurrency_note, show_line
    from seatrial.units import format_number, write_number

    case = case_name(derived.case, language)
    typer.echo(_say("title", language, title=loaded.forecast.title, case=case))
    for line in derived.lines:
        shown = show_line(line, language)
        typer.echo(f"  {shown.term}: {shown.figure}" + (f"  = {shown.formula}" if shown.formula else ""))
        if shown.source:
            typer.echo(f"      {_say('source', language, source=shown.source)}")
    typer.echo(f"  {concurrency_note(derived, language)}\n")
    for name in loaded.forecast.case_names():
        rate = write_number(derive(loaded.forecast, name).peak)
        typer.echo(_say("p", language, rate=rate, case=case_name(name, language)))
    typer.echo("\n" + _say("challenge", language))
    for each in challenges(derived.peak):
        told = each.incident
        places = {"multiple": format_number(told.multiple), "rate": format_number(each.peak)}
        places |= {"planned": f"{told.planned:,}", "came": f"{told.came:,}"}
        places |= {"what": told.what[language], "against": told.against[language], "unit": told.unit[language]}
        typer.echo(f"  {_say('incident', language, **places)}\n      {_say('source', language, source=told.source)}")
