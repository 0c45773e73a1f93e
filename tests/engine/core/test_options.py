"""Options: defaults of the reference, and wrong values that name their option."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from sockwave.codec.deflate import Deflate
from sockwave.engine.core.options import Cors, EngineOptions, HttpCompression

# docs/protocol/server-options.md and docs/protocol/limits.md, in seconds and bytes
REFERENCE = {
    "add_trailing_slash": True,
    "ping_interval": 25.0,
    "ping_timeout": 20.0,
    "upgrade_timeout": 10.0,
    "close_timeout": 30.0,
    "max_payload": 1_000_000,
    "transports": {"polling", "websocket"},
    "allow_upgrades": True,
    "allow_eio3": False,
    "allow_request": None,
    "http_compression": HttpCompression(threshold=1024),
    "per_message_deflate": None,
    "initial_packet": None,
    "cookie": None,
    "cors": None,
    "generate_id": None,
}


@pytest.mark.parametrize(("option", "value"), REFERENCE.items())
def test_default_is_that_of_the_reference(option: str, value: object) -> None:
    assert getattr(EngineOptions(), option) == value


def test_options_beyond_the_reference_bound_memory_and_time_or_are_off() -> None:
    options = EngineOptions()
    assert {f.name for f in fields(options)} - set(REFERENCE) == {
        "path",
        "max_backlog",
        "drain_period",
        "shutdown_timeout",
        "limits",
        "rate_limits",
        "allowed_hosts",
        "trusted_proxies",
        "block_warning",
    }
    assert options.block_warning == 0.1
    assert options.rate_limits is None
    assert options.allowed_hosts is None
    assert options.trusted_proxies == frozenset()
    assert (options.drain_period, options.shutdown_timeout) == (0.0, 5.0)
    assert options.max_backlog == 16 * 1024 * 1024
    assert options.path == "/engine.io"


BAD: list[tuple[str, Any]] = [
    ("path", 5),
    ("path", "/a?b"),
    ("path", "/a#b"),
    ("path", "/a\r\nX: y"),
    ("add_trailing_slash", "yes"),
    ("ping_interval", 0),
    ("ping_interval", "25"),
    ("ping_interval", True),
    ("ping_interval", float("nan")),
    ("ping_timeout", -1),
    ("ping_timeout", float("inf")),
    ("upgrade_timeout", None),
    ("close_timeout", 1e12),
    ("block_warning", 0),
    ("block_warning", "0.1"),
    ("drain_period", -1),
    ("drain_period", float("nan")),
    ("shutdown_timeout", -0.1),
    ("shutdown_timeout", "5"),
    ("max_payload", 0),
    ("max_payload", 1e6),
    ("max_payload", True),
    ("max_payload", 2**41),
    ("max_backlog", -5),
    ("max_backlog", "16M"),
    ("transports", "polling"),
    ("transports", []),
    ("transports", 5),
    ("transports", ["polling", "carrier pigeon"]),
    ("transports", ["flashsocket"]),
    ("allow_upgrades", 1),
    ("allow_eio3", 3),
    ("allow_request", "all"),
    ("http_compression", 5),
    ("http_compression", {"most": 5}),
    ("http_compression", {"threshold": -1}),
    ("http_compression", {"level": 10}),
    ("per_message_deflate", "on"),
    ("per_message_deflate", {"window": 5}),
    ("per_message_deflate", {"threshold": "big"}),
    ("per_message_deflate", {"level": 10}),
    ("initial_packet", 5),
    ("cookie", "io"),
    ("cookie", {"name": "a b"}),
    ("cookie", {"name": 5}),
    ("cookie", {"path": "/;Domain=evil"}),
    ("cookie", {"domain": "a\r\nb"}),
    ("cookie", {"same_site": "maybe"}),
    ("cookie", {"http_only": "no"}),
    ("cookie", {"max_age": "1; Secure"}),
    ("cors", 5),
    ("cors", "example.com"),
    ("cors", ["https://example.com", 5]),
    ("cors", "https://example.com\r\nX: y"),
    ("cors", {"origins": "*"}),
    ("cors", {"origin": "*", "credentials": True}),
    ("cors", {"origin": ["*"], "credentials": True}),
    ("cors", {"origin": "*", "credentials": "yes"}),
    ("cors", {"origin": "*", "methods": "GET"}),
    ("cors", {"origin": "*", "methods": ["GET, POST"]}),
    ("cors", {"origin": "*", "allowed_headers": "X-Token"}),
    ("cors", {"origin": "*", "exposed_headers": [5]}),
    ("cors", {"origin": "*", "max_age": -1}),
    ("cors", {"origin": "*", "preflight_status": 404}),
    ("generate_id", "random"),
    ("limits", {"head_bytes": 5}),
    ("drain_period", -1),
    ("drain_period", float("inf")),
    ("shutdown_timeout", "5"),
    ("shutdown_timeout", None),
    ("rate_limits", {"session_packets": 5}),
    ("rate_limits", False),
    ("allowed_hosts", "example.com"),
    ("allowed_hosts", ["http://example.com"]),
    ("trusted_proxies", "10.0.0.1"),
    ("trusted_proxies", ["proxy.example"]),
    ("trusted_proxies", None),
]


@pytest.mark.parametrize(("option", "value"), BAD)
def test_wrong_value_is_refused_and_its_option_named(option: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=option):
        EngineOptions(**{option: value})


def test_each_option_has_a_wrong_value_above() -> None:
    assert {option for option, _ in BAD} == {field.name for field in fields(EngineOptions)}


def test_unknown_option_fails_at_the_call() -> None:
    with pytest.raises(TypeError, match="ping_intervall"):
        EngineOptions(ping_intervall=5)  # type: ignore[call-arg] # the mistake under test


def test_options_cannot_change() -> None:
    with pytest.raises(FrozenInstanceError):
        EngineOptions().ping_interval = 5  # type: ignore[misc] # the mistake under test


# --- path -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "slash", "prefix"),
    [
        ("/socket.io", True, "/socket.io/"),
        ("/socket.io/", True, "/socket.io/"),
        ("socket.io", True, "/socket.io/"),
        ("/socket.io", False, "/socket.io"),
        ("/a/b/", True, "/a/b/"),
        ("", True, "/"),
        ("/", False, "/"),
    ],
)
def test_prefix_follows_path_and_trailing_slash(path: str, slash: bool, prefix: str) -> None:
    assert EngineOptions(path=path, add_trailing_slash=slash).prefix == prefix


# --- options with options of their own ------------------------------------------------------------


def with_forms(option: str, value: Any) -> Any:
    return getattr(EngineOptions(**{option: value}), option)


def test_compression_is_switched_or_set_in_several_forms() -> None:
    assert with_forms("http_compression", False) is None
    assert with_forms("http_compression", None) is None
    assert with_forms("http_compression", True) == HttpCompression()
    assert with_forms("http_compression", {"threshold": 5}) == HttpCompression(threshold=5)
    assert with_forms("http_compression", HttpCompression(level=1)) == HttpCompression(level=1)


def test_deflate_is_off_until_switched_on() -> None:
    assert with_forms("per_message_deflate", False) is None
    assert with_forms("per_message_deflate", True) == Deflate()
    assert with_forms("per_message_deflate", {"threshold": 5}) == Deflate(threshold=5)


def test_cors_takes_an_origin_instead_of_all_its_options() -> None:
    assert with_forms("cors", "*") == Cors(origin="*")
    assert with_forms("cors", ["https://a.com"]) == Cors(origin=["https://a.com"])
    assert with_forms("cors", True) == Cors(origin=True)
    assert with_forms("cors", False) is None
    assert with_forms("cors", {"origin": "*", "max_age": 5}) == Cors(origin="*", max_age=5)
