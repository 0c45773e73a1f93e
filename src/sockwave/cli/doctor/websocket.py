"""A WebSocket as bare as it is."""

from __future__ import annotations

import asyncio
import secrets
import time
from base64 import b64encode
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from sockwave.cli.doctor.wire import PATIENCE, NoAnswer, Refused, connected, read_answer
from sockwave.codec.websocket import Opcode, accept_key, client_frame, encode_close, encode_frame

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sockwave.cli.doctor.target import Target
    from sockwave.cli.doctor.wire import Answer

__all__ = ["WebSocket", "open_websocket"]

LARGEST_FRAME: Final = 4 * 1024 * 1024
"""Bytes. What is waited for has some hundred; an application may greet with more."""


class WebSocket:
    """One that is open.

    Attributes:
        answer: The response that opened it.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer
    ) -> None:
        self.answer = answer
        self._reader = reader
        self._writer = writer

    def send(self, text: bytes) -> None:
        """Send a text message."""
        self._writer.write(client_frame(text))

    async def receive(self, patience: float = PATIENCE) -> bytes:
        """Return the next message.

        Raises:
            NoAnswer: None came in time (fault `held-back`), or the connection has ended (`cut`).
        """
        begin = time.monotonic()
        try:
            async with asyncio.timeout(patience):
                return await self._message()
        except TimeoutError:
            raise NoAnswer(f"no message within {patience:g} s", "held-back", patience) from None
        except (asyncio.IncompleteReadError, OSError):
            after = time.monotonic() - begin
            raise NoAnswer("the connection ended without a goodbye", "cut", after) from None
        except NoAnswer as error:
            error.after = time.monotonic() - begin
            raise

    async def _message(self) -> bytes:
        message = bytearray()
        while True:
            first, second = await self._reader.readexactly(2)
            length = second & 0x7F
            if length >= 126:
                size = 2 if length == 126 else 8
                length = int.from_bytes(await self._reader.readexactly(size), "big")
            if length > LARGEST_FRAME - len(message):
                raise NoAnswer("a message that is too large", "unexpected")
            if second & 0x80 or first & 0x70:
                raise NoAnswer("a frame that no server sends", "garbled")
            data = await self._reader.readexactly(length)
            opcode = first & 0x0F
            if opcode == Opcode.CLOSE:
                code = int.from_bytes(data[:2], "big") if len(data) >= 2 else 1005
                raise NoAnswer(f"the WebSocket was closed with the code {code}", "closed")
            if opcode == Opcode.PING:
                self._writer.write(encode_frame(Opcode.PONG, data, mask=True))
            elif opcode != Opcode.PONG:
                message += data
                if first & 0x80:
                    return bytes(message)

    def say_goodbye(self) -> None:
        """Send a close frame; the connection ends with the context."""
        self._writer.write(encode_close(1000, mask=True))


@asynccontextmanager
async def open_websocket(
    target: Target,
    sid: str | None = None,
    headers: list[tuple[str, str]] | None = None,
) -> AsyncIterator[WebSocket]:
    """Open a WebSocket for a new session, or for one that polls.

    Raises:
        NoAnswer: There is no connection, or no answer.
        Refused: The answer is another one than the switch to a WebSocket.
    """
    key = b64encode(secrets.token_bytes(16))
    fields = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", key.decode()),
        *(headers or ()),
    ]
    async with connected(target) as (reader, writer):
        begin = time.monotonic()
        writer.write(target.head("GET", target.request_target("websocket", sid), fields))
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await read_answer(reader, "GET", begin)
        except TimeoutError:
            raise NoAnswer(f"no answer within {PATIENCE:g} s", "no-answer", PATIENCE) from None
        if answer.status != 101:
            raise Refused(answer)
        if answer.header("sec-websocket-accept") != accept_key(key).decode():
            raise NoAnswer("a handshake that answers another one's key", "caching")
        websocket = WebSocket(reader, writer, answer)
        try:
            yield websocket
        finally:
            websocket.say_goodbye()
