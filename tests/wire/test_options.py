"""Wrong values of options fail where the server is made, and the error names the option."""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING, Any

import pytest

import sockwave.sync
from sockwave import (
    Cookie,
    Cors,
    Deflate,
    Engine,
    HttpCompression,
    Limits,
    Manager,
    RateLimits,
    Recovery,
    Server,
    connect,
)
from sockwave.engine.core import option_checks

if TYPE_CHECKING:
    from collections.abc import Callable

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
    ("max_pending_bytes", 0, ValueError),
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
    ("process_pending", 0, ValueError),
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


# --- what can never work --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "sent"),
    [
        ("http://localhost:5173/", "http://localhost:5173"),
        ("https://a.example/app", "https://a.example"),
        ("https://a.example?x=1", "https://a.example"),
        ("https://A.Example", "https://a.example"),
        ("HTTPS://a.example", "https://a.example"),
        ("https://a.example:443", "https://a.example"),
        ("http://a.example:80", "http://a.example"),
        ("http://a.example:", "http://a.example"),
        ("https://a.example:08443", "https://a.example:8443"),
        ("https://user:secret@a.example", "https://a.example"),
        (" https://a.example", "https://a.example"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://кот.example", "https://xn--j1aim.example"),
        ("ws://a.example", "http://a.example"),
        ("wss://a.example", "https://a.example"),
        ("http://[0:0::1]:3000", "http://[::1]:3000"),
        ("capacitor://localhost/", "capacitor://localhost"),
        ("file:///", "file://"),
    ],
)
def test_origin_that_no_browser_sends_is_refused_with_the_one_that_it_does(
    origin: str, sent: str
) -> None:
    for cors in (origin, ["https://good.example", origin], Cors(origin=sent)):
        if isinstance(cors, Cors):
            assert Server(cors=cors).engine.options.cors == cors
            continue
        with pytest.raises(ValueError, match=re.escape(f"browsers send it as {sent!r}")) as error:
            Server(cors=cors)
        assert repr(origin) in str(error.value)


@pytest.mark.parametrize("origin", ["https://*.a.example", "http://localhost:*", "https://*"])
def test_star_inside_an_origin_is_refused_with_the_way_to_write_a_pattern(origin: str) -> None:
    with pytest.raises(ValueError, match=re.escape(r"re.compile(r'https://[a-z0-9-]+\.example")):
        Server(cors=origin)


@pytest.mark.parametrize(
    "origin", ["https://", "https://a b", "https://a.example:99999", "https://[::1", "a.example"]
)
def test_text_that_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(ValueError, match="is not an origin such as"):
        Server(cors=origin)


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "file://",
        "http://localhost:5173",
        "https://a.example:8443",
        "http://[::1]:3000",
        "http://127.0.0.1",
        "https://xn--bcher-kva.example",
        "https://my_host.a-b.example.",
        "chrome-extension://abcdefghijklmnop",
        "capacitor://localhost",
        "tauri://localhost",
    ],
)
def test_origins_as_browsers_send_them_are_taken(origin: str) -> None:
    Server(cors=[origin])


def test_pattern_of_bytes_is_refused() -> None:
    with pytest.raises(TypeError, match="must be for text"):
        Server(cors=re.compile(b"https://a"))  # type: ignore[arg-type] # it is the test


