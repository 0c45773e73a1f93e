"""A program to be frozen: server and clients in one, and the `sockwave` command."""

from __future__ import annotations

import asyncio
import sys
import urllib.error
import urllib.request
from typing import Annotated

import sockwave


class Said(sockwave.Events):
    number: sockwave.Event[int]


def double(head: sockwave.Handshake) -> int:
    return 2 * int(head.auth["number"])


def make_server() -> sockwave.Server:
    io = sockwave.Server(docs=True)

    @io.event
    def add(
        socket: sockwave.Socket, number: int, other: Annotated[int, sockwave.Depends(double)]
    ) -> int:
        socket.emit(Said.number, number)
        return number + other

    @io.on("connection")
    def connection(socket: sockwave.Socket) -> None:
        socket.on("echo", lambda *args: args)

    return io


def fetched(url: str, least: int) -> str:
    """Status, and whether it has so many bytes; or why not."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return f"{answer.status} {len(answer.read()) > least}"
    except urllib.error.HTTPError as error:
        with error:
            return str(error.code)


def call_blocking(url: str) -> object:
    with sockwave.sync.connect(url) as socket:
        return socket.emit_with_ack("echo", "blocking")


async def talk() -> None:
    print(type(asyncio.get_running_loop()).__module__)
    async with make_server().listen() as listener:
        async with sockwave.connect(listener.url, transports=["polling"]) as socket:
            print(await socket.emit_with_ack("echo", "polling", b"\x01"))
        async with sockwave.connect(listener.url, transports=["websocket"]) as socket:
            print(await socket.emit_with_ack("echo", "websocket", b"\x01"))
        print(await asyncio.to_thread(call_blocking, listener.url))
        async with sockwave.connect(listener.url, auth={"number": 20}) as socket:
            print("typed", await socket.emit_with_ack("add", 2))
        base = f"{listener.url}/socket.io"
        print("client file", await asyncio.to_thread(fetched, f"{base}/socket.io.js", 10_000))
        print("page", await asyncio.to_thread(fetched, f"{base}/docs", 500))
        print("contract", await asyncio.to_thread(fetched, f"{base}/docs/contract.json", 100))


if __name__ == "__main__":
    if sys.argv[1:] == ["talk"]:
        with asyncio.Runner(loop_factory=sockwave.platform.new_event_loop) as runner:
            runner.run(talk())
    else:
        from sockwave.cli import main

        main(prog_name="program")
