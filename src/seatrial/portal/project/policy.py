"""The authority's policy as this portal applies it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from django.conf import settings

from seatrial.authoring.policies import LoadedPolicy, load_policy

__all__ = ["portal_policy"]


def portal_policy() -> LoadedPolicy:
    """Return ``policy.yaml`` of the data folder, or the shipped default where there is none.

    Raises:
        PolicyError: The file is wrong; every problem is named.
    """
    file = Path(settings.PORTAL_DATA) / "policy.yaml"
    try:
        changed = file.stat().st_mtime_ns
    except FileNotFoundError:
        return _read("default", 0)
    return _read(str(file), changed)


@lru_cache(maxsize=4)
def _read(name: str, changed_ns: int) -> LoadedPolicy:
    return load_policy(name)
