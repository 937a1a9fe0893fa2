"""What is known of a run before its first request, as documents of the bundle."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from seatrial.authoring.feeders import read_feed
from seatrial.authoring.forecasts import forecast_of
from seatrial.authoring.policies import LoadedPolicy
from seatrial.authoring.python_plan import inspect_journey
from seatrial.authoring.yaml_plan import LoadedPlan
from seatrial.engine.arrivals import FeedRows
from seatrial.engine.http.target import Target
from seatrial.engine.http.tls import certificate_fingerprint
from seatrial.engine.multipart import Files
from seatrial.evidence.bundle import CALIBRATION, ENVIRONMENT, FORECAST, FORECAST_SOURCE, PLAN, POLICY, RELEASE
from seatrial.evidence.canonical import sha256_hex
from seatrial.evidence.consent import CONSENT
from seatrial.evidence.order import ORDER
from seatrial.model.forecast import forecast_document
from seatrial.model.plan import plan_document
from seatrial.model.request import FilePart, RequestStep
from seatrial.trials.permission import Permission
from seatrial.trials.workspace import Workspace, environment_of

__all__ = ["Feeds", "code_of", "feed_facts", "read_feeds", "upload_facts", "write_documents"]

Feeds = Sequence[Mapping[str, FeedRows]]
"""For each journey in the plan's order, variable name to rows."""


def read_feeds(loaded: LoadedPlan) -> Feeds:
    """Return every feed's rows.

    Raises:
        PlanError: a file changed since the plan was checked.
    """
    feeds = []
    for journey in loaded.plan.journeys.values():
        tables = {name: (read_feed(feed, loaded.base), feed.order) for name, feed in journey.feed.items()}
        feeds.append({name: FeedRows(table.columns, table.rows, order) for name, (table, order) in tables.items()})
    return feeds


def write_documents(
    workspace: Workspace,
    loaded: LoadedPlan,
    policy: LoadedPolicy,
    *,
    release: bytes | None,
    calibration: bytes | None,
    feeds: Feeds,
    target: Target | None,
    command: Sequence[str],
    workers: int,
    started: datetime,
    permission: Permission | None = None,
    attempt: Mapping[str, Any] | None = None,
) -> None:
    """Write plan, policy, release, calibration, permission, the code of journeys in Python, and the environment.

    Rows of feeds may be personal data and stay out of the evidence; their digests are in it.

    Raises:
        PlanError: the file of a journey in Python can't be read any more.
        EngineError: a file to upload can't be read any more.
        RecordingError: the disk refuses.
    """
    workspace.write("plan.yaml", loaded.source)
    workspace.write_json(PLAN, plan_document(loaded.plan))
    workspace.write_json(POLICY, policy.policy.as_document())
    if (forecast := forecast_of(loaded.plan.demand, loaded.base)) is not None:
        workspace.write(FORECAST_SOURCE, forecast.source)
        workspace.write_json(FORECAST, forecast_document(forecast.forecast))
    if release is not None:
        workspace.write(RELEASE, release)
    if calibration is not None:
        workspace.write(CALIBRATION, calibration)
    if permission is not None:
        workspace.write(ORDER if permission.kind == "order" else CONSENT, permission.document)
    environment = environment_of(
        plan_digest=loaded.digest,
        policy_digest=policy.digest,
        plan_name=loaded.path.name,
        command=command,
        workers=workers,
        backend="local",
        started=started,
        feeds=feed_facts(loaded, feeds),
        addresses=[at[0] for _, at in target.addresses] if target else [],
    )
    further = {"code": _write_code(workspace, loaded), "network": _network(target), "uploads": upload_facts(loaded)}
    if attempt is not None:
        further["attempt"] = dict(attempt)
    if permission is not None:
        further["permission"] = permission.as_document()
    workspace.write_json(ENVIRONMENT, environment | further)


def feed_facts(loaded: LoadedPlan, feeds: Feeds) -> dict[str, Any]:
    """Return how many rows each feed has, and their digest, by ``journey.variable``."""
    return {
        f"{journey}.{variable}": {"rows": len(rows.rows), "sha256": _digest_of(rows)}
        for journey, tables in zip(loaded.plan.journeys, feeds, strict=True)
        for variable, rows in tables.items()
    }


def _network(target: Target | None) -> dict[str, Any]:
    """Return how connections reach the target, beside its addresses; only what is out of the ordinary.

    Of the client's certificate the fingerprint alone is kept, of its key nothing.
    """
    if target is None:
        return {}
    facts = {
        "source_addresses": list(target.sources),
        "proxy": target.proxy.authority if target.proxy else None,
        "left_out": list(target.left_out),
        "client_certificate_sha256": certificate_fingerprint(target.certificate) if target.certificate else None,
    }
    return {name: fact for name, fact in facts.items() if fact}


def upload_facts(loaded: LoadedPlan) -> dict[str, Any]:
    """Return size and digest of each file that a step sends, by its path; the files stay out of the evidence.

    Raises:
        EngineError: a file changed since the plan was checked, so that it can't be sent.
    """
    plan, files = loaded.plan, Files(loaded.base)
    requests = [step for journey in plan.journeys.values() for step in journey.requests]
    for phase in (plan.set_up, plan.tear_down):
        requests += [step for step in phase.steps if isinstance(step, RequestStep)] if phase else []
    parts = (part for step in requests for part in (step.multipart or {}).values())
    names = dict.fromkeys(part.file for part in parts if isinstance(part, FilePart))
    return {name: {"bytes": len(files.read(name)), "sha256": sha256_hex(files.read(name))} for name in names}


def _write_code(workspace: Workspace, loaded: LoadedPlan) -> dict[str, Any]:
    """Write the files that journeys in Python come from and return where each journey's is, with its digest.

    What the file imports from elsewhere is not followed: that is the tester's machine, not the plan.
    """
    code: dict[str, Any] = {}
    for name, (file, source) in code_of(loaded).items():
        workspace.write(file, source)
        code[name] = {"file": file, "sha256": sha256_hex(source)}
    return code


def code_of(loaded: LoadedPlan) -> dict[str, tuple[str, bytes]]:
    """Return the files of journeys in Python by the journey's name: each one's name in a bundle, and its bytes.

    Raises:
        PlanError: a file can't be read any more.
    """
    code: dict[str, tuple[str, bytes]] = {}
    for index, (name, journey) in enumerate(loaded.plan.journeys.items()):
        if journey.python is not None:
            file = f"code/{index + 1:02d}-{Path(journey.python.rpartition(':')[0]).stem}.py"
            code[name] = file, inspect_journey(journey.python, loaded.base).source
    return code


def _digest_of(rows: FeedRows) -> str:
    """Return the digest of a feed's rows: of their text, or as JSON where a value is anything else than text."""
    if all(isinstance(value, str) for row in rows.rows for value in row):
        return sha256_hex("\n".join("\x1f".join(row) for row in (rows.columns, *rows.rows)).encode())
    lines = (json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in (rows.columns, *rows.rows))
    return sha256_hex("\n".join(lines).encode())
