"""The server of tests/client, on python-socketio. Prints its port, and ends with its input."""

# mypy: disable-error-code="untyped-decorator"
# python-socketio has no types.

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
from collections import defaultdict
from typing import Any

import socketio
import uvicorn

io = socketio.AsyncServer(async_mode="asgi", ping_interval=0.2)
logs: dict[str, list[Any]] = defaultdict(list)
auths: dict[str, Any] = {}
environs: dict[str, Any] = {}


def serve(namespace: str) -> None:
    """Register the handlers of one namespace."""

    @io.on("connect", namespace=namespace)
    async def connect(sid: str, environ: Any, auth: Any) -> None:
        if namespace == "/private" and (auth or {}).get("token") != "s3cret":
            raise socketio.exceptions.ConnectionRefusedError("unauthorized", {"code": 7})
        auths[sid] = auth or {}
        environs[sid] = environ

    @io.on("echo", namespace=namespace)
    async def echo(sid: str, *args: Any) -> None:
        await io.emit("echo", args, to=sid, namespace=namespace)

    @io.on("ack", namespace=namespace)
    async def ack(sid: str, *args: Any) -> Any:
        return args

    @io.on("silent", namespace=namespace)
    async def silent(sid: str) -> None:
        await asyncio.sleep(30)

    @io.on("log", namespace=namespace)
    async def log(sid: str, item: Any) -> None:
        logs[sid].append(item)

    @io.on("get_log", namespace=namespace)
    async def get_log(sid: str) -> Any:
        return logs[sid]

    @io.on("burst", namespace=namespace)
    async def burst(sid: str, count: int) -> None:
        for number in range(count):
            await io.emit("tick", number, to=sid, namespace=namespace)

    @io.on("ask", namespace=namespace)
    async def ask(sid: str, question: Any) -> None:
        async def answered(*answer: Any) -> None:
            await io.emit("answered", list(answer), to=sid, namespace=namespace)

        await io.emit("question", question, to=sid, namespace=namespace, callback=answered)

    @io.on("who", namespace=namespace)
    async def who(sid: str) -> Any:
        return auths[sid]

    @io.on("handshake", namespace=namespace)
    async def handshake(sid: str) -> Any:
        environ = environs[sid]
        query = dict(part.split("=") for part in environ["QUERY_STRING"].split("&"))
        return {"query": query.get("room"), "header": environ.get("HTTP_X_TEST")}

    @io.on("leave", namespace=namespace)
    async def leave(sid: str) -> None:
        await io.disconnect(sid, namespace=namespace)

    @io.on("drop", namespace=namespace)
    async def drop(sid: str) -> None:
        await io.eio.disconnect(io.manager.eio_sid_from_sid(sid, namespace))


def main() -> None:
    for namespace in ("/", "/chat", "/private"):
        serve(namespace)
    sock = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(socketio.ASGIApp(io), log_level="error")
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    print(sock.getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=[sock])


if __name__ == "__main__":
    main()
