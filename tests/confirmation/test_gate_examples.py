"""The examples of gates are executed: their scripts deploy on ALLOW, and never come to it otherwise."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from test_webhook import IMAGE, NOW, PERIOD, RELEASE, TRUST, revoked

from evidence_builders import OFFICER_SIGNER, REVIEWER_SIGNER  # isort: skip
from seatrial.confirmation.bounds import VoidWhen
from seatrial.confirmation.statement import Confirmation, Ruling, months_after
from seatrial.evidence.canonical import sha256_hex
from seatrial.evidence.envelope import sign
from seatrial.model.release import Release, release_of

EXAMPLES = Path(__file__).parents[2] / "examples" / "gate"
DEPLOYED = "deployed-marker"


def read(name: str) -> dict:
    return YAML(typ="safe").load((EXAMPLES / name).read_text(encoding="utf-8"))


def confirmed(release: Release) -> bytes:
    return Confirmation(
        ruling=Ruling.CONFIRMED,
        reasons=(),
        conditions=(),
        issued_at=NOW,
        valid_until=months_after(NOW, 3),
        system="Booking",
        release=(release.name, release.version),
        tested_peak_per_s=40.0,
        policy_digest="1" * 64,
        evidence_digest="2" * 64,
        test_result_digest="3" * 64,
        subjects=release.subjects,
        void_when=VoidWhen(44.0),
        recommendation_digest=None,
    ).to_statement().to_bytes()  # fmt: skip


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository as the examples expect it, with a good confirmation of what it builds."""
    root = tmp_path / "checkout"
    (root / "build").mkdir(parents=True)
    (root / "build" / "server.py").write_text("print('booking')\n")
    (root / "deploy").mkdir()
    (root / "deploy" / "production.yaml").write_text("replicas: 3\n")
    (root / "deploy.sh").write_text(f"#!/bin/sh\ntouch {DEPLOYED}\n")
    (root / "deploy.sh").chmod(0o755)
    sources = [("app", root / "build"), ("config", root / "deploy" / "production.yaml")]
    payload = confirmed(release_of("booking", "v2.1", sources))
    (root / "gate").mkdir()
    (root / "gate" / "confirmation.json").write_bytes(sign(payload, [REVIEWER_SIGNER, OFFICER_SIGNER]))
    (root / "gate" / "trust.json").write_bytes(TRUST.to_bytes())
    (root / "gate" / "revocations.json").write_bytes(revoked())
    (root / "payload-digest").write_text(sha256_hex(payload))
    return root


