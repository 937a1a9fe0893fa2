"""The target as sockets see it: addresses, the way there, the name to prove, and whether it is this machine."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from seatrial.engine.http.sources import Address, fitting
from seatrial.engine.http.tls import tls_context
from seatrial.errors import TargetError
from seatrial.model.plan import Plan
from seatrial.model.reach import Beyond, beyond_loopback, is_loopback

__all__ = ["Proxy", "Target", "is_loopback", "resolve", "tls_context"]

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """An outgoing proxy; the connections to the target go to it, and it resolves the target's name.

    Attributes:
        host: As written in the plan.
        port: TCP port.
    """

    host: str
    port: int

    @property
    def authority(self) -> str:
        """Return ``host:port``."""
        return _host_port(self.host, self.port)


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go.

    Attributes:
        host: As written in the plan; proven by the certificate when TLS is on.
        port: TCP port.
        tls: Whether TLS is spoken.
        base: Path in front of every step's path, without a slash at its end.
        addresses: What connections go to, ``(family, socket address)``, at least one: of the host, or of the proxy.
        ca: PEM file of the issuer to trust instead of the system's.
        certificate: PEM file of the client's certificate; None for none.
        key: PEM file of its private key; None where it is in the certificate's file.
        sources: Addresses of this machine that connections come from; each is of the family of an address. Empty
            leaves the choice to the system.
        proxy: What all connections go through; None for none.
        left_out: Addresses of the host that are not used, and why.
    """

    host: str
    port: int
    tls: bool
    base: str
    addresses: tuple[Address, ...]
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    sources: tuple[str, ...] = ()
    proxy: Proxy | None = None
    left_out: tuple[str, ...] = ()

    @property
    def authority(self) -> str:
        """Return the value of the Host field."""
        usual = _DEFAULT_PORTS["https" if self.tls else "http"]
        whole = self.host_port
        return whole.rpartition(":")[0] if self.port == usual else whole

    @property
    def host_port(self) -> str:
        """Return ``host:port``, an IPv6 address in brackets."""
        return _host_port(self.host, self.port)

    @property
    def beyond(self) -> tuple[Beyond, ...]:
        """Return what of it lies beyond this machine, and so needs somebody's word before it is loaded."""
        url = f"{'https' if self.tls else 'http'}://{self.host_port}"
        proxy = None if self.proxy is None else f"http://{self.proxy.authority}"
        return beyond_loopback(url, proxy, [at[0] for _, at in self.addresses])

    @property
    def prefix(self) -> str:
        """Return what stands in front of every step's path in a request's first line: the base.

        A proxy is told the whole address (absolute-form, RFC 9112, 3.2.2), so there ``http://host:port`` is in front of
        it; a target itself, and one at the end of a tunnel, is told the path alone.
        """
        return f"http://{self.authority}{self.base}" if self.proxy is not None and not self.tls else self.base

    @property
    def tunnel(self) -> str | None:
        """Return the ``host:port`` that the proxy is asked to open a tunnel to; None without one."""
        return self.host_port if self.proxy is not None and self.tls else None


def _host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def resolve(plan: Plan, base: Path) -> Target:
    """Return the plan's target with its addresses: those of the proxy where there is one.

    A proxy resolves the target's name itself, so a name that only it knows is none of this machine's business.

    Args:
        plan: The plan.
        base: Folder that the names of its files refer to.

    Raises:
        TargetError: the name of the target, or of the proxy, does not resolve.
        UsageError: a source address is not this machine's, or none is of the right family.
    """
    parts = urlsplit(plan.target)
    host, port = str(parts.hostname), parts.port or _DEFAULT_PORTS[parts.scheme]
    proxy = _proxy_of(plan.proxy)
    found = _addresses(host, port, "target") if proxy is None else _addresses(proxy.host, proxy.port, "proxy")
    addresses, sources = fitting(found, plan.source_addresses)
    left_out = tuple(
        f"{at[0]} (no source address of its family)" for family, at in found if (family, at) not in addresses
    )

    def beside_the_plan(file: str | None) -> str | None:
        return str((base / file).resolve()) if file else None

    return Target(
        host,
        port,
        parts.scheme == "https",
        parts.path.rstrip("/"),
        addresses,
        beside_the_plan(plan.tls.ca),
        beside_the_plan(plan.tls.certificate),
        beside_the_plan(plan.tls.key),
        sources,
        proxy,
        left_out,
    )


def _proxy_of(written: str | None) -> Proxy | None:
    if written is None:
        return None
    parts = urlsplit(written)
    return Proxy(str(parts.hostname), parts.port or _DEFAULT_PORTS["http"])


def _addresses(host: str, port: int, key: str) -> tuple[Address, ...]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise TargetError(
            f"the {key}'s name does not resolve ({error})", value=host, remedy=f"Correct '{key}' or the name service."
        ) from error
    return tuple(dict.fromkeys((int(family), (str(at[0]), int(at[1]))) for family, _, _, _, at in found))
