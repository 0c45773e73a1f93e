"""Every example runs as its docstring says, and does what it shows."""

from __future__ import annotations

import ast
import asyncio
import importlib
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

import sockwave.adapters
import sockwave.emitters
import sockwave.sync
import sockwave.testing
from tests.support.examples import EXAMPLES, run_example
from tests.support.fronts import Wire
from tests.support.peers import package
from tests.support.raw import PollingPeer, WebSocketPeer, within
from tests.workers.programs import Visitor

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.process import ServerProcess
    from tests.support.raw import Peer

EXAMPLE_FILES: Final = sorted(EXAMPLES.glob("*.py"))

PUBLIC: Final = (sockwave, sockwave.adapters, sockwave.emitters, sockwave.sync, sockwave.testing)
"""Modules whose names an example may use."""


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


async def chat(process: ServerProcess) -> None:
    """Come in by polling and by WebSocket, and talk; nobody comes in without a name."""
    wire = Wire("127.0.0.1", process.port, "/socket.io/")
    ada, grace, nobody = [await wire.open(name) for name in ("polling", "websocket", "websocket")]
    await ada.connect(auth={"name": "Ada"})
    await grace.connect(auth={"name": "Grace"})
    assert await nobody.connect() == '44{"message":"Please give a name"}'
    assert await ada.receive() == '42["note","Grace is here"]'
    await grace.send('421["say","hello"]')
    assert await grace.receive() == '431["delivered"]'
    assert await ada.receive() == '42["said","Grace","hello"]'
    await grace.send("41")
    assert await ada.receive() == '42["note","Grace has left"]'
    await wire.aclose()


def test_chat_of_the_tutorial(tmp_path: Path) -> None:
    package("starlette")
    with run_example("chat", tmp_path) as process:
        asyncio.run(within(chat(process), 30))
        assert process.interrupt() == 0
    assert "Traceback" not in process.output


def test_tests_of_the_chat_pass() -> None:
    package("starlette")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_chat.py"]
    run = subprocess.run(command, cwd=EXAMPLES, capture_output=True, text=True, check=False)
    assert (run.returncode, "2 passed" in run.stdout) == (0, True), run.stdout


@pytest.mark.unix
def test_processes_of_uvicorn_are_one_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    with run_example("with_uvicorn_workers", tmp_path) as process:
        visitors: list[Visitor] = []
        pids: set[int] = set()
        while len(visitors) < 4 or len(pids) < 2:
            visitors.append(Visitor(process.port))
            visitors[-1].open()
            pids.add(visitors[-1].ask("enter", "kitchen"))
        visitors[0].emit("say", "kitchen", "soup")
        for visitor in visitors:
            assert visitor.events() == [["said", "soup"]]
    assert "Traceback" not in process.output


def test_every_example_is_tested() -> None:
    names = {file.stem for file in EXAMPLE_FILES}
    own = {"asking", "chat", "test_chat", "three_machines", "with_uvicorn_workers"}
    assert names == {*KITCHENS, *own}


@pytest.mark.parametrize("file", EXAMPLE_FILES, ids=lambda file: file.stem)
def test_example_is_short_and_says_how_to_run_it(file: Path) -> None:
    source = file.read_text()
    assert source.count("\n") <= (90 if file.stem == "three_machines" else 60)
    docstring = ast.get_docstring(ast.parse(source)) or ""
    assert "`pip install sockwave" in docstring
    assert f"`python examples/{file.name}`" in docstring or f"pytest {file.name}`" in docstring


@pytest.mark.parametrize(
    "file",
    sorted(EXAMPLES.rglob("*.py")),
    ids=lambda file: str(file.relative_to(EXAMPLES).with_suffix("")),
)
def test_example_uses_only_public_names(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sockwave"):
            module = importlib.import_module(node.module or "")
            assert module in PUBLIC
            assert {alias.name for alias in node.names} <= {*module.__all__}
