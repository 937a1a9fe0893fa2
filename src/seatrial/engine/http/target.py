"""The target as sockets see it: addresses, the name to prove, and the TLS settings."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from seatrial.errors import NotAuthorisedError, TargetError
from seatrial.model.plan import Authorisation, Plan

__all__ = ["Target", "check_authorised", "probe", "resolve", "tls_context"]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_PROBE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go.

    Attributes:
        host: As written in the plan; proven by the certificate when TLS is on.
        port: TCP port.
        tls: Whether TLS is spoken.
        base: Path in front of every step's path, without a slash at its end.
        addresses: What the host resolved to, ``(family, socket address)``, at least one.
        ca: PEM file of the issuer to trust instead of the system's.
    """

    host: str
    port: int
    tls: bool
    base: str
    addresses: tuple[tuple[int, tuple[str, int]], ...]
    ca: str | None = None

    @property
    def authority(self) -> str:
        """Return the value of the Host field."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = _DEFAULT_PORTS["https" if self.tls else "http"]
        return host if self.port == usual else f"{host}:{self.port}"


def resolve(plan: Plan, base: Path) -> Target:
    """Return the plan's target with its addresses.

    Raises:
        TargetError: the name does not resolve.
    """
    parts = urlsplit(plan.target)
    host, port = str(parts.hostname), parts.port or _DEFAULT_PORTS[parts.scheme]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise TargetError(
            f"the target's name does not resolve ({error})", value=host, remedy="Correct 'target' or the name service."
        ) from error
    addresses = tuple(dict.fromkeys((int(family), (str(at[0]), int(at[1]))) for family, _, _, _, at in found))
    ca = str((base / plan.tls.ca).resolve()) if plan.tls.ca else None
    return Target(host, port, parts.scheme == "https", parts.path.rstrip("/"), addresses, ca)


def check_authorised(target: Target, authorisation: Authorisation | None, peak_rate: float) -> None:
    """Refuse a target that may not be loaded.

    Loopback (127.0.0.0/8, ::1) needs nobody's word: it is the tester's own machine. The resolved addresses decide
    and not the name, so a name that turns out to point elsewhere is refused too.

    Raises:
        NotAuthorisedError: an address is not loopback and the plan's authorisation does not name host and port, or
            the plan offers more than it permits.
    """
    if all(ipaddress.ip_address(at[0].partition("%")[0]).is_loopback for _, at in target.addresses):
        return
    named = f"{target.host}:{target.port}"
    if authorisation is None or named not in authorisation.targets:
        raise NotAuthorisedError(
            "the target is beyond this machine and the plan does not show that it may be loaded",
            value=f"{named} ({', '.join(at[0] for _, at in target.addresses)})",
            remedy=f"Add 'authorisation' to the plan with '{named}' among its targets, as the owner granted it.",
        )
    if peak_rate > authorisation.max_rate * (1 + 1e-9):
        raise NotAuthorisedError(
            f"the plan offers more than the authorisation {authorisation.reference} permits",
            value=f"{peak_rate:g}/s > {authorisation.max_rate:g}/s",
            remedy="Lower the trials' levels or have the authorisation raised.",
        )


def tls_context(ca: str | None) -> ssl.SSLContext:
    """Return the client's TLS settings: the certificate and the name are always proven, the stream's end too.

    Raises:
        TargetError: the CA file can't be read.
    """
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise TargetError(f"the CA file can't be used ({error})", value=ca, remedy="Name a PEM file.") from error
    context.set_alpn_protocols(["http/1.1"])
    # Python sets this: the end of a TCP connection would then pass for the end of the TLS stream, and a truncated
    # answer for a whole one.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    return context


def probe(target: Target) -> None:
    """Open one connection, TLS included, and close it: whoever can't be reached is not put under load.

    Raises:
        TargetError: no address accepts a connection, or the certificate does not prove the host.
    """
    where = f"{'https' if target.tls else 'http'}://{target.authority}"
    failure: Exception | None = None
    for _, at in target.addresses:
        try:
            with socket.create_connection(at, timeout=_PROBE_SECONDS) as plain:
                if target.tls:
                    tls_context(target.ca).wrap_socket(plain, server_hostname=target.host).close()
                return
        except ssl.SSLCertVerificationError as error:
            raise TargetError(
                f"the target's certificate does not prove its name ({error.verify_message})",
                value=where,
                remedy="Install the right certificate, or name the issuer's file as tls.ca in the plan.",
            ) from error
        except OSError as error:
            failure = error
    raise TargetError(
        f"the target can't be reached ({failure})", value=where, remedy="Start the service, or correct 'target'."
    ) from failure
