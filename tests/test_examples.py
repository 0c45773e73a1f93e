"""Every example runs as its docstring says, and does what it shows."""

from __future__ import annotations

import ast
import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.fronts import Wire
from tests.support.peers import package
from tests.support.process import ServerProcess, free_port
from tests.support.raw import PollingPeer, WebSocketPeer, within

if TYPE_CHECKING:
    from tests.support.raw import Peer

ROOT: Final = Path(__file__).resolve().parent.parent
EXAMPLES: Final = ROOT / "examples"


@dataclass(frozen=True)
class Kitchen:
    """An example that takes orders by HTTP, and says so to its sockets.

    Attributes:
        packages: What it imports.
        path: Of its Socket.IO endpoint.
        port_offset: From the port of its routes to the one of its sockets.
        farewell: What it prints when its framework shuts down.
    """

    packages: tuple[str, ...]
    path: str = "/socket.io/"
    port_offset: int = 0
    farewell: str = "the kitchen closes"


KITCHENS: Final = {
    "with_aiohttp": Kitchen(("aiohttp",), port_offset=1, farewell=""),
    "with_django": Kitchen(("django",), farewell=""),
    "with_fastapi": Kitchen(("fastapi", "itsdangerous")),
    "with_flask": Kitchen(("flask", "a2wsgi"), farewell=""),
    "with_litestar": Kitchen(("litestar",)),
    "with_quart": Kitchen(("quart",)),
    "with_starlette": Kitchen(("starlette", "itsdangerous"), path="/ws/", farewell=""),
}


def run_example(name: str, directory: Path) -> ServerProcess:
    """Start an example on a free port."""
    port = free_port()
    file = EXAMPLES / f"{name}.py"
    arguments = ("-m", "tests.support.run_example", str(port), str(file))
    return ServerProcess(*arguments, directory=directory, port=port, cwd=ROOT)


async def connect(wire: Wire, transport: str, cookie: str) -> Peer:
    """Connect to the main namespace, with a cookie on the first request."""
    peer: Peer
    if transport == "polling":
        gets, posts = await wire.http(), await wire.http()
        first = await gets.get(wire.target(), Cookie=cookie)
        peer = PollingPeer(gets, posts, wire.target(), first)
    else:
        websocket = await wire.websocket(wire.target("websocket"), Cookie=cookie)
        peer = WebSocketPeer(websocket, await websocket.receive_text())
    await peer.connect()
    return peer


async def post(wire: Wire, target: str) -> str:
    """POST to a route; the cookie that it sets, if any."""
    reply = await wire.request("POST", target)
    assert reply.status in (200, 201), reply
    return (reply.header("set-cookie") or "").partition(";")[0]


async def dine(process: ServerProcess, kitchen: Kitchen) -> None:
    """Log in, connect both ways, order, see all of it announced, and close the restaurant."""
    routes = Wire("127.0.0.1", process.port, "/")
    wire = Wire("127.0.0.1", process.port + kitchen.port_offset, kitchen.path)
    cookie = await post(routes, "/login/ada")
    guests = [await connect(wire, transport, cookie) for transport in ("polling", "websocket")]
    for guest in guests:
        assert await guest.receive() == '42["welcome","ada"]'
    stranger = await connect(wire, "websocket", "session=forged; name")
    assert await stranger.receive() == '42["welcome","guest"]'
    await post(routes, "/orders/soup")
    for guest in [*guests, stranger]:
        assert await guest.receive() == '42["ordered","soup"]'
        told = {await guest.receive() for _ in range(2)}
        assert told == {'42["cooking","soup"]', '42["ready","soup"]'}
    stopping = asyncio.create_task(asyncio.to_thread(process.interrupt))
    for guest in [*guests, stranger]:
        await ended(guest)
    assert await stopping == 0
    await routes.aclose()
    await wire.aclose()


async def ended(guest: Peer) -> None:
    """See the goodbye of a server that stops."""
    if isinstance(guest, WebSocketPeer):
        await guest.websocket.closed()
    elif isinstance(guest, PollingPeer):
        assert (await guest.poll()).text in ("1", "6", "41"), "told that it is over"


@pytest.mark.parametrize("name", KITCHENS)
def test_sockets_know_the_session_and_hear_of_orders(name: str, tmp_path: Path) -> None:
    kitchen = KITCHENS[name]
    for needed in kitchen.packages:
        package(needed)
    with run_example(name, tmp_path) as process:
        asyncio.run(within(dine(process, kitchen), 30))
    assert "Traceback" not in process.output
    assert kitchen.farewell in process.output


def test_every_example_is_tested() -> None:
    names = {file.stem for file in EXAMPLES.glob("*.py")}
    assert names == {*KITCHENS}


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.py")), ids=lambda file: file.stem)
def test_example_is_short_and_says_how_to_run_it(file: Path) -> None:
    source = file.read_text()
    assert source.count("\n") <= 60
    assert f"python examples/{file.name}" in (ast.get_docstring(ast.parse(source)) or "")


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.py")), ids=lambda file: file.stem)
def test_example_uses_only_public_names(file: Path) -> None:
    import sockwave

    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sockwave"):
            assert node.module == "sockwave"
            assert {alias.name for alias in node.names} <= {*sockwave.__all__}
