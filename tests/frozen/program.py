"""A program to be frozen: server and clients in one, and the `sockwave` command."""

from __future__ import annotations

import asyncio
import sys
import urllib.error
import urllib.request

import sockwave


def make_server() -> sockwave.Server:
    io = sockwave.Server()

    @io.on("connection")
    def connection(socket: sockwave.Socket) -> None:
        socket.on("echo", lambda *args: args)

    return io


def client_file(url: str) -> str:
    """Status and size, or why not."""
    try:
        with urllib.request.urlopen(f"{url}/socket.io/socket.io.js", timeout=30) as answer:
            return f"{answer.status} {len(answer.read()) > 10_000}"
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
        print("client file", await asyncio.to_thread(client_file, listener.url))


if __name__ == "__main__":
    if sys.argv[1:] == ["talk"]:
        with asyncio.Runner(loop_factory=sockwave.platform.new_event_loop) as runner:
            runner.run(talk())
    else:
        from sockwave.cli import main

        main(prog_name="program")
