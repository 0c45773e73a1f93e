"""What the pages about moving say to write can be called: each expression on the right runs."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from typing import Any, Final

import pytest

import sockwave
from sockwave import Server, Socket
from sockwave.testing import LinkedClient
from tests.support.documents import DOCS
from tests.support.raw import within

PAGES: Final = (
    "migrating-from-flask-socketio.md",
    "migrating-from-node.md",
    "migrating-from-python-socketio.md",
)
CODE: Final = re.compile(r"`([^`]+)`")

ELSEWHERE: Final = (
    "client",  # of the client's tables
    "manager",
    "sockwave",
    "emitter",
    "sockwave run",
    "app.",
    "io.run(",  # would serve
    "io.listen(",
    "io.wrap(",
    "io.stop(",
    "io.close(",
    "io.engine.use",  # as decorators
    "LinkedClient(",
    "disconnect(",  # as handlers
    "x(",
    "flask_request(",  # of the page's own
)


def expressions() -> list[str]:
    """Code of ours that can be evaluated, each once."""
    found: dict[str, None] = {}
    for page in PAGES:
        for row in re.findall(r"^\| .+ \| (.+) \|$", (DOCS / page).read_text(), re.MULTILINE):
            for code in CODE.findall(row):
                if is_expression(code) and not code.removeprefix("await ").startswith(ELSEWHERE):
                    found[code] = None
    return list(found)


def is_expression(code: str) -> bool:
    """Whether it is a call or an attribute, with everything written out."""
    if "..." in code:
        return False
    try:
        tree = compile(
            code, "page", "eval", flags=ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        )
    except SyntaxError:
        return False
    assert isinstance(tree, ast.Expression)
    return any(isinstance(node, (ast.Attribute, ast.Call)) for node in ast.walk(tree)) and any(
        isinstance(node, ast.Name) and node.id in ("io", "socket", "chat", "Server", "asyncio")
        for node in ast.walk(tree)
    )


async def evaluate(code: str) -> None:
    """Evaluate it where a handler is, or a program around it."""
    io = Server()
    chat = io.of("/chat")
    sockets: list[Socket] = []
    io.on("connection", sockets.append)
    chat.on("connection", sockets.append)
    async with LinkedClient(io) as client, client.of("/chat"):
        client.on("x", lambda *args: "answer")
        socket, other = sockets
        socket.data["x"] = 1

        def function(*args: Any) -> None:
            """Whatever is registered or called back."""

        async def coroutine(*args: Any) -> None:
            """Whatever is started."""

        names: dict[str, Any] = {
            **{name: getattr(sockwave, name) for name in sockwave.__all__},
            **{"io": io, "chat": chat, "socket": socket, "asyncio": asyncio, "re": re},
            **{"data": {"n": 1}, "room": "room", "a": "a", "b": "b", "c": "c", "x": "x"},
            "f": coroutine if "create_task" in code else function,
            "function": function,
            "sid": (other if "/chat" in code else socket).id,
            "callback": function,
            "Chat": type("Chat", (sockwave.Handlers,), {}),
        }
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        value = eval(compile(code, "page", "eval", flags=flags), names)
        if inspect.isawaitable(value):
            await value


@pytest.mark.parametrize("code", expressions())
def test_expression_runs(code: str) -> None:
    asyncio.run(within(evaluate(code), 20))


def test_there_are_many() -> None:
    assert len(expressions()) > 100
