"""Runs the clients of python-socketio 4 for the tests, with the Python 3.9 that has them.

It reads one JSON array per line: a number, that of a client, a method, its arguments, its keyword
arguments. It writes `["done", number, value]` or `["failed", number, text]`, and for what a client
hears `["event", client, namespace, event, arguments]`. It ends with its standard input.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import sys
from typing import Any

import socketio

EVENTS = ("connect", "connect_error", "disconnect", "echoed", "question")
NAMESPACES = ("/", "/chat")


def pack(value: Any) -> Any:
    """Write what JSON lacks: bytes as `{"$bytes": base64}`."""
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {key: pack(item) for key, item in value.items()}
    return [pack(item) for item in value] if isinstance(value, (list, tuple)) else value


def unpack(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["$bytes"]) if "$bytes" in value else value


def say(*message: Any) -> None:
    # One call with the line feed in it: the blocking client's threads write as well.
    sys.stdout.write(json.dumps(pack(message)) + "\n")
    sys.stdout.flush()


def open_client(number: int, kind: str) -> Any:
    make = socketio.AsyncClient if kind == "asyncio" else socketio.Client
    client = make(reconnection=False)
    for namespace in NAMESPACES:
        for event in EVENTS:
            client.on(event, listener(number, namespace, event), namespace=namespace)
    return client


def listener(number: int, namespace: str, event: str) -> Any:
    def heard(*args: Any) -> Any:
        say("event", number, namespace, event, args)
        return ("yes", *args) if event == "question" else None

    return heard


async def serve() -> None:
    clients: dict[int, Any] = {}
    loop = asyncio.get_running_loop()

    async def answer(number: int, client: int, method: str, args: Any, kwargs: Any) -> None:
        if method in ("emit", "call"):
            args = (args[0], tuple(args[1:]))
        try:
            if method == "open":
                clients[client] = open_client(client, *args)
                value = None
            elif inspect.iscoroutinefunction(function := getattr(clients[client], method)):
                value = await function(*args, **kwargs)
            else:
                value = await loop.run_in_executor(None, lambda: function(*args, **kwargs))
        except Exception as error:
            say("failed", number, f"{type(error).__name__}: {error}")
        else:
            say("done", number, value)

    tasks = set()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        tasks.add(asyncio.ensure_future(answer(*json.loads(line, object_hook=unpack))))


if __name__ == "__main__":
    asyncio.run(serve())
