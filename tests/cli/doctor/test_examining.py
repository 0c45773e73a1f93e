"""What the doctor finds at servers of ours, with nothing or little between; proxies are in
`tests/live/test_doctor.py`."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import Limits, Server
from sockwave.cli.doctor import polling_checks, websocket_checks
from sockwave.cli.doctor.findings import Finding, Verdict
from sockwave.testing.fault_proxy import FaultProxy
from tests.cli.doctor.stubs import answering, examined, target
from tests.support.certificate import write_certificate
from tests.support.process import free_port

if TYPE_CHECKING:
    from pathlib import Path

ORIGIN = "https://app.example.com"


def faults(found: list[Finding]) -> dict[str, str]:
    return {finding.check: finding.fault for finding in found if finding.fault}


async def found_at(io: Server, **options: Any) -> list[Finding]:
    async with io.listen("127.0.0.1", 0) as listener:
        return await examined(listener.url, **options)


async def test_server_is_well() -> None:
    found = await found_at(Server(ping_interval=0.5), patience=60.0)
    assert faults(found) == {}
    verdicts = {finding.check: finding.verdict for finding in found}
    assert verdicts["idle poll"] is verdicts["idle websocket"] is Verdict.GOOD
    assert verdicts["own pages"] is Verdict.GOOD


async def test_sessions_of_the_doctor_end_with_it() -> None:
    io = Server()
    async with io.listen("127.0.0.1", 0) as listener:
        await examined(listener.url, patience=0.1)
        while io.engine.sessions:  # as soon as the last goodbye has come
            await asyncio.sleep(0.01)


async def test_patience_that_ends_before_the_ping_says_how_long_to_wait() -> None:
    found = await found_at(Server(), patience=0.1)
    assert faults(found) == {}
    told = [finding.saw for finding in found if finding.check.startswith("idle")]
    assert told == ["left alone for 0.1 s; --patience 30 waits for the first ping"] * 2


async def test_greeting_does_not_end_the_silence() -> None:
    found = await found_at(Server(ping_interval=0.5, initial_packet="hello"), patience=60.0)
    assert faults(found) == {}
    told = {finding.check: finding.saw for finding in found}
    assert told["idle poll"].startswith("left alone until the ping came")
    assert told["idle websocket"].startswith("left alone until the ping came")


async def test_path_of_the_url_is_the_namespace() -> None:
    io = Server()
    seen: list[str] = []
    io.of("/chat").on("connection", lambda socket: seen.append(socket.namespace.name))
    async with io.listen("127.0.0.1", 0) as listener:
        assert faults(await examined(f"{listener.url}/chat")) == {}
    assert set(seen) == {"/chat"}


async def test_namespace_that_refuses_answers_too() -> None:
    async with Server().listen("127.0.0.1", 0) as listener:
        found = await examined(f"{listener.url}/nowhere")
    assert faults(found) == {}
    (polling,) = [finding.saw for finding in found if finding.check == "polling"]
    assert polling.startswith("the namespace refuses")


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"path": "/chat"}, {"handshake": "path", "websocket": "path"}),
        ({"transports": ["websocket"]}, {"handshake": "polling-off"}),
        ({"transports": ["polling"]}, {"websocket": "transport-off", "upgrade": "upgrades-off"}),
        ({"allow_upgrades": False}, {"upgrade": "upgrades-off"}),
        (
            {"allow_request": lambda request: False},
            {"handshake": "forbidden", "websocket": "forbidden"},
        ),
        ({"limits": Limits(head_bytes=4096)}, {"head": "header-limit"}),
        ({"http_compression": {"threshold": 0}}, {"compression": "proxy-gzip"}),
    ],
)
async def test_option_of_the_server_is_seen(options: Any, wanted: dict[str, str]) -> None:
    assert faults(await found_at(Server(**options))) == wanted


async def test_cookie_of_the_server_is_told() -> None:
    found = await found_at(Server(cookie=True))
    (told,) = [finding.saw for finding in found if finding.check == "stickiness"]
    assert told.endswith("with the cookie io and without")


# --- pages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cors", "credentials", "wanted"),
    [
        (ORIGIN, False, {}),
        ("*", False, {}),
        ({"origin": ORIGIN, "credentials": True}, True, {}),
        (None, False, {"preflight": "origin-refused", "cors": "origin-refused"}),
        ("https://b.example", False, {"preflight": "origin-refused", "cors": "origin-refused"}),
        (ORIGIN, True, {"preflight": "credentials", "cors": "credentials"}),
        ("*", True, {"preflight": "credentials", "cors": "credentials"}),
    ],
)
async def test_origin_is_admitted_or_not(
    cors: Any, credentials: bool, wanted: dict[str, str]
) -> None:
    found = await found_at(Server(cors=cors), origin=ORIGIN, credentials=credentials)
    assert faults(found) == wanted


async def test_list_of_origins_without_the_own_one_is_no_fault() -> None:
    found = await found_at(Server(cors=ORIGIN))
    assert faults(found) == {}
    (pages,) = [finding.saw for finding in found if finding.check == "own pages"]
    assert pages.endswith("give one with --origin")


# --- on the way -----------------------------------------------------------------------------------


async def test_late_answers_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling_checks, "SLOW", 0.05)
    monkeypatch.setattr(websocket_checks, "SLOW", 0.05)
    async with (
        Server().listen("127.0.0.1", 0) as listener,
        FaultProxy("127.0.0.1", listener.port) as proxy,
    ):
        proxy.to_client.delay = 0.1
        polling = await polling_checks.check_polling(target(proxy.url))
        websocket = await websocket_checks.check_websocket(target(proxy.url))
    assert (polling.fault, websocket.fault) == ("held-back", "held-back")


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"HTTP/1.1 301 Moved\r\nLocation: https://www.example.com/\r\n\r\n", "redirect"),
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", "login"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n<h1>No</h1>", "forbidden"),
        (b"HTTP/1.1 200 OK\r\n\r\n<h1>Welcome to nginx!</h1>", "path"),
        (b"HTTP/1.1 200 OK\r\n\r\n0{}", "path"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "path"),
        (b"HTTP/1.1 429 Too Many Requests\r\n\r\n", "rate-limit"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "upstream"),
        (b"HTTP/1.1 500 Internal Server Error\r\n\r\n", "unexpected"),
        (b"HTTP/1.1 400 Bad\r\n\r\nThe plain HTTP request was sent to HTTPS port", "scheme"),
        (b'HTTP/1.1 400 Bad\r\n\r\n{"code":5,"message":"Unsupported protocol"}', "version"),
        (b"HTTP/1.1 400 Bad\r\n\r\n[[[[", "unexpected"),
        (b"", "no-answer"),
    ],
)
async def test_handshake_that_fails_is_explained(answer: bytes, fault: str) -> None:
    async with answering(answer) as url:
        found = await examined(url)
    assert faults(found)["handshake"] == fault


async def test_clock_that_goes_wrong_is_noted() -> None:
    handshake = b'0{"sid":"a","upgrades":[],"pingInterval":1,"pingTimeout":1,"maxPayload":9}'
    date = b"Date: Mon, 01 Jan 2001 00:00:00 GMT\r\n\r\n"
    async with answering(b"HTTP/1.1 200 OK\r\n" + date + handshake) as url:
        found = await examined(url)
    assert faults(found) == {"clock": "clock", "caching": "caching"}


async def test_nobody_at_the_port_is_unreachable() -> None:
    found = await examined(f"http://127.0.0.1:{free_port()}")
    assert [finding.fault for finding in found] == ["unreachable"]


async def test_port_without_tls_is_named() -> None:
    async with Server().listen("127.0.0.1", 0) as listener:
        found = await examined(listener.url.replace("http:", "https:"))
    assert [finding.fault for finding in found] == ["tls-plain"]


async def test_certificate_of_nobody_is_named_and_all_else_is_looked_at(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(write_certificate(tmp_path / "both.pem"))
    async with Server().listen("127.0.0.1", 0, ssl=context) as listener:
        found = await examined(f"https://127.0.0.1:{listener.port}")
        trusting = await examined(f"https://127.0.0.1:{listener.port}", insecure=True)
    assert faults(found) == {"tls": "tls-untrusted"}
    assert found[-1].check == "idle"
    assert faults(trusting) == {}
