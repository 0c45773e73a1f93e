"""`io.wrap(app)` under the ASGI servers that people use; docs/hosting.md has the table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.fronts import Wire
from tests.support.peers import package
from tests.support.process import ServerProcess, free_port
from tests.support.raw import WebSocketPeer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.raw import Peer

pytestmark = pytest.mark.once

ROOT: Final = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class AsgiServer:
    """How a server is started.

    Attributes:
        arguments: Of `python -m`; PORT stands for the port.
        prefix: Arguments that tell it where the application is mounted, before the path.
        has_lifespan: Whether it runs the lifespan of applications.
    """

    arguments: tuple[str, ...]
    prefix: tuple[str, ...]
    has_lifespan: bool = True

    def start(self, directory: Path, *more: str) -> ServerProcess:
        package(self.arguments[0])
        port = free_port()
        arguments = [text.replace("PORT", str(port)) for text in self.arguments]
        return ServerProcess("-m", *arguments, *more, directory=directory, port=port, cwd=ROOT)


APP: Final = "tests.support.asgi_app:app"
SERVERS: Final = {
    "uvicorn": AsgiServer(
        ("uvicorn", APP, "--port", "PORT", "--timeout-graceful-shutdown", "1"),
        ("--root-path",),
    ),
    "hypercorn": AsgiServer(
        ("hypercorn", APP, "--bind", "127.0.0.1:PORT", "-k", "uvloop", "--graceful-timeout", "1"),
        ("--root-path",),
    ),
    "granian": AsgiServer(
        ("granian", APP, "--interface", "asgi", "--port", "PORT", "--workers-kill-timeout", "1"),
        ("--url-path-prefix",),
    ),
    "daphne": AsgiServer(
        ("daphne", APP, "--bind", "127.0.0.1", "--port", "PORT"),
        ("--root-path",),
        has_lifespan=False,
    ),
}


NEED_UNIX: Final = {"hypercorn", "granian", "daphne"}
"""Those that do not start where only a part of what Unix has is taken away (tests/elsewhere)."""


@pytest.fixture(
    params=[
        pytest.param(name, marks=[pytest.mark.unix] if name in NEED_UNIX else [])
        for name in SERVERS
    ],
    scope="module",
)
def server(request: pytest.FixtureRequest) -> AsgiServer:
    return SERVERS[request.param]


@pytest.fixture(scope="module")
def process(
    server: AsgiServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    with server.start(tmp_path_factory.mktemp("server")) as process:
        yield process


@pytest.fixture
def wire(process: ServerProcess) -> Wire:
    return Wire("127.0.0.1", process.port, "/socket.io/")


async def echoes(peer: Peer) -> None:
    """Text comes back, as an event and as the acknowledgement; so does binary."""
    await peer.send('421["echo","grüße",[1,null]]')
    assert {await peer.receive(), await peer.receive()} == {
        '42["echo","grüße",[1,null]]',
        '431["grüße",[1,null]]',
    }
    await peer.send('451-["echo",{"_placeholder":true,"num":0}]', b"\x00\xff" * 5_000)
    assert await peer.receive() == '451-["echo",{"_placeholder":true,"num":0}]'
    assert await peer.receive() == b"\x00\xff" * 5_000


async def test_text_and_binary_come_back(
    wire: Wire, transport: str, process: ServerProcess
) -> None:
    peer = await wire.open(transport)
    await peer.connect()
    await echoes(peer)
    await peer.send("41")
    process.wait_for("socket ends: client namespace disconnect")
    await wire.aclose()


async def test_session_moves_to_a_websocket(wire: Wire) -> None:
    peer = await wire.open_polling()
    await peer.connect()
    websocket = await wire.websocket(wire.target("websocket", sid=peer.sid))
    websocket.send("2probe")
    assert await websocket.receive() == "3probe"
    assert (await peer.poll()).text == "6"
    websocket.send("5")
    await echoes(WebSocketPeer(websocket, f'0{{"sid":"{peer.sid}"}}'))
    await wire.aclose()


async def test_lost_websocket_ends_its_socket(wire: Wire, process: ServerProcess) -> None:
    peer = await wire.open_websocket()
    await peer.connect()
    peer.websocket.http.reset()
    process.wait_for("socket ends: transport close")
    await wire.aclose()


async def test_refused_websocket_gets_an_error(wire: Wire) -> None:
    reply = await wire.upgrade(wire.target("websocket", sid="unknown"))
    assert reply.status in (400, 403)
    await wire.aclose()


async def test_application_gets_other_paths(wire: Wire) -> None:
    assert (await wire.get("/hello")).text == "/hello"
    await wire.aclose()


async def test_client_bundle_is_served(wire: Wire) -> None:
    reply = await wire.get("/socket.io/socket.io.min.js")
    assert reply.status == 200
    assert reply.text.startswith("/*!")
    await wire.aclose()


async def test_root_path_is_left_out_of_the_path(
    server: AsgiServer, tmp_path: Path, transport: str
) -> None:
    with server.start(tmp_path, *server.prefix, "/api") as process:
        wire = Wire("127.0.0.1", process.port, "/socket.io/")
        peer = await wire.open(transport)
        await peer.connect()
        await echoes(peer)
        await wire.aclose()


async def test_lifespan_of_the_application_is_kept(server: AsgiServer, tmp_path: Path) -> None:
    with server.start(tmp_path) as process:
        wire = Wire("127.0.0.1", process.port, "/socket.io/")
        assert (await wire.get("/hello")).status == 200  # some listen before they take signals
        await wire.aclose()
        assert process.interrupt() == 0
    assert ("application starts" in process.output) is server.has_lifespan
    assert ("application stops" in process.output) is server.has_lifespan


async def test_server_stops_with_a_poll_open(server: AsgiServer, tmp_path: Path) -> None:
    with server.start(tmp_path) as process:
        wire = Wire("127.0.0.1", process.port, "/socket.io/")
        peer = await wire.open_polling()
        await peer.connect()
        peer.gets.send("GET", peer.target)
        assert process.interrupt() == 0
        await wire.aclose()
