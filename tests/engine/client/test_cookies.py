"""Cookies of one connection."""

from __future__ import annotations

import pytest

from sockwave.engine.client.cookies import CookieJar

NOW = 1_000_000_000.0


def stored(*headers: str, own: str = "", later: float = 0.0) -> str:
    jar = CookieJar()
    jar.store(headers, NOW)
    return jar.header(own, NOW + later)


def test_attributes_are_passed_over_but_for_the_end() -> None:
    assert (
        stored(
            "1=1; Path=/; Max-Age=86400",
            "2=2; HttpOnly; Secure; SameSite=Strict",
            "3=3; max-age=0",
            "4=4; Expires=Sun, 09 Sep 2001 01:46:40 GMT",
        )
        == "1=1; 2=2"
    )


@pytest.mark.parametrize(
    ("header", "sent"),
    [
        ("bar=bar&foo=foo", "bar=bar&foo=foo"),
        ('a="quoted"', "a=quoted"),
        ("=nameless", ""),
        ("nothing", ""),
        ("a=1; expires=rubbish", ""),
    ],
)
def test_values_are_kept_whole(header: str, sent: str) -> None:
    assert stored(header) == sent


def test_cookie_ends_in_its_time() -> None:
    assert stored("a=1; Max-Age=10", later=9) == "a=1"
    assert stored("a=1; Max-Age=10", later=10) == ""


def test_servers_cookies_stand_beside_the_users() -> None:
    assert stored("lb=2", own="lb=1; own=x") == "lb=2; own=x"
