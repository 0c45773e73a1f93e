"""How emitters reach servers at a NATS."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import TYPE_CHECKING, Final

from nats.errors import Error as NatsError

from sockwave.adapters.messages import EMITTER, decode_message, encode_message
from sockwave.adapters.nats.connection import confirmed
from sockwave.adapters.nats.frames import SENDER_SIZE, FrameReader, FrameWriter
from sockwave.emitters.inquiries import MAX_BYTES
from sockwave.errors import EncodeError, FailureCause, PacketError, TransportError

if TYPE_CHECKING:
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

    from sockwave.adapters.messages import Message
    from sockwave.adapters.nats.connection import Connection, Source
    from sockwave.adapters.nats.subjects import Subjects
    from sockwave.emitters.asking import Hearer
    from sockwave.types import NamespaceName

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
                raise _as_ours(error) from error
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

    # --- answers ----------------------------------------------------------------------------------

    async def listen(self, namespace: NamespaceName, hearer: Hearer) -> _Hearing:
        """Listen, on the connection that is there, to the subject that all emitters share."""
        async with self._lock:
            try:
                connection = await self._connected()
                hearing = _Hearing(namespace, hearer, connection)
                await hearing.begin(self._subjects.for_one(namespace, EMITTER))
                await _confirmed(connection)
            except (NatsError, OSError, TimeoutError) as error:
                await self._disconnect()
                raise _as_ours(error) from error
            except asyncio.CancelledError:
                await self._disconnect()
                raise
            return hearing

    async def count(self, namespace: NamespaceName) -> None:
        """NATS does not tell."""

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


def _as_ours(error: BaseException) -> TransportError:
    cause = FailureCause.TIMEOUT if isinstance(error, TimeoutError) else FailureCause.OTHER
    return TransportError("NATS", details=str(error) or repr(error), cause=cause)


class _Hearing:
    """A subscription; see `Listening`.

    Args:
        namespace: Whose answers it hears.
        hearer: Gets them.
        connection: It is on.
    """

    def __init__(self, namespace: NamespaceName, hearer: Hearer, connection: Connection) -> None:
        self._namespace = namespace
        self._hearer = hearer
        self._connection = connection
        self._reader = FrameReader(_ignore, max_partial=MAX_BYTES)
        self._subscription: Subscription | None = None
        self._watching: asyncio.Task[None] | None = None

    async def begin(self, subject: str) -> None:
        """Subscribe."""
        client = self._connection.client
        self._subscription = await client.subscribe(
            subject, cb=self._received, pending_bytes_limit=MAX_BYTES
        )
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        why = await self._connection.ended()
        details = f"the connection was lost before all servers had answered: {why}"
        self._hearer.ended(TransportError("NATS", details=details, cause=FailureCause.LOST))

    async def _received(self, message: Msg) -> None:
        now = asyncio.get_running_loop().time()
        try:
            data = self._reader.receive(message.subject, message.data, now)
        except PacketError:
            return  # whoever has no frames is no server of ours
        if data is not None:
            self._hearer.came(data, self._decode)

    def _decode(self, data: bytes) -> Message:
        return decode_message(data, self._namespace)

    async def aclose(self) -> None:
        """Subscribe no longer."""
        if self._watching is not None:
            self._watching.cancel()
        if self._subscription is not None:
            with contextlib.suppress(NatsError, OSError):
                await self._subscription.unsubscribe()


def _ignore(place: object, what: str) -> None:
    """An answer is lost: who waits for it finds out by the time."""
