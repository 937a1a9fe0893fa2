"""Reading a policy, shipped or one's own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from seatrial.authoring.problems import ProblemList
from seatrial.authoring.validation import validate
from seatrial.authoring.yaml_source import UnreadableError, read_source, read_yaml
from seatrial.errors import PolicyError, Problem
from seatrial.model.policy import Policy

__all__ = ["SHIPPED", "LoadedPolicy", "load_policy"]

SHIPPED = ("default", "demo")


@dataclass(frozen=True, slots=True)
class LoadedPolicy:
    """A policy.

    Attributes:
        policy: The policy.
        source: The bytes that were read.
        digest: SHA-256 of ``source``, hexadecimal; enters every statement.
    """

    policy: Policy
    source: bytes
    digest: str


def load_policy(name_or_path: str) -> LoadedPolicy:
    """Return a shipped policy by its name, or the policy in a YAML file.

    Args:
        name_or_path: ``default``, ``demo``, or the path of a file. A file of such a name in the working directory
            is reached as ``./default``.

    Raises:
        PolicyError: with every problem found, in the order of the policy's lines.
    """
    if not name_or_path.strip():
        raise PolicyError([Problem("no policy is named", "policy", None, f"Write {' or '.join(SHIPPED)}, or a path.")])
    shipped = name_or_path in SHIPPED
    problems = ProblemList(f"{name_or_path}.yaml" if shipped else name_or_path)
    try:
        if shipped:
            source = files("seatrial").joinpath("policies", f"{name_or_path}.yaml").read_bytes()
        else:
            source = read_source(Path(name_or_path), problems)
        root = read_yaml(source, problems)
    except UnreadableError as error:
        raise PolicyError(problems.in_order()) from error
    policy = validate(Policy, root, problems)
    if policy is None or len(problems):
        raise PolicyError(problems.in_order())
    return LoadedPolicy(policy, source, hashlib.sha256(source).hexdigest())