@pytest.mark.parametrize(
    ("cookie", "text"),
    [
        ({"same_site": "none"}, "same_site='none' needs secure=True"),
        ({"partitioned": True}, "partitioned=True needs secure=True"),
        ({"name": "__Secure-io"}, "the name '__Secure-io' needs secure=True"),
        ({"name": "__Host-io"}, "the name '__Host-io' needs secure=True"),
        ({"name": "__Host-io", "secure": True, "path": "/x"}, "needs path='/' and no domain"),
        ({"name": "__host-io", "secure": True, "domain": "a"}, "needs path='/' and no domain"),
    ],
)
def test_cookie_that_browsers_drop_is_refused(cookie: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        Server(cookie=cookie)
    Cookie(name="__Host-io", secure=True, same_site="none", partitioned=True)


@pytest.mark.logs_errors
@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda **options: Server(**options), "ping_interval"),
        (lambda **options: Server(**options), "connect_timeout"),
        (lambda **options: Manager("http://a", **options), "reconnection_delay_max"),
        (lambda **options: Manager("http://a", **options), "timeout"),
    ],
)
def test_time_that_looks_like_milliseconds_is_warned_of_once(
    make: Callable[..., object],
    name: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(option_checks, "_suspected", set())
    make(**{name: 3_600})
    assert not caplog.records
    for _ in range(3):
        make(**{name: 25_000})
    (record,) = caplog.records
    assert record.getMessage() == (
        f"{name}=25000 is in seconds, so 6.9 hours: write 25 if you meant milliseconds"
    )


@pytest.mark.logs_errors
@pytest.mark.parametrize(
    ("make", "name", "seconds", "milliseconds"),
    [
        (Limits, "head_timeout", 4_000, 10_000),
        (Server, "shutdown_timeout", 4_000, 5_000),
        (Recovery, "max_disconnection_duration", 50_000, 120_000),
        (lambda **o: Manager("http://a", **o), "reconnection_delay", 900, 1_000),
    ],
)
def test_defaults_of_the_reference_in_milliseconds_are_warned_of(
    make: Callable[..., object],
    name: str,
    seconds: int,
    milliseconds: int,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(option_checks, "_suspected", set())
    make(**{name: seconds})
    assert not caplog.records
    make(**{name: milliseconds})
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{name}={milliseconds} is in seconds")


def test_run_with_an_application_refuses_a_context_that_would_not_encrypt_the_port() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with pytest.raises(ValueError, match="give uvicorn_options ssl_certfile and ssl_keyfile"):
        Server().run(port=0, app=Server(), ssl=context)


def test_run_refuses_an_application_that_is_none() -> None:
    with pytest.raises(TypeError, match="app must be an ASGI application, not str"):
        Server().run(port=0, app="chat:app")  # type: ignore[arg-type]


def socket_of_a_manager(**options: Any) -> object:
    return Manager("http://a", auto_connect=False).socket(**options)


@pytest.mark.parametrize(
    ("make", "owner", "name", "nearest"),
    [
        (Server, "Server", "ping_intervall", "ping_interval"),
        (Server, "Server", "pingInterval", "ping_interval"),
        (Server, "Server", "max_http_buffer_size", "max_payload"),
        (Server, "Server", "maxHttpBufferSize", "max_payload"),
        (Server, "Server", "cors_allowed_origins", "cors"),
        (Server, "Server", "recovery_state_connection", None),
        (Server, "Server", "serveClient", "serve_client"),
        (Engine, "Engine", "allowEIO3", "allow_eio3"),
        (Engine, "Engine", "serve_client", None),
        (
            lambda **o: Manager("http://a", **o),
            "Manager",
            "reconnectionDelay",
            "reconnection_delay",
        ),
        (lambda **o: connect("http://a", **o), "connect", "forceNew", None),
        (lambda **o: connect("http://a", **o), "connect", "wait_timout", "wait_timeout"),
        (
            lambda **o: sockwave.sync.connect("http://a", **o),
            "connect",
            "auto_conect",
            "auto_connect",
        ),
        (socket_of_a_manager, "Manager.socket", "ackTimeout", "ack_timeout"),
        (Cors, "Cors", "origins", "origin"),
        (Cookie, "Cookie", "httpOnly", "http_only"),
        (Limits, "Limits", "head_byte", "head_bytes"),
        (RateLimits, "RateLimits", "session_packet", "session_packets"),
        (Recovery, "Recovery", "maxDisconnectionDuration", "max_disconnection_duration"),
        (HttpCompression, "HttpCompression", "minThreshold", "threshold"),
        (lambda **o: Server(cookie=o), "cookie", "httpOnly", "http_only"),
        (lambda **o: Server(cors=o), "cors", "origins", "origin"),
        (lambda **o: Server().run(**o), "Server.run", "prot", "port"),
        (lambda **o: Server().listen(**o), "Server.listen", "unixPath", "unix_path"),
        (lambda **o: Engine().run(**o), "Engine.run", "reload", None),
    ],
)
def test_unknown_option_names_who_was_called_and_the_nearest_name(
    make: Callable[..., object], owner: str, name: str, nearest: str | None
) -> None:
    hint = "" if nearest is None else f": did you mean '{nearest}'?"
    with pytest.raises(TypeError) as error:
        make(**{name: 1})
    assert str(error.value) == f"{owner} has no option {name!r}{hint}"
