"""The stock client in Chromium, by WebTransport."""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import ConnectError, Server, Socket, WebTransport
from tests.browser.windows import Window
from tests.support import peers
from tests.support.certificate import write_certificate

pytest.importorskip("aioquic")

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

SCRIPT = """
const [options, done] = arguments;
const seen = [];
for (const each of options.hashes) each.value = new Uint8Array(each.value);
options.transportOptions = {webtransport: {serverCertificateHashes: options.hashes}};
const socket = io(options);
const finish = () => done({seen, transport: socket.io.engine && socket.io.engine.transport.name});
socket.on("connect_error", (error) => { seen.push(["connect_error", error.message]); finish(); });
socket.on("disconnect", (reason) => { seen.push(["disconnect", reason]); finish(); });
socket.io.on("open", () => socket.io.engine.on("upgradeError", (e) => seen.push(e.message)));
const talk = async () => {
  seen.push(await socket.timeout(5000).emitWithAck("echo", "héllo", {n: 1}));
  const [bytes] = await socket.timeout(5000).emitWithAck("echo", new Uint8Array([1, 2, 3]));
  seen.push(Array.from(new Uint8Array(bytes)));
  const [large] = await socket.timeout(5000).emitWithAck("echo", "x".repeat(300000));
  seen.push(large.length);
  if (options.leave) socket.emit("leave"); else finish();
};
const wait = () => {
  if (socket.connected && socket.io.engine.transport.name === "webtransport") talk();
  else setTimeout(wait, 5);
};
wait();
"""

ECHOED = [["héllo", {"n": 1}], [1, 2, 3], 300_000]


@pytest.fixture(scope="module")
def window() -> Iterator[Window]:
    window = Window(peers.browser())
    yield window
    window.close()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return write_certificate(tmp_path / "certificate.pem")


def hash_of(certificate: Path) -> list[int]:
    text = certificate.read_text()
    der = ssl.PEM_cert_to_DER_cert(text[text.index("-----BEGIN CERTIFICATE") :])
    return list(hashlib.sha256(der).digest())


def server(**options: Any) -> Server:
    io = Server(transports=["polling", "websocket", "webtransport"], serve_client=True, **options)

    @io.on("connection")
    def connection(socket: Socket) -> None:
        @socket.on("echo")
        def echo(*args: Any) -> list[Any]:
            return list(args)

        @socket.on("leave")
        def leave() -> None:
            socket.disconnect(close=True)

    return io


def visit(
    window: Window, io: Server, certificate: Path, transports: list[str], **more: Any
) -> dict[str, Any]:
    """Let the page connect and talk; give what it saw."""
    return asyncio.run(_visit(window, io, certificate, transports, **more))


async def _visit(
    window: Window, io: Server, certificate: Path, transports: list[str], **more: Any
) -> dict[str, Any]:
    async with io.listen(webtransport=WebTransport(certificate)) as listener:
        options = {
            "transports": transports,
            "reconnection": False,
            "hashes": [{"algorithm": "sha-256", "value": hash_of(certificate)}],
            **more,
        }

        def talk() -> Any:
            driver = window.driver
            driver.set_script_timeout(20)
            driver.get(f"{listener.url}/socket.io/socket.io.min.js")
            source = (
                "const [path, done] = arguments; const s = document.createElement('script');"
                "s.src = path; s.onload = () => done(); document.documentElement.appendChild(s);"
            )
            driver.execute_async_script(source, "/socket.io/socket.io.min.js")
            return driver.execute_async_script(SCRIPT, json.loads(json.dumps(options)))

        found: dict[str, Any] = await asyncio.to_thread(talk)
        return found


def test_direct(window: Window, certificate: Path) -> None:
    found = visit(window, server(), certificate, ["webtransport"])
    assert found == {"seen": ECHOED, "transport": "webtransport"}


@pytest.mark.parametrize("others", [["polling"], ["polling", "websocket"]])
def test_upgrade(window: Window, certificate: Path, others: list[str]) -> None:
    found = visit(window, server(), certificate, [*others, "webtransport"])
    assert found == {"seen": ECHOED, "transport": "webtransport"}


def test_the_server_disconnects(window: Window, certificate: Path) -> None:
    found = visit(window, server(), certificate, ["webtransport"], leave=True)
    assert found["seen"] == [*ECHOED, ["disconnect", "io server disconnect"]]


def test_a_middleware_refuses(window: Window, certificate: Path) -> None:
    io = server()

    @io.use
    def nobody(socket: Socket) -> None:
        raise ConnectError("members only")

    found = visit(window, io, certificate, ["webtransport"])
    assert found["seen"] == [["connect_error", "members only"]]


def test_allow_request_refuses(window: Window, certificate: Path) -> None:
    io = server(allow_request=lambda request: False)
    found = visit(window, io, certificate, ["webtransport"])
    assert found["seen"] == [["connect_error", "webtransport error"]]
