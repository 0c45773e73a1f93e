"""Who a request comes from when a proxy of ours has passed it on.

Each proxy adds the address that it was reached from to the end of `X-Forwarded-For`, and anybody
can send such a header. So the header is read from its end, and only for as long as those who have
written it are trusted. The standard's `Forwarded` (RFC 7239) is not read: the proxies in use write
the other one, and two sources for one fact could be played against each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

__all__ = ["TrustedProxies", "parse_address"]

MAX_HOPS: Final = 32
"""Proxies that are looked past; whoever writes more of them is at fault, and gets no more work."""

_MAX_LENGTH: Final = 64
"""Characters of one hop: the longest address, with brackets and a port."""

_SECURE: Final = {"https": True, "wss": True, "http": False, "ws": False}


class TrustedProxies:
    """The proxies whose word is taken for where a request comes from.

    Args:
        names: Addresses, networks such as `10.0.0.0/8`, and `unix` for whoever connects by a Unix
            socket.

    Raises:
        TypeError, ValueError: Name the option `trusted_proxies`.
    """

    __slots__ = ("_addresses", "_networks", "_unix")

    def __init__(self, names: Any) -> None:
        if isinstance(names, str) or not isinstance(names, Iterable):
            raise TypeError(f"trusted_proxies must be a list of addresses, not {names!r}")
        self._unix = False
        self._addresses: set[IPv4Address | IPv6Address] = set()
        self._networks: list[IPv4Network | IPv6Network] = []
        for name in names:
            if not isinstance(name, str):
                raise TypeError(f"trusted_proxies: {name!r} is not text")
            if name == "unix":
                self._unix = True
                continue
            try:
                network = ip_network(name)
            except ValueError:
                raise ValueError(
                    f"trusted_proxies: {name!r} is neither an address nor a network"
                    " such as '10.0.0.0/8', nor 'unix'"
                ) from None
            if network.num_addresses == 1:
                self._addresses.add(_unmapped(network.network_address))
            else:
                self._networks.append(network)

    def __bool__(self) -> bool:
        return self._unix or bool(self._addresses or self._networks)

    def trusts(self, peer: tuple[str, int] | None) -> bool:
        """Whether a peer, None on a Unix socket, is one of them."""
        if peer is None:
            return self._unix
        address = parse_address(peer[0])
        return address is not None and self._includes(address)

    def client(self, peer: tuple[str, int] | None, header: str) -> tuple[str, int] | None:
        """Find who a request of a trusted peer comes from.

        Args:
            header: `X-Forwarded-For`; it is read from its end as far as is needed.

        Returns:
            The last address that is no proxy of ours, with port 0. Where the header ends before, or
            is not an address, or names too many proxies: the proxy that was reached last.
        """
        end = len(header)
        for _ in range(MAX_HOPS):
            if end <= 0:
                break
            start = header.rfind(",", 0, end) + 1
            if end - start > _MAX_LENGTH:
                break
            address = parse_address(header[start:end].strip(" \t"))
            if address is None:
                break
            peer = (str(address), 0)
            if not self._includes(address):
                break
            end = start - 1
        return peer

    def is_secure(self, default: bool, header: str) -> bool:
        """Whether the client of a trusted peer uses TLS, by the end of `X-Forwarded-Proto`."""
        return _SECURE.get(header.rpartition(",")[2].strip(" \t").lower(), default)

    def _includes(self, address: IPv4Address | IPv6Address) -> bool:
        return address in self._addresses or any(address in each for each in self._networks)


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address, with a port or without, as IPv4 where it is that; None for anything else."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return _unmapped(ip_address(text.partition("%")[0]))
    except ValueError:
        return None


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Give the IPv4 address that a socket for both kinds shows as `::ffff:192.0.2.1`."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped
