"""How emitters reach servers at a NATS."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Final

from nats.errors import Error as NatsError

from sockwave.adapters.messages import encode_message
from sockwave.adapters.nats.connection import confirmed
from sockwave.adapters.nats.frames import SENDER_SIZE, FrameWriter
from sockwave.errors import EncodeError, FailureCause, TransportError

if TYPE_CHECKING:
    from sockwave.adapters.messages import Message
    from sockwave.adapters.nats.connection import Connection, Source
    from sockwave.adapters.nats.subjects import Subjects

__all__ = ["NatsEngine"]

MAX_MESSAGE: Final = 16 * 1024 * 1024
"""Bytes of a message; servers keep no more of one that comes in parts than a few times that."""


class NatsEngine:
    """One connection, made when it is needed and again when it has ended; see `Engine`.

    Args:
        source: Makes connections.
        subjects: Where servers listen.
    """

    def __init__(self, source: Source, subjects: Subjects) -> None:
        self._source = source
        self._subjects = subjects
        self._lock = asyncio.Lock()
        self._connection: Connection | None = None
        self._writer = FrameWriter(secrets.token_bytes(SENDER_SIZE))
        self._refusal = ""

    def encode(self, message: Message) -> tuple[str, bytes]:
        """Subject and payload; what is too large for NATS is cut as it is sent."""
        encoded = encode_message(message)
        if len(encoded) > MAX_MESSAGE:
            raise EncodeError(f"more than {MAX_MESSAGE} bytes cannot be sent to servers")
        return self._subjects.for_all(message.namespace), encoded

    async def send(self, encoded: tuple[str, bytes]) -> None:
        """Publish, after what was published before, and wait until NATS has it."""
        subject, message = encoded
        async with self._lock:
            try:
                connection = await self._connected()
                client = connection.client
                for frame in self._writer.frames(subject, message, client.max_payload):
                    await client.publish(subject, frame)
                await _confirmed(connection)
            except (NatsError, OSError, TimeoutError) as error:
                await self._disconnect()
                raise TransportError("NATS", details=str(error), cause=_cause(error)) from error
            except asyncio.CancelledError:
                await self._disconnect()
                raise
            refusal, self._refusal = self._refusal, ""
            if refusal:
                raise TransportError("NATS", details=refusal)

    async def _connected(self) -> Connection:
        if self._connection is not None and not self._connection.client.is_connected:
            await self._disconnect()
        if self._connection is None:
            self._connection = await self._source.connect(self._refused)
            # Under a new name: what the last connection may have lost was told to the caller.
            self._writer = FrameWriter(secrets.token_bytes(SENDER_SIZE))
        return self._connection

    def _refused(self, why: str) -> None:
        self._refusal = why

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def aclose(self) -> None:
        """Disconnect."""
        async with self._lock:
            await self._disconnect()


async def _confirmed(connection: Connection) -> None:
    """Wait until NATS has all that was published.

    Raises:
        NatsError, OSError: It does not say so, or the connection has ended.
    """
    flushing = asyncio.ensure_future(confirmed(connection.client))
    ended = asyncio.ensure_future(connection.ended())  # nats-py would wait for an answer even so
    try:
        await asyncio.wait((flushing, ended), return_when=asyncio.FIRST_COMPLETED)
        if not flushing.done():
            raise ConnectionError(await ended)
        await flushing
    finally:
        flushing.cancel()
        ended.cancel()
        await asyncio.gather(flushing, ended, return_exceptions=True)


def _cause(error: BaseException) -> FailureCause:
    return FailureCause.TIMEOUT if isinstance(error, TimeoutError) else FailureCause.OTHER