def bash(root: Path, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    tools = root.parent / "bin"
    tools.mkdir(exist_ok=True)
    entrance = tools / "seatrial"
    entrance.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m seatrial.cli.main "$@"\n')
    entrance.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", **variables}
    return subprocess.run(
        ["bash", "-c", script], cwd=root, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def gitlab(root: Path) -> subprocess.CompletedProcess[str]:
    """The job's lines one after another, as GitLab's runner executes them."""
    job = read("gitlab/.gitlab-ci.yml")["rollout"]
    variables = job["variables"] | {"CI_COMMIT_TAG": "v2.1"}
    return bash(root, "\n".join(job["script"]), **variables)


def github(root: Path) -> subprocess.CompletedProcess[str]:
    """The composite action's step with its inputs, then the workflow's deploy line."""
    steps = read("github/workflow.yml")["jobs"]["rollout"]["steps"]
    used = next(step for step in steps if step.get("uses", "").endswith("rollout-gate"))
    action = read("github/action.yml")
    defaults = {name: it["default"] for name, it in action["inputs"].items() if "default" in it}
    inputs = defaults | used["with"] | {"version": "v2.1"}
    (step,) = action["runs"]["steps"]
    names = {key: re.fullmatch(r"\$\{\{ inputs\.(\w+) \}\}", value)[1] for key, value in step["env"].items()}
    run = bash(root, step["run"], **{key: inputs[name] for key, name in names.items()})
    return run if run.returncode else bash(root, steps[-1]["run"])


PIPELINES = pytest.mark.parametrize("pipeline", [gitlab, github])


@PIPELINES
def test_what_is_confirmed_is_deployed(checkout: Path, pipeline) -> None:
    run = pipeline(checkout)
    assert run.returncode == 0, run.stderr + run.stdout
    assert (checkout / DEPLOYED).exists()
    assert json.loads((checkout / "gate.json").read_text())["decision"] == "ALLOW"


def _another_file(root: Path) -> None:
    (root / "build" / "server.py").write_text("print('changed after the trial')\n")


def _revoked(root: Path) -> None:
    (root / "gate" / "revocations.json").write_bytes(revoked((root / "payload-digest").read_text()))


REASONS = {
    "another file": _another_file,
    "a file more": lambda root: (root / "build" / "late.py").write_text("x"),
    "another configuration": lambda root: (root / "deploy" / "production.yaml").write_text("replicas: 1\n"),
    "revoked": _revoked,
    "no confirmation": lambda root: (root / "gate" / "confirmation.json").unlink(),
    "no revocation list": lambda root: (root / "gate" / "revocations.json").unlink(),
    "no trust file": lambda root: (root / "gate" / "trust.json").unlink(),
    "nothing built": lambda root: shutil.rmtree(root / "build"),
}


@PIPELINES
@pytest.mark.parametrize("reason", REASONS)
def test_the_pipeline_stops_before_its_deploy_line(checkout: Path, pipeline, reason: str) -> None:
    REASONS[reason](checkout)
    run = pipeline(checkout)
    assert run.returncode != 0, run.stdout
    assert not (checkout / DEPLOYED).exists()


def test_no_example_puts_what_others_wrote_into_the_text_of_a_script() -> None:
    (step,) = read("github/action.yml")["runs"]["steps"]
    assert "${{" not in step["run"]
    for name in ("gitlab/.gitlab-ci.yml", "github/action.yml"):
        assert "set -euo pipefail" in (EXAMPLES / name).read_text(encoding="utf-8")


def test_the_gate_is_asked_in_the_job_that_deploys_so_that_a_job_run_again_asks_again() -> None:
    pipeline = read("gitlab/.gitlab-ci.yml")
    (job,) = (part for part in pipeline.values() if isinstance(part, dict) and "script" in part)
    (deploys,) = (number for number, line in enumerate(job["script"]) if "deploy.sh" in line)
    assert any("seatrial gate" in line for line in job["script"][:deploys])
    (steps,) = (job["steps"] for job in read("github/workflow.yml")["jobs"].values())
    assert "rollout-gate" in steps[-2]["uses"] and "deploy.sh" in steps[-1]["run"]
    assert not any("if" in step or "continue-on-error" in step for step in steps)


def test_an_example_takes_nothing_in_by_a_name_that_can_be_moved_and_runs_for_protected_references_alone() -> None:
    texts = {
        name: (EXAMPLES / name).read_text(encoding="utf-8") for name in ("gitlab/.gitlab-ci.yml", "github/workflow.yml")
    }
    workflow, job = read("github/workflow.yml"), read("gitlab/.gitlab-ci.yml")["rollout"]
    used = [step["uses"] for step in workflow["jobs"]["rollout"]["steps"] if "uses" in step]
    assert all(name.startswith("./") or re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", name) for name in used), used
    assert "@sha256:" in job["image"]
    for text in texts.values():
        assert all("--require-hashes" in line for line in text.splitlines() if "pip install" in line)
    assert set(workflow["on"]) == {"push"} and workflow["permissions"] == {"contents": "read"}
    assert workflow["jobs"]["rollout"]["environment"] == job["environment"] == "production"
    assert all('$CI_COMMIT_REF_PROTECTED == "true"' in rule["if"] for rule in job["rules"])


def test_an_input_that_looks_like_a_command_is_a_name(checkout: Path) -> None:
    (step,) = read("github/action.yml")["runs"]["steps"]
    evil = {
        "SYSTEM": "x$(touch pwned)",
        "VERSION": "`touch pwned`",
        "SOURCES": "app=build\n; touch pwned",
    }
    assert bash(checkout, step["run"], FOLDER="gate", **evil).returncode != 0
    assert not (checkout / "pwned").exists()


def test_the_cluster_s_objects_send_what_the_webhook_judges_and_fail_shut() -> None:
    text = (EXAMPLES / "kubernetes" / "gate.yaml").read_text(encoding="utf-8")
    objects = {item["kind"]: item for item in YAML(typ="safe").load_all(text)}
    (hook,) = objects["ValidatingWebhookConfiguration"]["webhooks"]
    assert (hook["failurePolicy"], hook["sideEffects"], hook["admissionReviewVersions"]) == ("Fail", "None", ["v1"])
    assert hook["clientConfig"]["service"]["path"] == "/validate"
    assert {operation for rule in hook["rules"] for operation in rule["operations"]} == {"CREATE", "UPDATE"}
    sent = {resource for rule in hook["rules"] for resource in rule["resources"]}
    judged = {"pods", "pods/ephemeralcontainers", "deployments", "statefulsets", "daemonsets", "replicasets"}
    assert sent == judged | {"replicationcontrollers", "jobs", "cronjobs"}
    (container,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["args"][:2] == ["gate", "serve"]
    assert IMAGE in {subject.sha256 for subject in RELEASE.subjects} and PERIOD
    config = json.loads((EXAMPLES / "kubernetes" / "webhook.json").read_text(encoding="utf-8"))
    from seatrial.cli.gate_serve import Webhook

    Webhook(EXAMPLES / "kubernetes" / "webhook.json")
    assert set(config["namespaces"]) == {"booking"}
