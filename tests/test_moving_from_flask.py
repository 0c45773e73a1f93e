"""An application on Flask-SocketIO moves step by step; its clients see the same at each step."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Final, Literal

import pytest

from scripts.check_docs import FENCE
from sockwave import ConnectError, connect
from tests.support.before import Before, programs_before
from tests.support.documents import DOCS, blocks
from tests.support.examples import EXAMPLES, run_example
from tests.support.fronts import Wire
from tests.support.peers import package
from tests.support.raw import within

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from sockwave import ClientSocket

FOLDER: Final = EXAMPLES / "moving_from_flask"
PAGE: Final = "migrating-from-flask-socketio.md"
STEPS: Final = {
    "step0": ("flask_socketio", "flask_login", "simple_websocket"),
    "step1": ("flask", "flask_login", "a2wsgi"),
    "step2": ("flask", "flask_login", "a2wsgi"),
}
"""With what each imports."""


class Chat:
    """The application at one step, and its clients.

    Args:
        port: Where it listens.
        transport: What clients use.
    """

    def __init__(self, port: int, transport: Literal["polling", "websocket"]) -> None:
        self.wire = Wire("127.0.0.1", port, "/socket.io/")
        self.url = f"http://127.0.0.1:{port}"
        self.transport = transport

    async def login(self, name: str) -> str:
        """The cookie of somebody who has logged in."""
        reply = await self.wire.request("POST", f"/login/{name}")
        assert reply.status == 200, reply
        return (reply.header("set-cookie") or "").partition(";")[0]

    def client(self, cookie: str, namespace: str = "") -> ClientSocket:
        """A client that is not connected yet."""
        headers = {"Cookie": cookie}
        return connect(
            self.url + namespace, extra_headers=headers, transports=[self.transport], retry=False
        )


async def talk(chat: Chat) -> None:
    """Do all that the application can do."""
    ada, grace, root = [await chat.login(name) for name in ("ada", "grace", "root")]
    first = chat.client(ada)
    heard = first.events("joined", "said", "announced", "closing", "gone")
    async with first:
        second = chat.client(grace)
        told = second.events("left", "failed", "announced")
        async with second:
            assert await anext(heard) == ("joined", "grace")
            async with chat.client(root) as third:
                assert await anext(heard) == ("joined", "root")
                assert await third.emit_with_ack("say", "hello") == 1
                assert await third.emit_with_ack("say", "again") == 2
                assert await anext(heard) == ("said", "root", "hello")
                assert await anext(heard) == ("said", "root", "again")
            assert await anext(heard) == ("gone", "root")
            await second.emit_with_ack("countdown", 2)
            assert [await anext(told), await anext(told)] == [("left", 2), ("left", 1)]
            second.emit("countdown", 1, 2)
            assert await anext(told) == ("failed", "TypeError")
            await announce(chat, "soup", ada)
            assert await anext(heard) == await anext(told) == ("announced", "ada", "soup")
        assert await anext(heard) == ("gone", "grace")
        with pytest.raises(ConnectError):
            async with chat.client(ada, "/admin"):
                raise AssertionError("only root may")
        async with chat.client(root, "/admin") as admin:
            admin.emit("close_lobby")
            assert await anext(heard) == ("closing",)
    with pytest.raises(ConnectError) as refused:
        async with chat.client("session=forged"):
            raise AssertionError("not logged in")
    assert refused.value.message == "log in first"


async def announce(chat: Chat, text: str, cookie: str) -> None:
    """POST, as a page of somebody who has logged in."""
    http = await chat.wire.http()
    reply = await http.request("POST", f"/announce/{text}", {"Cookie": cookie})
    assert reply.status == 200, reply


@pytest.mark.parametrize("transport", ["polling", "websocket"])
@pytest.mark.parametrize("step", STEPS)
def test_clients_see_the_same_at_each_step(
    step: str, transport: Literal["polling", "websocket"], tmp_path: Path
) -> None:
    for needed in STEPS[step]:
        package(needed)

    async def scenario(port: int) -> None:
        chat = Chat(port, transport)
        try:
            await talk(chat)
        finally:
            await chat.wire.aclose()

    with run_example(f"moving_from_flask/{step}", tmp_path) as process:
        asyncio.run(within(scenario(process.port), 30))


@pytest.mark.parametrize("program", programs_before(PAGE), ids=lambda program: program.title)
def test_client_sees_of_the_old_library_what_the_page_says(program: Before) -> None:
    package("flask_socketio")
    asyncio.run(within(program.play(), 30))


def test_tests_of_the_last_step_pass() -> None:
    package("flask_login")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_step2.py"]
    run = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    assert (run.returncode, "2 passed" in run.stdout) == (0, True), run.stdout


@pytest.mark.parametrize("step", [*STEPS, "test_step2"])
def test_code_of_a_step_on_the_page_is_that_of_the_step(step: str) -> None:
    shown = blocks(PAGE, f"python {step}")
    assert shown
    program = (FOLDER / f"{step}.py").read_text()
    for block in shown:
        for piece in block.split("\n\n\n"):
            assert piece.strip() in program, piece


def test_every_call_of_the_old_library_is_on_the_page() -> None:
    package("flask_socketio")
    old = importlib.import_module("flask_socketio")
    methods = [name for name in vars(old.SocketIO) if not name.startswith("_")]
    functions = [name for name, value in vars(old).items() if is_own_function(old, value)]
    text = FENCE.sub("", (DOCS / PAGE).read_text())
    told = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", text))))
    assert len(methods) > 15 < 5 * len(functions)
    assert {*methods, *functions} - told == set()


def is_own_function(module: ModuleType, value: object) -> bool:
    """Whether a module has a public function itself."""
    return (
        inspect.isfunction(value)
        and value.__module__ == module.__name__
        and not value.__name__.startswith("_")
    )
