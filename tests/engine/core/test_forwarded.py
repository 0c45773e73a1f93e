"""Trusted proxies: whose word counts, and for what."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockwave.engine.core.forwarded import TrustedProxies
from sockwave.engine.core.request import Request

PROXY = ("10.0.0.1", 5_000)
TRUSTED = TrustedProxies(["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "unix"])


@pytest.mark.parametrize(
    ("peer", "is_trusted"),
    [
        (("10.0.0.1", 1), True),
        (("10.255.255.255", 1), True),
        (("::ffff:10.0.0.1", 1), True),
        (("192.0.2.7", 1), True),
        (("2001:db8::5", 1), True),
        (("2001:db8::5%eth0", 1), True),
        (None, True),
        (("11.0.0.1", 1), False),
        (("192.0.2.8", 1), False),
        (("2001:db9::5", 1), False),
        (("testclient", 1), False),
        (("", 1), False),
    ],
)
def test_peer_is_trusted(peer: tuple[str, int] | None, is_trusted: bool) -> None:
    assert TRUSTED.trusts(peer) is is_trusted


def test_nobody_is_trusted_by_default() -> None:
    nobody = TrustedProxies(())
    assert not nobody
    assert not nobody.trusts(None)
    assert not nobody.trusts(("127.0.0.1", 1))
    for one in ("unix", "10.0.0.1", "10.0.0.0/8"):
        assert TrustedProxies([one])


@pytest.mark.parametrize(
    "value",
    ["10.0.0.0/8", ["10.0.0.1/8"], ["proxy.example"], [""], ["10.0.0.0/40"], [5], 5, None, ["*"]],
)
def test_wrong_value_names_the_option(value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="trusted_proxies"):
        TrustedProxies(value)


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("198.51.100.1,10.0.0.2 ,\t192.0.2.7", "198.51.100.1"),
        ("203.0.113.9, 198.51.100.1, 10.0.0.2", "198.51.100.1"),  # what a client has forged
        ("10.0.0.9, 10.0.0.8", "10.0.0.9"),  # a proxy's own request
        ("2001:db9::1", "2001:db9::1"),
        ("2001:DB9:0:0::1", "2001:db9::1"),
        ("[2001:db9::1]:8080", "2001:db9::1"),
        ("198.51.100.1:8080", "198.51.100.1"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("::ffff:10.0.0.2", "10.0.0.2"),
        ("fe80::1%eth0", "fe80::1"),
        # rubbish: the proxy that was reached last
        ("", "10.0.0.1"),
        (",", "10.0.0.1"),
        ("unknown", "10.0.0.1"),
        ("_hidden, 10.0.0.2", "10.0.0.2"),
        ("198.51.100.1, ", "10.0.0.1"),
        ("198.51.100.1, , 10.0.0.2", "10.0.0.2"),
        ("198.51.100.1 10.0.0.2", "10.0.0.1"),
        ("198.51.100.256", "10.0.0.1"),
        ("198.51.100.1\n10.0.0.2", "10.0.0.1"),
        ("[198.51.100.1", "198.51.100.1"),
        ("x" * 16_000, "10.0.0.1"),
        ("198.51.100.1, " + " " * 16_000 + "10.0.0.2", "10.0.0.1"),
    ],
)
def test_last_address_that_is_no_proxy_is_the_client(header: str, host: str) -> None:
    client = TRUSTED.client(PROXY, header)
    assert client is not None and client[0] == host


def test_thousand_hops_are_not_all_looked_at() -> None:
    assert TRUSTED.client(PROXY, "198.51.100.1" + ", 10.0.0.2" * 31) == ("198.51.100.1", 0)
    assert TRUSTED.client(PROXY, "198.51.100.1" + ", 10.0.0.2" * 1_000) == ("10.0.0.2", 0)


@given(st.text(max_size=200))
def test_any_header_gives_an_address(header: str) -> None:
    client = TRUSTED.client(PROXY, header)
    assert client is not None
    assert TrustedProxies([client[0]])


@pytest.mark.parametrize(
    ("header", "is_secure"),
    [
        ("https", True),
        ("HTTPS", True),
        ("wss", True),
        ("http", False),
        ("ws", False),
        ("http, https", True),
        ("https, http", False),
    ],
)
def test_protocol_of_the_client_is_the_last_one(header: str, is_secure: bool) -> None:
    assert TRUSTED.is_secure(not is_secure, header) is is_secure


@pytest.mark.parametrize("header", ["", "spdy", ",", "https,"])
def test_protocol_that_is_none_changes_nothing(header: str) -> None:
    assert TRUSTED.is_secure(True, header) is True
    assert TRUSTED.is_secure(False, header) is False


# --- requests -------------------------------------------------------------------------------------


def request_from(peer: tuple[str, int] | None, trusted: TrustedProxies | None = TRUSTED) -> Request:
    fields = {b"x-forwarded-for": b"198.51.100.1", b"x-forwarded-proto": b"https"}
    return Request("GET", "/", fields, peer, trusted_proxies=trusted)


def test_request_of_a_trusted_proxy_comes_from_its_client() -> None:
    request = request_from(PROXY)
    assert request.is_secure is True
    assert request.client == ("198.51.100.1", 0)


def test_request_of_a_trusted_proxy_still_tells_after_packing() -> None:
    request = request_from(None)
    request.pack()
    assert request.client == ("198.51.100.1", 0)
    assert request.is_secure is True


@pytest.mark.parametrize("trusted", [None, TrustedProxies(["192.0.2.1"])])
def test_request_of_anybody_else_comes_from_its_peer(trusted: TrustedProxies | None) -> None:
    request = request_from(PROXY, trusted)
    assert request.client == PROXY
    assert request.is_secure is False
