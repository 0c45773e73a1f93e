"""The addresses that peers come from, with what each may still do; bounded, without I/O.

An address is forgotten when nothing of it is open and it has been quiet for as long as its budgets
take to be full again: from then on a new entry would be the same as the old one.

When the table is full, the address that has been quiet for longest is forgotten early: it may get
one burst more than it should. When something of every address is open, newcomers share one entry
and its budgets: memory stays bounded, and the limits hold for all of them together.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from sockwave.engine.core.rate import Bucket

if TYPE_CHECKING:
    from sockwave.engine.core.rate import Rate, Rates

__all__ = ["Address", "AddressKey", "AddressTable", "address_key"]

AddressKey = str | int | None
"""IPv4 as text, the /64 of IPv6 as a number, or None for those who share one entry."""


def address_key(host: str) -> AddressKey:
    """Tell addresses apart: of IPv6 by their /64, which is what one customer has at least."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    mapped = address.ipv4_mapped
    return str(mapped) if mapped is not None else int(address) >> 64


class Address:
    """What is counted of one address; None where there is no limit.

    Attributes:
        key: In its table.
        packets: What all its sessions may send.
        bytes: The same of the size.
        handshakes: New sessions that it may ask for.
        sessions: Open ones.
        connections: Open TCP connections of the native listener.
    """

    __slots__ = ("bytes", "connections", "handshakes", "key", "packets", "sessions")

    def __init__(self, key: AddressKey, rates: Rates) -> None:
        self.key: AddressKey = key
        self.packets: Bucket | None = _bucket(rates.address_packets)
        self.bytes: Bucket | None = _bucket(rates.address_bytes)
        self.handshakes: Bucket | None = _bucket(rates.address_handshakes)
        self.sessions: int = 0
        self.connections: int = 0

    @property
    def is_in_use(self) -> bool:
        """Whether something of it is open."""
        return bool(self.sessions or self.connections)


def _bucket(rate: Rate | None) -> Bucket | None:
    return None if rate is None else Bucket(rate)


class AddressTable:
    """Addresses by key.

    Args:
        rates: For the budgets of each.
        most: Addresses known at a time.
    """

    __slots__ = ("_addresses", "_most", "_others", "_quiet", "_rates")

    def __init__(self, rates: Rates, most: int) -> None:
        self._rates = rates
        self._most = most
        self._addresses: dict[AddressKey, Address] = {}
        # Of those that nothing was open of, when to forget them: the earliest comes first. They
        # stay in here when something opens again: most come and go before that.
        self._quiet: dict[Address, float] = {}
        self._others = Address(None, rates)

    def __len__(self) -> int:
        return len(self._addresses)

    def find(self, host: str, now: float) -> Address:
        """Give the entry of an address, for what it asks for now."""
        key = address_key(host) if ":" in host else host
        address = self._addresses.get(key)
        if address is None:
            if len(self._addresses) >= self._most and not self._forget_quietest():
                return self._others
            address = self._addresses[key] = Address(key, self._rates)
        if not (address.sessions or address.connections):
            self._rest(address, now)
        return address

    def left(self, address: Address, now: float) -> None:
        """Nothing of it is open any more."""
        if address is not self._others:
            self._rest(address, now)

    def next_deadline(self) -> float | None:
        """When `expire` is due."""
        return next(iter(self._quiet.values()), None)

    def expire(self, now: float, limit: int = 1_000) -> None:
        """Forget addresses that have been quiet for long enough, the earliest first.

        Args:
            limit: Most to look at, so that a crowd is worked off in slices.
        """
        due: list[Address] = []
        for address, deadline in self._quiet.items():
            if deadline > now or len(due) >= limit:
                break
            due.append(address)
        for address in due:
            self._end_rest(address)

    def _rest(self, address: Address, now: float) -> None:
        self._quiet.pop(address, None)  # to the end
        self._quiet[address] = now + self._rates.memory

    def _end_rest(self, address: Address) -> bool:
        """Forget an address, unless something of it is open: then it rests anew after that."""
        del self._quiet[address]
        if address.is_in_use:
            return False
        del self._addresses[address.key]
        return True

    def _forget_quietest(self) -> bool:
        while self._quiet:
            if self._end_rest(next(iter(self._quiet))):
                return True
        return False
