"""The bare echo for conformance tools, against another implementation's client."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest
import websockets

from sockwave.codec.websocket import Opcode, encode_frame
from sockwave.testing.websocket_echo import MAX_MESSAGE, echo_server
from tests.support.raw import RawHttp, RawWebSocket

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


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x82\xff" + (MAX_MESSAGE + 1).to_bytes(8, "big") + bytes(4), 1009),
        (encode_frame(Opcode.TEXT, b"\xff\xfe", mask=True), 1007),
        (b"\x83\x80\0\0\0\0", 1002),
    ],
    ids=["too large", "no UTF-8", "unknown opcode"],
)
def test_fault_closes_with_its_code(frame: bytes, code: int) -> None:
    async def run() -> None:
        async with echo_server() as listener:
            http = await RawHttp.connect(listener.host, listener.port)
            await http.request("GET", "/", RawWebSocket.request_headers())
            websocket = RawWebSocket(http)
            http.write(frame)
            assert (await websocket.closed()).code == code
            await http.close()

    asyncio.run(run())


def test_module_serves_on_a_port_and_stops_on_a_signal() -> None:
    command = [sys.executable, "-m", "sockwave.testing.websocket_echo", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.terminate()
        assert process.wait(40) == 0


def test_module_without_a_port_says_how_to_use_it() -> None:
    command = [sys.executable, "-m", "sockwave.testing.websocket_echo"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("usage:")
