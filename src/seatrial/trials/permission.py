"""What is asked before a run's first request: trust in its code, and leave to load its target."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.authoring.yaml_plan import LoadedPlan
from seatrial.engine.http.probe import probe
from seatrial.engine.http.target import Target, check_authorised, resolve
from seatrial.errors import TargetError, UsageError
from seatrial.trials.options import RunOptions

if TYPE_CHECKING:
    from seatrial.trials.scrape import Page

__all__ = ["permitted_pages", "permitted_target", "refuse_untrusted", "stop_files"]


def stop_files(loaded: LoadedPlan, options: RunOptions) -> list[Path]:
    """Return the files whose appearance ends the run: the plan's, and that of the command line."""
    named = loaded.plan.stop.file
    files = [] if named is None else [loaded.base.resolve() / named]
    return files if options.stop_file is None else [*files, options.stop_file.absolute()]


def refuse_untrusted(loaded: LoadedPlan, options: RunOptions) -> None:
    """Refuse a run without workers, and journeys in Python that nobody said are trusted.

    Raises:
        UsageError: it is one of these.
    """
    if options.workers < 1:
        raise UsageError("a run needs at least one worker", value=options.workers, remedy="Leave --workers out.")
    scripted = [name for name, journey in loaded.plan.journeys.items() if journey.python is not None]
    if scripted and not options.trust_python:
        raise UsageError(
            "the plan runs its author's Python code",
            value=", ".join(scripted),
            remedy="Read the code; if you trust it as your own, add --trust-python.",
        )


def permitted_target(loaded: LoadedPlan) -> Target | TargetError:
    """Return the target as it can be reached, or why it can't; a run of a target that is not there is evidence too.

    Raises:
        NotAuthorisedError: it may not be loaded.
        UsageError: it can't be reached as the plan says from this machine: a source address or the client's
            certificate is at fault.
    """
    plan = loaded.plan
    try:
        target = resolve(plan, loaded.base)
    except TargetError as error:
        return error
    stages = (stage for index, trial in enumerate(plan.trials) for stage in trial.stages(index, plan))
    check_authorised(target, plan.authorisation, max(stage.peak for stage in stages))
    try:
        return probe(target, plan.transport)
    except TargetError as error:
        return error


def permitted_pages(loaded: LoadedPlan) -> Mapping[str, Page]:
    """Return the addresses that the service's own figures are read from.

    Raises:
        NotAuthorisedError: one may not be asked.
        UsageError: one does not resolve.
        TargetError: the CA file can't be read.
    """
    if loaded.plan.telemetry is None:
        return {}
    from seatrial.trials.telemetry import open_pages

    return open_pages(loaded.plan, loaded.base)
