"""What a plan loads beyond this machine, and what a run of it will need; nothing is resolved and nothing refused."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from seatrial.authoring.problems import ProblemList
from seatrial.authoring.yaml_source import Node
from seatrial.model.reach import host_port, is_loopback

__all__ = ["add_reach_notes"]


def add_reach_notes(root: Node, notes: ProblemList) -> None:
    """Note every address beyond loopback: a run will need a test order or the owner's consent that names it.

    Args:
        root: A plan without any known fault.
        notes: Where notes go.
    """
    for kind, node, otherwise in _beyond_loopback(root):
        remedy = f"A run will need --order or --consent with {host_port(str(node.scalar))} among its targets, or"
        notes.add(node.line, f"a {kind} beyond loopback", node.written, f"{remedy} {otherwise}.")


def _beyond_loopback(root: Node) -> list[tuple[str, Node, str]]:
    """Return what lies beyond this machine, its address, and what to do without a permission.

    Behind a proxy elsewhere, loopback is that machine's and not this one's.
    """
    target, proxy = root.get("target"), root.get("proxy")
    found: list[tuple[str, Node, str]] = []
    parts = _address(proxy)
    if proxy is not None and parts is not None and not is_loopback(parts.hostname or ""):
        found.append(("proxy", proxy, "leave the proxy out"))
    parts = _address(target)
    if target is not None and parts is not None and (found or not is_loopback(parts.hostname or "")):
        found.append(("target", target, "load your own 127.0.0.1"))
    own = parts.hostname if parts is not None else None
    sources = root.get("telemetry", "sources")
    for source in sources.entries.values() if sources is not None else ():
        address = source.get("prometheus")
        parts = _address(address)
        host = parts.hostname if parts is not None else None
        if address is not None and host and host != own and not is_loopback(host):
            found.append(("telemetry address", address, "read only this machine and the target's host"))
    return found


def _address(target: Node | None) -> SplitResult | None:
    if target is None or not isinstance(target.scalar, str):
        return None
    try:
        parts = urlsplit(target.scalar)
        return parts if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 else None
    except ValueError:
        return None
