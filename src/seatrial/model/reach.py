"""What lies beyond this machine, and so needs somebody's word before it is put under load. No name is resolved here."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

__all__ = ["Beyond", "beyond_loopback", "host_port", "is_loopback"]


class Beyond(NamedTuple):
    """Something that is loaded and is not this machine: why it is not, and its ``host:port`` in lower case."""

    why: str
    place: str


def is_loopback(host: str) -> bool:
    """Return whether ``host`` is ``localhost`` or an address of loopback (127.0.0.0/8, ::1)."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def host_port(url: str) -> str:
    """Return ``host:port`` of a URL, in lower case, with the scheme's port where it names none."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def beyond_loopback(target: str, proxy: str | None, addresses: Sequence[str]) -> tuple[Beyond, ...]:
    """Return what a plan loads beyond this machine.

    The resolved addresses decide and not the name, so a name that turns out to point elsewhere counts as elsewhere.
    A proxy carries the load, so it counts as a target does. What it makes of the target's name is not known here:
    through a proxy only an address of this machine written as such (or ``localhost``, RFC 6761, 6.3), with the proxy
    on this machine too, counts as loopback.

    Args:
        target: Base address of the service.
        proxy: ``http://host:port`` that all requests go through; None for none.
        addresses: What connections go to: of the target, or of the proxy where there is one.
    """
    here = bool(addresses) and all(is_loopback(address) for address in addresses)
    shown = f" ({', '.join(addresses)})" if addresses else ""
    if proxy is None:
        return () if here else (Beyond(f"the target is beyond this machine{shown}", host_port(target)),)
    found = [] if here else [Beyond(f"the proxy is beyond this machine{shown}", host_port(proxy))]
    if not here or not is_loopback(urlsplit(target).hostname or ""):
        found.append(Beyond("the target is resolved by the proxy", host_port(target)))
    return tuple(found)
