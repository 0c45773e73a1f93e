"""How emitters reach servers at a NATS."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nats.errors import Error as NatsError
from nats.errors import NoRespondersError

from sockwave.adapters.messages import (
    EMITTER,
    check_readable,
    decode_message,
    encode_message,
    is_durable,
)
from sockwave.adapters.nats.connection import confirmed
from sockwave.adapters.nats.frames import SENDER_SIZE, FrameReader, FrameWriter
from sockwave.adapters.nats.jetstream.api import MESSAGE_ID, read_reply
from sockwave.adapters.nats.jetstream.parts import ROOM, cut
from sockwave.adapters.streams.contract import StreamRefused
from sockwave.emitters.inquiries import MAX_BYTES
from sockwave.errors import EncodeError, FailureCause, PacketError, TransportError

if TYPE_CHECKING:
    from nats.aio.client import Client
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


ID_SIZE: Final = 8
"""Random bytes by which NATS knows a message that it is given twice."""

STORE_PATIENCE: Final = 10.0
"""Seconds until a stream has taken a message."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """What goes to NATS.

    Attributes:
        subject: Where.
        message: What.
        token: Of what goes into a stream: its id; empty for what is only published.
        parts: Subject for its parts there.
    """

    subject: str
    message: bytes
    token: str = ""
    parts: str = ""


class NatsEngine:
    """One connection, made when it is needed and again when it has ended; see `Engine`.

    Args:
        source: Makes connections.
        subjects: Where servers listen.
        is_stored: Whether what is for clients goes into their stream.
    """

    def __init__(self, source: Source, subjects: Subjects, *, is_stored: bool = False) -> None:
        self._is_stored = is_stored
        self._source = source
        self._subjects = subjects
        self._lock = asyncio.Lock()
        self._connection: Connection | None = None
        self._writer = FrameWriter(secrets.token_bytes(SENDER_SIZE))
        self._refusal = ""

    @property
    def name(self) -> str:
        """NATS, and where it is."""
        return f"NATS at {self._source.name}"

    def encode(self, message: Message) -> Encoded:
        """What is to be sent; what is too large for NATS is cut as it is sent."""
        encoded, namespace = encode_message(message), message.namespace
        if len(encoded) > MAX_MESSAGE:
            raise EncodeError(f"more than {MAX_MESSAGE} bytes cannot be sent to servers")
        check_readable(encoded)
        if not self._is_stored or not is_durable(message):
            return Encoded(self._subjects.for_all(namespace), encoded)
        token = secrets.token_hex(ID_SIZE)
        parts = self._subjects.parts(namespace, token)
        return Encoded(self._subjects.log(namespace, message.sender), encoded, token, parts)

    async def send(self, encoded: Encoded) -> None:
        """Publish, after what was published before, and wait until NATS has it."""
        async with self._lock:
            try:
                connection = await self._connected()
                if encoded.token:
                    await _store(connection.client, encoded)
                else:
                    await self._publish(connection, encoded)
            except StreamRefused as error:
                raise TransportError(self.name, details=str(error)) from error
            except (NatsError, OSError, TimeoutError) as error:
                await self._disconnect()
                raise _as_ours(self.name, error) from error
            except asyncio.CancelledError:
                await self._disconnect()
                raise
            refusal, self._refusal = self._refusal, ""
            if refusal:
                raise TransportError(self.name, details=refusal)

    async def _publish(self, connection: Connection, encoded: Encoded) -> None:
        client, subject = connection.client, encoded.subject
        for frame in self._writer.frames(subject, encoded.message, client.max_payload):
            await client.publish(subject, frame)
        await _confirmed(connection)

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
            hearing: _Hearing | None = None
            try:
                connection = await self._connected()
                hearing = _Hearing(self.name, namespace, hearer, connection)
                await hearing.begin(self._subjects.for_one(namespace, EMITTER))
                await _confirmed(connection)
            except BaseException as error:
                if hearing is not None:
                    await hearing.aclose()
                await self._disconnect()
                if isinstance(error, (NatsError, OSError, TimeoutError)):
                    raise _as_ours(self.name, error) from error
                raise
            return hearing

    async def count(self, namespace: NamespaceName) -> None:
        """NATS does not tell."""

    async def aclose(self) -> None:
        """Disconnect."""
        async with self._lock:
            await self._disconnect()


async def _store(client: Client, encoded: Encoded) -> None:
    """Put a message into the stream.

    Raises:
        NatsError, OSError, TimeoutError: Nobody knows whether it is there.
        StreamRefused: It is not.
    """
    message, room = encoded.message, client.max_payload - ROOM
    messages = [(encoded.subject, message)]
    if len(message) > room > 0:
        parts, reference = cut(message, encoded.token, room)
        messages = [*((encoded.parts, part) for part in parts), (encoded.subject, reference)]
    for number, (subject, data) in enumerate(messages):
        headers = {MESSAGE_ID: f"{encoded.token}.{number}"}
        try:
            reply = await client.request(subject, data, STORE_PATIENCE, headers=headers)
        except NoRespondersError:
            raise StreamRefused(NO_STREAM) from None
        read_reply(reply.data)


NO_STREAM: Final = (
    "there is no stream: no server with `jetstream=True` and this prefix has been there yet, or"
    " JetStream is not enabled (nats-server -js)"
)


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


def _as_ours(name: str, error: BaseException) -> TransportError:
    is_late = isinstance(error, TimeoutError) or isinstance(error.__cause__, TimeoutError)
    cause = FailureCause.TIMEOUT if is_late else FailureCause.OTHER
    details = str(error).replace(f" of {name}", "") or repr(error)  # it has been named
    return TransportError(name, details=details, cause=cause)


class _Hearing:
    """A subscription; see `Listening`.

    Args:
        name: Of the engine.
        namespace: Whose answers it hears.
        hearer: Gets them.
        connection: It is on.
    """

    def __init__(
        self, name: str, namespace: NamespaceName, hearer: Hearer, connection: Connection
    ) -> None:
        self._name = name
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
        self._hearer.ended(TransportError(self._name, details=details, cause=FailureCause.LOST))

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
