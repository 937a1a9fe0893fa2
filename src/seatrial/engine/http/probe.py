"""One connection for each address and each source before the run: whoever can't be reached is not put under load."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Literal

from seatrial.engine.http.sources import Address, bind_source, family_of
from seatrial.engine.http.target import Target
from seatrial.engine.http.tls import alert_of, tls_context
from seatrial.engine.http.tunnel import Tunnel, TunnelRefusedError
from seatrial.errors import TargetError

__all__ = ["probe"]

Transport = Literal["http/1.1", "http/2", "http/3"]

_PROBE_SECONDS: Final = 5.0
_MOST_READS: Final = 16


def probe(target: Target, transport: Transport = "http/1.1") -> Target:
    """Open a connection to each address and from each source, tunnel and TLS included, and close it.

    Over HTTP/2 and HTTP/3 a request is made on it, for only an answer proves that the version is spoken there.

    Browsers pass over an address that does not accept connections (RFC 8305); so does a run, from its beginning on.
    A name such as ``localhost`` may have an IPv6 address where nobody listens.

    Args:
        target: Where the run's requests will go.
        transport: What will carry them.

    Returns:
        The target with the addresses that accept connections; ``left_out`` names the others.

    Raises:
        TargetError: no address accepts a connection, or none does from one of the sources; the proxy opens no
            tunnel; or the certificate does not prove the host.
        UsageError: the client's certificate can't be used, or there is no such transport to such a target.
    """
    context = tls_context(target.ca, target.certificate, target.key) if target.tls else None
    if transport == "http/1.1":
        return _passed(target, lambda family, at, source: _try(target, context, (family, at), source))
    # Here and not above: it takes time to load, and most runs don't need it.
    from seatrial.engine.curl.probe import Prober

    prober = Prober(target, transport)
    try:
        return _passed(target, lambda *route: prober.ask(route))
    finally:
        prober.close()


def _passed(target: Target, attempt: Callable[[int, tuple[str, int], str | None], None]) -> Target:
    """Return the target with the addresses to which an attempt does not raise."""
    reached: list[Address] = []
    failures: dict[Address, tuple[Exception, str | None]] = {}
    tried: set[str | None] = set()
    for address in target.addresses:
        source = next((source for source in target.sources if family_of(source) == address[0]), None)
        try:
            attempt(*address, source)
            reached.append(address)
            tried.add(source)
        except (OSError, TunnelRefusedError) as error:
            failures[address] = error, source
    if not reached:
        failure, source = list(failures.values())[-1]
        raise _unreachable(target, failure, source) from failure
    for source in target.sources:
        if source in tried:
            continue
        address = next((address for address in reached if address[0] == family_of(source)), reached[0])
        try:
            attempt(*address, source)
        except (OSError, TunnelRefusedError) as error:
            raise _unreachable(target, error, source) from error
    left_out = tuple(f"{at[0]} ({_said(error)})" for (_, at), (error, _) in failures.items())
    return replace(target, addresses=tuple(reached), left_out=target.left_out + left_out)


def _try(target: Target, context: ssl.SSLContext | None, address: Address, source: str | None) -> None:
    family, at = address
    with socket.socket(family, socket.SOCK_STREAM) as plain:
        plain.settimeout(_PROBE_SECONDS)
        if source is not None:
            bind_source(plain, source)
        plain.connect(at)
        if target.tunnel is not None:
            tunnel = Tunnel(target.tunnel)
            tunnel.ask(plain)
            reads = 1
            while not tunnel.is_open(plain):
                reads += 1
                if reads > _MOST_READS:
                    raise TunnelRefusedError("the proxy's answer to CONNECT comes in crumbs")
        if context is not None:
            try:
                context.wrap_socket(plain, server_hostname=target.host).close()
            except ssl.SSLCertVerificationError as error:
                raise TargetError(
                    f"the target's certificate does not prove its name ({error.verify_message})",
                    value=_url(target),
                    remedy="Install the right certificate, or name the issuer's file as tls.ca in the plan.",
                ) from error


def _url(target: Target) -> str:
    return f"{'https' if target.tls else 'http'}://{target.authority}"


def _said(error: Exception) -> str:
    alert = alert_of(error) if isinstance(error, OSError) else None
    return str(error) if alert is None else f"TLS alert: {alert}"


def _unreachable(target: Target, error: Exception, source: str | None = None) -> TargetError:
    means = "" if target.proxy is None else f" through the proxy {target.proxy.authority}"
    start = "" if source is None else f" from {source}"
    remedy = "Start the service, or correct 'target'."
    if source is not None:
        remedy = "Start the service, or correct 'target' or 'source_addresses': each must reach the target."
    elif target.proxy is not None:
        remedy = "Start the proxy and the service, or correct 'proxy' or 'target'."
    return TargetError(f"the target can't be reached{means}{start} ({_said(error)})", value=_url(target), remedy=remedy)
