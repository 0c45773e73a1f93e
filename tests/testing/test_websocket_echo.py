"""The bare echo for conformance tools, against another implementation's client."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest
import websockets

from sockwave.testing.websocket_echo import MAX_MESSAGE, echo_server

MESSAGES: list[str | bytes] = ["", "hi", "é" * 1_000, b"", os.urandom(70_000), "a" * 20_000_000]


@pytest.mark.parametrize("compression", ["deflate", None])
def test_messages_come_back_as_they_went(compression: str | None) -> None:
    async def run() -> None:
        async with (
            echo_server() as listener,
            websockets.connect(
                f"ws://127.0.0.1:{listener.port}/any/path", compression=compression, max_size=None
            ) as client,
        ):
            for message in MESSAGES:
                await client.send(message)
                assert await client.recv() == message

    asyncio.run(run())


def test_message_over_the_limit_closes_with_1009() -> None:
    async def run() -> None:
        async with (
            echo_server() as listener,
            websockets.connect(f"ws://127.0.0.1:{listener.port}/", compression=None) as client,
        ):
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await client.send(b"x" * (MAX_MESSAGE + 1))
                await client.recv()
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009

    asyncio.run(run())


def test_text_that_is_not_utf8_closes_with_1007() -> None:
    async def run() -> None:
        async with (
            echo_server() as listener,
            websockets.connect(f"ws://127.0.0.1:{listener.port}/") as client,
        ):
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await client.send(b"\xff\xfe", text=True)
                await client.recv()
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 1007

    asyncio.run(run())


def test_module_serves_on_a_port_and_stops_on_a_signal() -> None:
    command = [sys.executable, "-m", "sockwave.testing.websocket_echo", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.terminate()
        assert process.wait(10) == 0


def test_module_without_a_port_says_how_to_use_it() -> None:
    command = [sys.executable, "-m", "sockwave.testing.websocket_echo"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("usage:")
