"""Wrong values of options fail where the server is made, and the error names the option."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sockwave import Cookie, Cors, Deflate, Engine, HttpCompression, Limits, RateLimits, Server

WRONG: list[tuple[str, Any, type[Exception]]] = [
    ("path", 1, TypeError),
    ("path", "/a?b", ValueError),
    ("path", "/a\r\nb", ValueError),
    ("ping_interval", "25", TypeError),
    ("ping_interval", 0, ValueError),
    ("ping_interval", -1.0, ValueError),
    ("ping_interval", True, TypeError),
    ("ping_interval", 25_000_000, ValueError),
    ("ping_timeout", None, TypeError),
    ("ping_timeout", 0, ValueError),
    ("ping_timeout", float("nan"), ValueError),
    ("ping_timeout", float("inf"), ValueError),
    ("upgrade_timeout", 0, ValueError),
    ("close_timeout", [], TypeError),
    ("max_payload", 0, ValueError),
    ("max_payload", 1e6, TypeError),
    ("max_payload", "1MB", TypeError),
    ("max_backlog", 0, ValueError),
    ("max_backlog", 1.5, TypeError),
    ("transports", "polling", TypeError),
    ("transports", [], ValueError),
    ("transports", ["tobi"], ValueError),
    ("transports", 5, TypeError),
    ("transports", [["polling"]], ValueError),
    ("allow_upgrades", "no", TypeError),
    ("allow_eio3", 3, TypeError),
    ("add_trailing_slash", 1, TypeError),
    ("allow_request", "yes", TypeError),
    ("generate_id", 5, TypeError),
    ("http_compression", "gzip", TypeError),
    ("http_compression", {"threshold": -1}, ValueError),
    ("http_compression", {"level": 10}, ValueError),
    ("http_compression", {"minimum": 1}, TypeError),
    ("per_message_deflate", 5, TypeError),
    ("per_message_deflate", {"server_max_window_bits": 8}, ValueError),
    ("per_message_deflate", {"windowBits": 9}, TypeError),
    ("initial_packet", 5, TypeError),
    ("cookie", "io", TypeError),
    ("cookie", {"name": "a b"}, ValueError),
    ("cookie", {"path": "/\r\nX: y"}, ValueError),
    ("cookie", {"path": "/; Secure"}, ValueError),
    ("cookie", {"domain": "a\x00b"}, ValueError),
    ("cookie", {"same_site": "Lax"}, ValueError),
    ("cookie", {"max_age": "1"}, TypeError),
    ("cookie", {"priority": "High"}, ValueError),
    ("cookie", {"httpOnly": True}, TypeError),
    ("cors", "example.com", ValueError),
    ("cors", "https://a\r\nX: y", ValueError),
    ("cors", ["https://a", 5], TypeError),
    ("cors", 5, TypeError),
    ("cors", {"origin": "*", "credentials": True}, ValueError),
    ("cors", {"origins": "*"}, TypeError),
    ("cors", {"origin": "*", "methods": ["GET POST"]}, ValueError),
    ("cors", {"origin": "*", "exposed_headers": ["a\r\nb"]}, ValueError),
    ("cors", {"origin": "*", "max_age": -1}, ValueError),
    ("cors", {"origin": "*", "preflight_status": 500}, ValueError),
    ("limits", {"head_bytes": 1}, TypeError),
    ("limits", None, TypeError),
    ("rate_limits", {"session_packets": 1}, TypeError),
    ("rate_limits", True, TypeError),
    ("trusted_proxies", "10.0.0.1", TypeError),
    ("trusted_proxies", 5, TypeError),
    ("trusted_proxies", [5], TypeError),
    ("trusted_proxies", ["proxy.example"], ValueError),
    ("trusted_proxies", ["10.0.0.1/8"], ValueError),
    ("ping_intervall", 5, TypeError),
]

WRONG_OF_SERVER: list[tuple[str, Any, type[Exception]]] = [
    ("connect_timeout", 0, ValueError),
    ("connect_timeout", "45", TypeError),
    ("ack_timeout", -1, ValueError),
    ("serve_client", "no", TypeError),
    ("allow_sid_rooms", 1, TypeError),
    ("max_attachments", 0, ValueError),
    ("max_depth", 1_000, ValueError),
    ("max_namespaces", 0, ValueError),
    ("max_pending_connects", 0, ValueError),
    ("max_pending_acks", 1.5, TypeError),
    ("max_pending_handlers", 0, ValueError),
    ("adapter", 5, TypeError),
    ("connection_timeout", 5, TypeError),
]

WRONG_LIMITS: list[tuple[str, Any, type[Exception]]] = [
    ("head_bytes", 0, ValueError),
    ("head_count", "100", TypeError),
    ("target_bytes", 1.5, TypeError),
    ("head_timeout", 0, ValueError),
    ("body_timeout", "20", TypeError),
    ("keep_alive_timeout", -1, ValueError),
    ("pipelined_requests", 0, ValueError),
    ("packets_per_post", 0, ValueError),
    ("process_backlog", 0, ValueError),
    ("connections", 0, ValueError),
    ("connections", "many", TypeError),
]


def check(make: Any, option: str, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=re.escape(option)):
        make(**{option: value})


@pytest.mark.parametrize(("option", "value", "error"), WRONG)
def test_engine_refuses(option: str, value: Any, error: type[Exception]) -> None:
    check(Engine, option, value, error)


@pytest.mark.parametrize(("option", "value", "error"), WRONG + WRONG_OF_SERVER)
def test_server_refuses(option: str, value: Any, error: type[Exception]) -> None:
    check(Server, option, value, error)


@pytest.mark.parametrize(
    ("option", "value", "error"),
    [
        ("session_packets", 0, ValueError),
        ("session_bytes", "1MB", TypeError),
        ("address_packets", -1, ValueError),
        ("address_bytes", float("inf"), ValueError),
        ("address_handshakes", True, TypeError),
        ("address_sessions", 1.5, TypeError),
        ("address_connections", 0, ValueError),
        ("burst", 0, ValueError),
        ("max_addresses", 0, ValueError),
    ],
)
def test_rate_limits_refuse(option: str, value: Any, error: type[Exception]) -> None:
    check(RateLimits, option, value, error)


@pytest.mark.parametrize(("option", "value", "error"), WRONG_LIMITS)
def test_limits_refuse(option: str, value: Any, error: type[Exception]) -> None:
    check(Limits, option, value, error)


@pytest.mark.parametrize(
    "options",
    [
        {"cors": Cors(origin="https://a.example")},
        {"cors": {"origin": ["https://a.example", re.compile("https://.*")]}},
        {"cors": lambda origin: True},
        {"cookie": Cookie(name="x")},
        {"cookie": False},
        {"http_compression": HttpCompression(level=1)},
        {"http_compression": {"threshold": 0}},
        {"per_message_deflate": Deflate(threshold=0)},
        {"per_message_deflate": True},
        {"transports": ("websocket",)},
        {"transports": {"polling", "websocket"}},
        {"limits": Limits(connections=5)},
        {"rate_limits": None},
        {"rate_limits": RateLimits(session_packets=0.5, address_sessions=1)},
        {"trusted_proxies": ["10.0.0.0/8", "::1", "unix"]},
        {"trusted_proxies": {"10.0.0.1"}},
        {"path": "/"},
        {"path": "a/b/"},
        {"ping_interval": 1, "ping_timeout": 1},
        {"initial_packet": b"\x00"},
    ],
)
def test_server_accepts(options: dict[str, Any]) -> None:
    Server(**options)
