"""`examples/login`: nobody comes in without a login, and who logs out is gone everywhere."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

from tests.support.examples import run_example
from tests.support.fronts import Wire
from tests.support.peers import package
from tests.support.raw import WebSocketPeer, within

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.support.process import ServerProcess
    from tests.support.raw import Peer

REFUSED = '44{"message":"log in first"}'


async def with_cookie(wire: Wire, cookie: str) -> WebSocketPeer:
    """A connection whose first request has a cookie."""
    websocket = await wire.websocket(wire.target("websocket"), Cookie=cookie)
    return WebSocketPeer(websocket, await websocket.receive_text())


async def closed(*peers: Peer) -> None:
    """See the end of WebSockets, whatever comes before it."""
    for peer in peers:
        assert isinstance(peer, WebSocketPeer)
        assert await peer.receive() == "41"
        await peer.websocket.closed()


async def tokens(process: ServerProcess) -> None:
    import jwt

    wire = Wire("127.0.0.1", process.port, "/socket.io/")

    async def post(target: str, token: str = "") -> tuple[int, str]:
        reply = await wire.request("POST", target, {"Authorization": f"Bearer {token}"})
        return reply.status, reply.text

    made = {name: json.loads((await post(f"/login/{name}"))[1]) for name in ("ada", "grace")}
    ada, ada_too, grace = [await wire.open("websocket") for _ in range(3)]
    for peer, name in ((ada, "ada"), (ada_too, "ada"), (grace, "grace")):
        await peer.connect(auth={"token": made[name]})
        assert await peer.receive() == f'42["welcome","{name}"]'

    key = "for trying only, never in a server that others can reach"
    soon = time.time() + 900
    wrong = [
        jwt.encode({"sub": "ada", "exp": time.time() - 1}, key, algorithm="HS256"),
        jwt.encode({"sub": "ada", "exp": soon}, key * 2, algorithm="HS256"),
        jwt.encode({"sub": "ada", "exp": soon}, "", algorithm="none"),
        jwt.encode({"sub": "ada"}, key, algorithm="HS256"),
        "no token",
        "",
    ]
    for token in [*wrong, 5, None, {"a": 1}]:
        stranger = await wire.open("websocket")
        assert await stranger.connect(auth={"token": token}) == REFUSED
    assert await (await wire.open("websocket")).connect() == REFUSED

    for token in wrong:
        assert (await post("/say/hello", token))[0] == 401
    assert (await post("/say/hello", made["ada"]))[0] == 200
    for peer in (ada, ada_too, grace):
        assert await peer.receive() == '42["said","ada","hello"]'
    assert (await post("/leave", made["ada"]))[0] == 200
    await closed(ada, ada_too)
    assert (await post("/say/bye", made["grace"]))[0] == 200
    assert await grace.receive() == '42["said","grace","bye"]'
    await wire.aclose()


def test_token_admits_to_routes_and_sockets(tmp_path: Path) -> None:
    package("fastapi")
    package("jwt")
    with run_example("login/with_fastapi", tmp_path) as process:
        asyncio.run(within(tokens(process), 30))
        assert process.interrupt() == 0
    assert "Traceback" not in process.output


async def sessions(process: ServerProcess) -> None:
    wire = Wire("127.0.0.1", process.port, "/socket.io/")

    async def login(name: str) -> str:
        reply = await wire.request("POST", f"/login/{name}")
        assert reply.status == 200
        return (reply.header("set-cookie") or "").partition(";")[0]

    ada_cookie, grace_cookie = await login("ada"), await login("grace")
    ada, ada_too = [await with_cookie(wire, ada_cookie) for _ in range(2)]
    grace = await with_cookie(wire, grace_cookie)
    for peer, name in ((ada, "ada"), (ada_too, "ada"), (grace, "grace")):
        await peer.connect()
        assert await peer.receive() == f'42["welcome","{name}"]'
    for cookie in ("sessionid=forged", "other=1"):
        assert await (await with_cookie(wire, cookie)).connect() == REFUSED
    await ada.send('420["rename","Countess"]')
    assert await ada.receive() == '430["Countess"]'
    reply = await wire.request("POST", "/logout", {"Cookie": ada_cookie})
    assert reply.status == 200
    await closed(ada, ada_too)
    assert await (await with_cookie(wire, ada_cookie)).connect() == REFUSED
    await grace.send('421["rename","Rear Admiral"]')
    assert await grace.receive() == '431["Rear Admiral"]'
    await wire.aclose()


def test_session_of_django_admits_to_sockets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package("django")
    monkeypatch.setenv("DATABASE", str(tmp_path / "login.sqlite3"))
    with run_example("login/with_django", tmp_path) as process:
        asyncio.run(within(sessions(process), 30))
        assert process.interrupt() == 0
    assert "Traceback" not in process.output
