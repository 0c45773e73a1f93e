"""The table of addresses: who is one, how long it is known, and what happens when it is full."""

from __future__ import annotations

import pytest

from sockwave.engine.core.options import RateLimits
from sockwave.engine.core.rate import Rates
from sockwave.engine.core.rate_addresses import Address, AddressTable, address_key

RATES = Rates(RateLimits(address_handshakes=1, address_packets=10, burst=5))


def open_session(table: AddressTable, host: str, now: float = 0.0) -> Address:
    address = table.find(host, now)
    address.sessions += 1
    return address


def close_session(table: AddressTable, address: Address, now: float) -> None:
    address.sessions -= 1
    if not address.is_in_use:
        table.left(address, now)


# --- keys -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "are_same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("::1", "127.0.0.1", False),
        ("", "", True),
        ("a:b", "a:b", True),
        ("a:b", "a:c", False),
    ],
)
def test_addresses_are_told_apart(one: str, other: str, are_same: bool) -> None:
    assert (address_key(one) == address_key(other)) is are_same


# --- memory ---------------------------------------------------------------------------------------


def test_address_is_the_same_while_it_is_known() -> None:
    table = AddressTable(RATES, 10)
    assert table.find("192.0.2.1", 0.0) is table.find("192.0.2.1", 4.0)
    assert table.find("192.0.2.1", 0.0) is not table.find("192.0.2.2", 0.0)
    assert len(table) == 2


def test_quiet_address_is_forgotten_when_its_budgets_are_full() -> None:
    table = AddressTable(RATES, 10)
    table.find("192.0.2.1", 0.0)
    table.find("192.0.2.2", 1.0)
    table.find("192.0.2.1", 2.0)  # not quiet yet
    assert table.next_deadline() == 6.0
    table.expire(5.9)
    assert len(table) == 2
    table.expire(6.0)
    assert len(table) == 1
    table.expire(7.0)
    assert len(table) == 0
    assert table.next_deadline() is None


def test_address_with_something_open_is_not_forgotten() -> None:
    table = AddressTable(RATES, 10)
    address = open_session(table, "192.0.2.1")
    address.connections += 1
    table.expire(1_000.0)
    assert len(table) == 1
    close_session(table, address, 1_000.0)
    assert table.next_deadline() is None
    address.connections -= 1
    table.left(address, 2_000.0)
    assert table.next_deadline() == 2_005.0
    table.expire(2_005.0)
    assert len(table) == 0


def test_crowd_is_forgotten_in_slices() -> None:
    table = AddressTable(RATES, 10_000)
    for number in range(2_500):
        table.find(f"2001:db8:0:{number:x}::1", 0.0)
    table.expire(10.0, 1_000)
    assert len(table) == 1_500
    assert table.next_deadline() == 5.0


# --- a full table ---------------------------------------------------------------------------------


def test_full_table_forgets_the_address_that_has_been_quiet_for_longest() -> None:
    table = AddressTable(RATES, 3)
    kept = open_session(table, "192.0.2.1")
    oldest = table.find("192.0.2.2", 1.0)
    later = table.find("192.0.2.3", 2.0)
    table.find("192.0.2.4", 3.0)
    assert len(table) == 3
    assert table.find("192.0.2.1", 3.0) is kept
    assert table.find("192.0.2.3", 3.0) is later
    assert table.find("192.0.2.2", 3.0) is not oldest


def test_newcomers_share_one_entry_when_none_is_quiet() -> None:
    table = AddressTable(RATES, 2)
    first = open_session(table, "192.0.2.1")
    open_session(table, "192.0.2.2")
    third, fourth = open_session(table, "192.0.2.3"), open_session(table, "192.0.2.4")
    assert third is fourth
    assert third.sessions == 2
    assert third.handshakes is not None
    assert [third.handshakes.take_one(0.0) for _ in range(6)] == [*[True] * 5, False]
    assert len(table) == 2
    close_session(table, third, 1.0)
    close_session(table, third, 1.0)
    table.expire(1_000.0)
    assert len(table) == 2
    close_session(table, first, 1_000.0)
    assert table.find("192.0.2.5", 1_000.0) is not third


def test_flood_of_addresses_is_bounded() -> None:
    table = AddressTable(RATES, 100)
    for number in range(10_000):
        table.find(f"2001:db8:{number:x}::1", number / 1_000)
    assert len(table) == 100
