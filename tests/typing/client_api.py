"""Types of the public client API, as users meet them; mypy and pyright are the test.

Lines with `type: ignore` must be errors: an ignore that is not needed is one itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import sockwave.sync
from sockwave import ClientSocket, Manager, connect

URL = "http://localhost:3000"


def options() -> None:
    connect(URL, transports=["webtransport"], server_certificate_hashes=["00" * 32, bytes(32)])
    connect(URL, transports=["polling", "webtransport"], webtransport_cafile=Path("ca.pem"))
    connect(URL, server_certificate_hashes=[7])  # type: ignore[list-item]
    connect(URL, retry=True, auth={"token": "x"}, reconnection_delay=0.5, transports=["websocket"])
    Manager(URL, ssl=False, per_message_deflate=True).socket("/admin", ack_timeout=5)
    sockwave.sync.connect(URL, handler_threads=2, max_payload=10)
    sockwave.sync.Manager(URL, handler_threads=2).socket("/admin", retries=1, ack_timeout=5)
    connect(URL, reconnect=False)  # type: ignore[call-arg]
    connect(URL, reconnection_delay="1")  # type: ignore[arg-type]
    Manager(URL, auth={})  # type: ignore[call-arg]
    Manager(URL).socket("/", ack_timeout="5")  # type: ignore[arg-type]
    sockwave.sync.connect(URL, transports=["carrier pigeon"])  # type: ignore[list-item]


# --- a decorator keeps the type of what it decorates ----------------------------------------------


async def handlers(socket: ClientSocket, manager: Manager) -> None:
    @socket.on("echo")
    async def echo(text: str) -> str:
        return text

    @socket.once("first")
    def first(number: int) -> tuple[int, int]:
        return number, number

    @manager.on("reconnect")
    def reconnected(attempt: int) -> int:
        return attempt

    assert_type(await echo("x"), str)
    assert_type(await socket.on("echo", echo)("x"), str)
    assert_type(first(1), tuple[int, int])
    assert_type(socket.once("first", first)(1), tuple[int, int])
    assert_type(reconnected(1), int)
    socket.on("echo", 5)  # type: ignore[call-overload]
    manager.off("reconnect", reconnected)


def blocking(socket: sockwave.sync.Socket, manager: sockwave.sync.Manager) -> None:
    @socket.on("echo")
    def echo(text: str) -> str:
        return text

    @manager.on("reconnect")
    def reconnected(attempt: int) -> int:
        return attempt

    assert_type(echo("x"), str)
    assert_type(socket.on("echo", echo)("x"), str)
    assert_type(socket.once("echo", echo)("x"), str)
    assert_type(reconnected(1), int)
    echo()  # type: ignore[call-arg]
