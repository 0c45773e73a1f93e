"""Which names a server is asked for under."""

from __future__ import annotations

from typing import Any

import pytest

from sockwave.engine.core.hosts import AllowedHosts

HOSTS = ["example.com", "*.apps.example", "localhost:3000", "192.0.2.1", "::1", "[2001:db8::1]:80"]


@pytest.mark.parametrize(
    "host",
    [
        *(b"example.com", b"EXAMPLE.com", b"example.com.", b"example.com:8080", b"example.com.:1"),
        *(b"a.apps.example", b"a.b.apps.example:443", b"localhost:3000", b"192.0.2.1:3000"),
        *(b"[::1]", b"[::1]:3000", b"[2001:db8::1]:80", b"[2001:DB8::1]:80"),
    ],
)
def test_host_of_the_list_is_allowed_again_and_again(host: bytes) -> None:
    hosts = AllowedHosts(HOSTS)
    assert hosts.allows(host)
    assert hosts.allows(host)


@pytest.mark.parametrize(
    "host",
    [
        *(
            None,
            b"",
            b"evil.example",
            b"example.com.evil.example",
            b"xexample.com",
            b"a.example.com",
        ),
        *(
            b"apps.example",
            b".apps.example",
            b"localhost",
            b"localhost:3001",
            b"192.0.2.2",
            b"[::2]",
        ),
        *(b"[2001:db8::1]", b"example.com:x", b"example.com@evil.example", b"example.com/", b"::1"),
        *(b"example.com, evil.example", b"evil.example:example.com", b"\xff", b"a" * 10_000),
    ],
)
def test_other_host_is_not_allowed(host: bytes | None) -> None:
    assert not AllowedHosts(HOSTS).allows(host)


def test_every_address_may_be_allowed_and_no_name_with_it() -> None:
    hosts = AllowedHosts(["addresses"])
    for host in (b"127.0.0.1", b"10.1.2.3:80", b"[::1]:3000", b"[fe80::1]"):
        assert hosts.allows(host)
    for host in (
        b"localhost",
        b"evil.example",
        b"127.0.0.1.evil.example",
        b"1",
        b"[x]",
        b"addresses",
    ):
        assert not hosts.allows(host)


def test_no_more_hosts_are_remembered_than_a_server_has() -> None:
    hosts = AllowedHosts(["*.example"])
    for number in range(1_000):
        assert hosts.allows(b"%d.example" % number)
    assert len(hosts._known) < 100


@pytest.mark.parametrize("names", ["example.com", None, 5, [5], [b"example.com"]])
def test_what_is_no_list_of_names_is_refused(names: Any) -> None:
    with pytest.raises(TypeError, match="allowed_hosts"):
        AllowedHosts(names)


@pytest.mark.parametrize(
    "name", ["", "http://a", "a/b", "a b", "*", "a.*", "a:b", "a@b", "[x", "*a.b"]
)
def test_name_that_is_no_host_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"allowed_hosts: .*is not a host"):
        AllowedHosts([name])
