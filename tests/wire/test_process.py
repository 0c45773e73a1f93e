"""`run` in a process of its own: signals, exit codes, and what is printed."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sockwave import Server
from tests.support.fronts import Wire
from tests.support.raw import DEADLINE, UNIT, within

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

SERVER = """
import sys
from sockwave import Server
from tests.support.fronts import hello

io = Server(ping_interval=3600)
io.event("disconnect")(lambda socket, reason: print(reason, flush=True))
io.engine.on("closing", lambda: io.emit("bye"))
io.run(
    drain_period=float(sys.argv[3]),
    port=int(sys.argv[2]),
    app=hello if sys.argv[1] == "hosted" else None,
    on_listening=lambda listener: print(listener.port, flush=True),
)
print("returned", flush=True)
"""

ROOT = Path(__file__).parents[2]

START = 4 * DEADLINE
"""Seconds to start Python and import everything, on a machine that does a lot at once."""

kinds = pytest.mark.parametrize("kind", ["native", "hosted"])


async def start(kind: str, port: int, drain_period: float = 0) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SERVER, kind, str(port), str(drain_period)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )


@asynccontextmanager
async def running(kind: str, drain_period: float = 0) -> AsyncIterator[tuple[Process, Wire]]:
    process = await start(kind, 0, drain_period)
    try:
        assert process.stdout is not None
        port = int(await within(process.stdout.readline(), START))
        wire = Wire("127.0.0.1", port, "/socket.io/")
        yield process, wire
        await wire.aclose()
    finally:
        if process.returncode is None:
            process.kill()
        await within(process.communicate())


@kinds
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signal_ends_sessions_and_returns(kind: str, number: signal.Signals) -> None:
    async with running(kind) as (process, wire):
        websocket, polling = await wire.open_websocket(), await wire.open_polling()
        await websocket.connect()
        await polling.connect()
        polling.gets.send("GET", polling.target)
        idle = await wire.http()
        await idle.get(wire.target())
        await asyncio.sleep(0.05)  # the poll is to arrive before the signal does
        process.send_signal(number)
        assert await websocket.receive() == '42["bye"]'
        assert (await websocket.ended()).code == 1005
        assert (await polling.gets.read()).text == '42["bye"]\x1e1'
        assert await idle.is_closed()
        output, errors = await within(process.communicate())
        assert process.returncode == 0, errors.decode()
        assert output.decode().split("\n") == ["server shutting down"] * 2 + ["returned", ""]
        assert b"Traceback" not in errors


@kinds
async def test_drain_takes_no_connections_and_serves_those_there_are(kind: str) -> None:
    async with running(kind, 3600) as (process, wire):
        first, second = await wire.open_websocket(), await wire.open_websocket()
        await first.connect()
        await second.connect()
        process.send_signal(signal.SIGTERM)
        assert await first.receive() == await second.receive() == '42["bye"]'
        assert (await first.ended()).code == 1005
        with pytest.raises(ConnectionRefusedError):
            await wire.http()
        await second.ping()
        process.send_signal(signal.SIGTERM)
        await within(process.wait())
        assert process.returncode == -signal.SIGTERM


@kinds
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_second_signal_ends_at_once(kind: str, number: signal.Signals) -> None:
    async with running(kind) as (process, wire):
        peer = await wire.open_websocket()
        await peer.connect()
        peer.websocket.http.writer.transport.pause_reading()  # type: ignore[attr-defined]
        process.send_signal(signal.SIGINT)
        output = process.stdout
        assert output is not None
        assert await within(output.readline()) == b"server shutting down\n"
        process.send_signal(number)
        await within(process.wait(), 20 * UNIT)  # less than sessions get to say goodbye
        assert process.returncode == -number


@kinds
async def test_port_in_use_is_one_line_and_an_exit_code(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = await start(kind, port)
        output, errors = await within(process.communicate(), START)
        assert process.returncode == 1
        assert output == b""
        why = os.strerror(errno.EADDRINUSE).lower()
        expected = f"sockwave: cannot listen on 127.0.0.1:{port}: {why}\n"
        assert errors.decode() == expected


async def test_uvicorn_options_without_an_application_are_refused() -> None:
    with pytest.raises(ValueError, match="uvicorn_options"):
        Server().run(uvicorn_options={"workers": 2})
