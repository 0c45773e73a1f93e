"""Cross-origin rules: headers of answers, and who may open a WebSocket."""

from __future__ import annotations

from typing import Any

import pytest

from sockwave.engine.core.options import Cors
from sockwave.engine.core.request import Request
from sockwave.engine.server.rules.cors import cors_headers, is_origin_allowed, preflight_headers

SITE = "https://a.com"
VARY = ("Vary", "Origin")


def request(origin: str | None = SITE, **headers: str) -> Request:
    fields = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    if origin is not None:
        fields[b"origin"] = origin.encode("latin-1")
    return Request("GET", "/socket.io/", fields, None)


@pytest.mark.parametrize(
    ("cors", "origin", "headers"),
    [
        (Cors(origin="*"), SITE, [("Access-Control-Allow-Origin", "*")]),
        (Cors(origin="*"), None, [("Access-Control-Allow-Origin", "*")]),
        (Cors(origin=True), SITE, [VARY, ("Access-Control-Allow-Origin", SITE)]),
        (Cors(origin=SITE), SITE, [VARY, ("Access-Control-Allow-Origin", SITE)]),
        (Cors(origin=SITE), "https://evil.org", [VARY]),
        (Cors(origin=SITE), None, [VARY]),
        (
            Cors(origin=SITE, credentials=True, exposed_headers=["X-A", "X-B"]),
            SITE,
            [
                VARY,
                ("Access-Control-Allow-Origin", SITE),
                ("Access-Control-Allow-Credentials", "true"),
                ("Access-Control-Expose-Headers", "X-A,X-B"),
            ],
        ),
    ],
)
def test_answer_has_the_headers_of_its_rule(
    cors: Cors, origin: str | None, headers: list[tuple[str, str]]
) -> None:
    assert list(cors_headers(cors, request(origin))) == headers


def test_preflight_tells_methods_and_reflects_what_was_asked_for() -> None:
    asked = request(access_control_request_headers="X-Token, X-B")
    headers = list(preflight_headers(Cors(origin=SITE, max_age=60), asked))
    assert headers == [
        VARY,
        ("Access-Control-Allow-Origin", SITE),
        ("Access-Control-Allow-Methods", "GET,HEAD,PUT,PATCH,POST,DELETE"),
        ("Vary", "Access-Control-Request-Headers"),
        ("Access-Control-Allow-Headers", "X-Token, X-B"),
        ("Access-Control-Max-Age", "60"),
    ]


def test_preflight_tells_only_the_headers_that_are_allowed() -> None:
    cors = Cors(origin="*", methods=["GET"], allowed_headers=["X-A"])
    headers = dict(preflight_headers(cors, request(access_control_request_headers="X-B")))
    assert headers["Access-Control-Allow-Headers"] == "X-A"
    assert headers["Access-Control-Allow-Methods"] == "GET"
    assert "Vary" not in headers


def test_preflight_of_a_foreign_page_tells_nothing() -> None:
    headers = list(preflight_headers(Cors(origin=SITE), request("https://evil.org")))
    assert headers == [VARY]


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        (None, "a.com", True),
        ("https://a.com", "a.com", True),
        ("https://A.com", "a.com", True),
        ("https://a.com", "a.com:443", True),
        ("http://a.com:80", "a.com", True),
        ("http://localhost:3000", "localhost:3000", True),
        ("http://[::1]:3000", "[::1]:3000", True),
        ("http://localhost:3000", "localhost:4000", False),
        ("https://evil.org", "a.com", False),
        ("https://a.com.evil.org", "a.com", False),
        ("https://a.com@evil.org", "a.com", False),
        ("null", "a.com", False),
        ("null", "null", False),
        ("", "a.com", False),
        ("", "", False),
        ("https://", "", False),
        ("file://", "a.com", False),
        ("https://a.com:x", "a.com", False),
        ("https://[a.com", "a.com", False),
        ("https://a.com", "a.com:x", False),
        ("https://a.com", "[", False),
    ],
)
def test_without_a_rule_a_page_must_come_from_the_host_it_connects_to(
    origin: str | None, host: str, allowed: bool
) -> None:
    assert is_origin_allowed(None, request(origin, host=host)) is allowed


@pytest.mark.parametrize(
    ("rule", "origin", "allowed"),
    [
        (SITE, SITE, True),
        (SITE, "https://evil.org", False),
        ("*", "https://evil.org", True),
        (SITE, None, True),
        (lambda origin: origin == SITE, SITE, True),
    ],
)
def test_with_a_rule_the_rule_decides(rule: Any, origin: str | None, allowed: bool) -> None:
    assert is_origin_allowed(Cors(origin=rule), request(origin, host="b.com")) is allowed


def test_rule_that_fails_refuses() -> None:
    def fail(origin: str) -> bool:
        raise ValueError

    assert not is_origin_allowed(Cors(origin=fail), request())
    assert list(cors_headers(Cors(origin=fail), request())) == [VARY]
