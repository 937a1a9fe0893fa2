"""Where connections come from and go to: each address of the target in turn, from each source address in turn."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from itertools import chain, cycle
from typing import Final

from seatrial.errors import TargetError, UsageError

__all__ = ["Address", "Route", "bind_source", "family_of", "fitting", "routes_in_turn"]

Address = tuple[int, tuple[str, int]]
"""Address family, and what a socket of it connects to."""
Route = tuple[int, tuple[str, int], str | None]
"""Address family, what a socket of it connects to, and the address that it comes from; None lets the system pick."""

_BIND_ADDRESS_NO_PORT: Final = 24  # of <linux/in.h>; Python names it from 3.12 on


def bind_source(sock: socket.socket, source: str) -> None:
    """Have the socket come from ``source``.

    Its port is chosen only when it connects (``IP_BIND_ADDRESS_NO_PORT``, ip(7)): a port is then taken for one pair
    of source and target, and not for the whole machine.

    Raises:
        OSError: the machine does not have the address.
    """
    sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
    sock.bind((source, 0))


def fitting(addresses: Iterable[Address], sources: Iterable[str]) -> tuple[tuple[Address, ...], tuple[str, ...]]:
    """Return the addresses that a source reaches, and the sources that reach one: IPv6 goes with IPv6 alone.

    Without sources all addresses are returned.

    Raises:
        UsageError: this machine does not have a source address, or none is of the family of an address.
    """
    addresses, sources = tuple(addresses), tuple(dict.fromkeys(sources))
    if not sources:
        return addresses, ()
    for source in sources:
        _refuse_foreign(source)
    families = {family for family, _ in addresses}
    usable = tuple(source for source in sources if family_of(source) in families)
    if not usable:
        raise UsageError(
            "no source address is of the same family as an address of the target (IPv4 or IPv6)",
            value=f"{', '.join(sources)} for {', '.join(at[0] for _, at in addresses)}",
            remedy="Add one of that family to 'source_addresses', or leave the key out.",
        )
    kinds = {family_of(source) for source in usable}
    return tuple(address for address in addresses if address[0] in kinds), usable


def _refuse_foreign(source: str) -> None:
    kind = ip_address(source)
    try:
        if kind.is_unspecified or kind.is_multicast:
            raise OSError(errno.EADDRNOTAVAIL, "it is not an address of one machine")
        with socket.socket(family_of(source), socket.SOCK_STREAM) as sock:
            bind_source(sock, source)
    except OSError as error:
        if error.errno not in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL}:
            raise TargetError(f"a source address can't be used ({error.strerror})", value=source) from error
        raise UsageError(
            "a source address is not one of this machine's",
            value=source,
            remedy="Give it to an interface (ip address add), or correct 'source_addresses'.",
        ) from error


def family_of(source: str) -> int:
    """Return the address family of an IP address."""
    return int(socket.AF_INET6 if ip_address(source).version == 6 else socket.AF_INET)


def routes_in_turn(addresses: Iterable[Address], sources: Iterable[str], first: int = 0) -> Iterator[Route]:
    """Return routes without end: each address in turn, and to each of them from each source of its family in turn.

    Every pair of an address and a source comes as often as any other of that address.

    Args:
        addresses: At least one; each has a source of its family where there are sources at all.
        sources: Addresses of this machine; none leaves the choice to the system.
        first: Where to begin. Workers begin at different places, so that few connections use all of them too.
    """
    addresses, sources = tuple(addresses), tuple(sources)
    turns: list[list[Route]] = []
    for index in range(len(addresses)):
        family, at = addresses[(index + first) % len(addresses)]
        own: list[str | None] = [source for source in sources if family_of(source) == family] or [None]
        start = (index + first) % len(own)
        turns.append([(family, at, source) for source in own[start:] + own[:start]])
    if all(len(turn) == 1 for turn in turns):
        return cycle([route for (route,) in turns])
    return chain.from_iterable(zip(*map(cycle, turns), strict=True))
