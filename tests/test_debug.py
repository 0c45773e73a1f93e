"""Debug output, as `DEBUG` in the environment asks for it."""

from __future__ import annotations

import asyncio
import io as streams
import logging
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from sockwave import Server
from sockwave.debug import SCOPES, DebugPatterns, enable
from sockwave.testing import LinkedClient
from tests.socketio.server.helpers import settle

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def shown() -> Iterator[streams.StringIO]:
    """What is shown of everything; the loggers are as before afterwards."""
    stream = streams.StringIO()
    levels = {scope: logging.getLogger(scope).level for scope in SCOPES}
    handler = enable({"DEBUG": "sockwave:*"}, stream)
    assert handler is not None
    yield stream
    logging.getLogger("sockwave").removeHandler(handler)
    for scope, level in levels.items():
        logging.getLogger(scope).setLevel(level)


@pytest.mark.parametrize(
    ("text", "scope", "is_shown"),
    [
        ("sockwave:*", "sockwave:engine", True),
        ("*", "sockwave:engine", True),
        ("sockwave:engine", "sockwave:engine", True),
        ("sockwave:engine", "sockwave:engine:session", False),
        ("sockwave:engine*", "sockwave:engine:session", True),
        ("other, sockwave:socketio:*", "sockwave:socketio:socket", True),
        ("sockwave:* -sockwave:engine", "sockwave:engine", False),
        ("-sockwave:engine,sockwave:*", "sockwave:engine", False),
        ("sockwave:*,-sockwave:engine", "sockwave:socketio", True),
        ("", "sockwave:engine", False),
        ("sock.wave:*", "sockwave:engine", False),
    ],
)
def test_patterns_show_and_hide(text: str, scope: str, is_shown: bool) -> None:
    assert DebugPatterns(text).show(scope) is is_shown


def test_life_of_a_socket_is_told_without_its_secrets(shown: streams.StringIO) -> None:
    io = Server()

    @io.on("connection")
    def connection(socket: object) -> None:
        io.emit("news", "payload-of-the-server")

    async def run() -> None:
        async with LinkedClient(io, auth={"token": "s3cret"}) as client:
            client.emit("hello\n", "payload-of-the-client")
            await client.received()
            await settle()
            (sid,) = io.engine.sessions
        assert sid not in shown.getvalue()

    asyncio.run(run())
    text = shown.getvalue()
    for line in ("opened by websocket", "asks for /", "connected to /", "hello\\n came with 1"):
        assert line in text
    assert "news to everybody" in text
    assert "closed: transport close" in text
    for secret in ("s3cret", "payload-of"):
        assert secret not in text


def test_server_that_is_not_debugged_keeps_the_short_way() -> None:
    io = Server()

    async def run() -> None:
        async with LinkedClient(io):
            assert not io.engine.driver.debug
            assert not any(socket.plain is None for socket in io.sockets.values())

    asyncio.run(run())


def test_variable_of_the_environment_is_heard_by_the_import() -> None:
    code = "import sockwave, logging; logging.getLogger('sockwave.engine').debug('heard')"
    for value, is_heard in (("sockwave:engine", True), ("express:*", False)):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "DEBUG": value},
            capture_output=True,
            text=True,
            check=True,
            timeout=90,
        )
        assert ("sockwave:engine heard +0ms" in done.stderr) is is_heard
