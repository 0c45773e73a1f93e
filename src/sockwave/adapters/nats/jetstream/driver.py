"""The driver on streams of NATS.

Theory. What is about sockets, and must not be lost, is written to a stream that all processes read,
each on its own; questions, answers and signs of life go from process to process without being kept,
by a `NatsDriver`, on a connection of its own.

Order: what one process writes to the stream arrives in the order of the calls, and so does what it
publishes; between the two there is none, but that whoever hears that a lost client is kept finds
it: that is published when NATS has it.

Lost clients are in a stream, too (`sessions.py`).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from nats.errors import Error as NatsError

from sockwave.adapters.floods import is_worth_a_line
from sockwave.adapters.messages import MessageType, decode_message, encode_message, is_durable
from sockwave.adapters.nats.contract import DEFAULT_BACKLOG
from sockwave.adapters.nats.driver import NatsDriver
from sockwave.adapters.nats.jetstream.api import Api
from sockwave.adapters.nats.jetstream.entries import JetStreamEntry
from sockwave.adapters.nats.jetstream.fetching import fetch
from sockwave.adapters.nats.jetstream.options import CAPABILITIES
from sockwave.adapters.nats.jetstream.parts import Parts, is_reference, read_reference
from sockwave.adapters.nats.jetstream.reader import LogReader
from sockwave.adapters.nats.jetstream.sessions import KeptSessions
from sockwave.adapters.nats.jetstream.writer import LogWriter
from sockwave.adapters.nats.refusals import Losses, Refusals
from sockwave.adapters.nats.serving import Serving, run_all
from sockwave.adapters.nats.subjects import encode_name, split_subject
from sockwave.adapters.streams.contract import PAGE, EntryReceiver, StreamRefused
from sockwave.adapters.streams.doubles import Doubles
from sockwave.errors import PacketError

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from nats.aio.client import Client

    from sockwave.adapters.message_driver import MessageReceiver
    from sockwave.adapters.messages import Message
    from sockwave.adapters.nats.connection import Source
    from sockwave.adapters.nats.jetstream.storage import Storage
    from sockwave.adapters.nats.subjects import Subjects
    from sockwave.types import NamespaceName, Room

__all__ = ["JetStreamDriver"]

READY: Final = 8.0
"""Seconds that a start waits for the streams."""

DRAIN: Final = 3.0
"""Seconds that what is kept may take to be sent at the end."""

AGAIN: Final = 0.05
"""Seconds until a copy of the stream that is behind is read again."""

AT_ONCE: Final = 8
"""Clients that come back whose part of the stream is read at a time; others wait."""

BACK: Final = "NATS is there again: questions and answers of others may be lost"
TOO_MUCH: Final = "more than `max_backlog` waits for NATS"

_logger: Final = logging.getLogger("sockwave.adapters")


class JetStreamDriver:
    """A process at a NATS with streams; see `StreamDriver`. It lives in one event loop.

    Args:
        source: Makes connections.
        subjects: Names of subjects.
        storage: The streams.
        max_backlog: Bytes that are kept while they cannot be sent.

    Attributes:
        is_away: Whether the streams cannot be reached, or were not reached yet.
    """

    capabilities: Final = CAPABILITIES

    def __init__(
        self,
        source: Source,
        subjects: Subjects,
        storage: Storage,
        *,
        max_backlog: int = DEFAULT_BACKLOG,
    ) -> None:
        self.is_away: bool = True
        self._subjects = subjects
        self._storage = storage
        self._place = source.name
        self._losses = Losses()
        self._core = NatsDriver(
            source, subjects, max_backlog=max_backlog, back=BACK, is_told=self._losses.is_told
        )
        self._serving = Serving(source, self._serve, self._leave, self._lost, self._refused)
        self._refusals = Refusals()
        self._writer = LogWriter(storage.events, max_backlog)
        self._sessions = KeptSessions(subjects, storage.sessions, self._writer)
        self._reader = LogReader(storage.events, self._read, self._has_gap)
        self._doubles = Doubles()
        self._parts = Parts()
        self._api: Api | None = None
        self._failure = ""
        self._is_known = asyncio.Event()
        self._reading = asyncio.Semaphore(AT_ONCE)
        self._receivers: dict[NamespaceName, dict[str, MessageReceiver]] = {}
        self._channels: dict[str, NamespaceName] = {}
        self._latest: dict[NamespaceName, int] = {}
        self._sequences: dict[NamespaceName, int] = {}
        self._unsent = 0
        self._waiting = 0  # goodbyes are not counted: nobody misses them
        self._is_closed = False

    # --- life -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect, if it is not connected.

        Raises:
            OSError: NATS cannot be reached, or has no streams for us; it is tried again for ever.
        """
        await self._serving.start()
        await self._core.start()
        try:
            async with asyncio.timeout(READY):
                await self._is_known.wait()
        except TimeoutError:
            raise ConnectionError("the streams of NATS cannot be reached") from None
        if self._failure:
            raise ConnectionError(self._failure)

    async def _serve(self, client: Client) -> None:
        """Use a connection until it ends."""
        api = self._api = Api(client)
        try:
            info = await self._storage.prepare(api)
            await self._reader.open(api, info)
            if self._reader.is_rewritten:  # what is kept of lost clients has places of before
                self._writer.give_up_others("the stream has lost its end")
                await self._storage.forget_sessions(api)
                self._reader.is_rewritten = False
        except (StreamRefused, OSError) as error:
            self._fail(str(error))
            raise ConnectionError(str(error)) from error
        self._failure = ""
        self._is_known.set()
        self._set_away(is_away=False, why="")
        await run_all(self._reader.watch(api), self._writer.use(api, str(info["created"])))

    def _fail(self, why: str) -> None:
        if self._failure != why:
            self._failure = why
            _logger.warning("the streams of NATS cannot be used: %s", why)
        self._is_known.set()

    async def _leave(self) -> None:
        self._api = None
        await self._reader.leave()
        if not self._failure:
            self._is_known.clear()

    def _lost(self, why: str) -> None:
        self._set_away(is_away=True, why=why)

    def _refused(self, what: str) -> None:
        if self._api is not None:
            self._api.refusal = what
        if told := self._refusals.add(what):
            self._tell_all(told)

    def _set_away(self, *, is_away: bool, why: str) -> None:
        if is_away == self.is_away or self._is_closed:
            return
        self.is_away = is_away
        if not is_away:
            self._losses.connected()
            return
        what = f"the connection to the streams of NATS at {self._place} is lost: {why}"
        is_news = self._losses.is_news()
        for receiver in self._all_receivers():
            if isinstance(receiver, EntryReceiver):
                receiver.carrier_away()
            if is_news:
                receiver.messages_lost(what)

    async def aclose(self) -> None:
        """Send what is kept, if that takes no longer than three seconds, and disconnect."""
        if self._is_closed:
            return
        self._is_closed = True
        if await self._serving.close_starting():
            await self._writer.drain(0 if self.is_away else DRAIN)
            if self._waiting:
                what = "%d messages to other servers could not be sent before the end"
                _logger.warning(what, self._waiting)
            await self._serving.aclose()
        await self._core.aclose()

    # --- who listens ------------------------------------------------------------------------------

    def announce(self, channel: NamespaceName, address: str, receiver: MessageReceiver) -> None:
        """Somebody will `subscribe`, and hears of entries from now on."""
        self._receivers.setdefault(channel, {})[address] = receiver
        self._channels[self._subjects.base(channel)] = channel

    async def subscribe(
        self, channel: NamespaceName, address: str, receiver: MessageReceiver
    ) -> None:
        """Listen: to what is written from now on, and to what is published.

        Raises:
            OSError: NATS cannot be reached.
        """
        self.announce(channel, address, receiver)
        await self._core.subscribe(channel, address, _Ear(channel, receiver))

    def unsubscribe(self, channel: NamespaceName, address: str) -> None:
        """Listen no longer."""
        self._core.unsubscribe(channel, address)
        listeners = self._receivers.get(channel, {})
        if listeners.pop(address, None) is not None and not listeners:
            del self._receivers[channel]
            del self._channels[self._subjects.base(channel)]
            self._latest.pop(channel, None)
            self._sequences.pop(channel, None)

    def _listeners(self, channel: NamespaceName) -> list[MessageReceiver]:
        return list(self._receivers.get(channel, {}).values())

    def _all_receivers(self) -> list[MessageReceiver]:
        return [each for channel in list(self._receivers) for each in self._listeners(channel)]

    def _tell_all(self, what: str) -> None:
        for receiver in self._all_receivers():
            receiver.messages_lost(what)

    async def count(self, channel: NamespaceName) -> int | None:
        """NATS does not tell."""
        return None

    def room_added(self, channel: NamespaceName, room: Room) -> None:
        """Nothing: all read one stream."""

    def room_dropped(self, channel: NamespaceName, room: Room) -> None:
        """Nothing."""

    # --- the way out ------------------------------------------------------------------------------

    def publish_message(
        self, channel: NamespaceName, message: Message, *, to: AbstractSet[str] | None = None
    ) -> None:
        """Write a message to the stream, or publish it; in the order of the calls."""
        if self._is_closed:
            return
        if is_durable(message):
            self._write(channel, message)
            return
        if message.sequence is not None:
            # Whoever counts what goes to everybody counts the stream, too, which has a way of its
            # own to tell what is missing: of what is published none may seem to be.
            self._sequences[channel] = self._sequences.get(channel, 0) + 1
            message = replace(message, sequence=self._sequences[channel])
        publish = partial(self._core.publish, channel, encode_message(message), to=to)
        if message.type == MessageType.SESSION_FOUND:
            self._writer.then(publish)
        else:
            publish()

    def _write(self, channel: NamespaceName, message: Message) -> None:
        number, data = message.number, encode_message(replace(message, sequence=None))
        id_ = f"{message.sender}-{secrets.token_hex(8) if number is None else number}"
        subject = self._subjects.log(channel, message.sender)
        parts = self._subjects.parts(channel, encode_name(id_))
        counts = message.type != MessageType.ADAPTER_CLOSE
        self._waiting += counts
        done = partial(self._written, channel, number, counts)
        if not self._writer.put(subject, data, done, id_, parts):
            self._waiting -= counts
            # Not within the call of whoever has published.
            asyncio.get_running_loop().call_soon(self._entry_refused, channel, number)
            self._not_sent(channel, TOO_MUCH)

    def _written(
        self, channel: NamespaceName, number: int | None, counts: bool, outcome: int | Exception
    ) -> None:
        self._waiting -= counts
        if isinstance(outcome, Exception):
            self._entry_refused(channel, number)
            self._not_sent(channel, str(outcome))
            return
        places = self._reader.places
        if number is None or places is None:
            return
        for receiver in self._listeners(channel):
            if isinstance(receiver, EntryReceiver):
                receiver.entry_written(number, places.position(outcome))

    def _entry_refused(self, channel: NamespaceName, number: int | None) -> None:
        for receiver in self._listeners(channel):
            if isinstance(receiver, EntryReceiver) and number is not None:
                receiver.entry_refused(number)

    def _not_sent(self, channel: NamespaceName, why: str) -> None:
        self._unsent += 1
        if not is_worth_a_line(self._unsent):
            return
        what = f"message {self._unsent} to other servers could not be sent: {why}"
        for receiver in self._listeners(channel):
            # Not within the call of whoever has published.
            asyncio.get_running_loop().call_soon(receiver.messages_lost, what)

    # --- the way in -------------------------------------------------------------------------------

    def _read(self, position: int, subject: str, data: bytes) -> None:
        base, is_part, token = split_subject(subject)
        channel = self._channels.get(base)
        if channel is None:
            return
        if is_part:
            self._parts.add(channel, token, data)
            return
        self._latest[channel] = position
        if is_reference(data):
            try:
                data = self._parts.take(channel, data)
            except PacketError as error:
                what = f"a large message of another server is lost: {error.detail}"
                self._missed(self._listeners(channel), what)
                return
        entry = JetStreamEntry(position, channel, data)
        sender = entry.sender
        if not self._doubles.is_new(sender, entry.number):
            return
        for address, receiver in list(self._receivers.get(channel, {}).items()):
            is_own = address.encode() == sender
            if isinstance(receiver, EntryReceiver):
                if is_own:
                    receiver.own_entry_read(entry)
                else:
                    receiver.entry_read(entry)
            elif not is_own:
                _pass(entry, receiver)

    def _has_gap(self, what: str) -> None:
        self._missed(self._all_receivers(), what)

    def _missed(self, receivers: list[MessageReceiver], what: str) -> None:
        for receiver in receivers:
            if isinstance(receiver, EntryReceiver):
                receiver.entries_missed()
            receiver.messages_lost(what)

    # --- what the stream has ----------------------------------------------------------------------

    def position(self, channel: NamespaceName) -> int:
        """How far the stream was read."""
        return self._reader.position

    def _connected(self) -> Api:
        api = self._api
        if api is None or self.is_away:
            raise ConnectionError("the streams of NATS are away")
        return api

    async def first(self, channel: NamespaceName) -> int | None:
        """From which place on all of the stream is there.

        Raises:
            OSError: NATS cannot be reached.
            StreamRefused: It does not tell.
        """
        info = await self._connected().ask(f"STREAM.INFO.{self._storage.events}")
        places = self._reader.places
        try:
            first = int(info["state"]["first_seq"])
            if places is None or places.created != info["created"]:
                raise ConnectionError("the stream of NATS is another one than before")
        except (KeyError, TypeError, ValueError):
            raise ConnectionError("what NATS says of the stream makes no sense") from None
        return places.position(first if first > 1 else 0)

    async def entries(
        self, channel: NamespaceName, begin: int, most: int = PAGE
    ) -> tuple[list[JetStreamEntry], bool]:
        """Entries of a channel from a place on, and whether that was all.

        Raises:
            OSError: NATS cannot be reached.
            StreamRefused: It does not tell.
        """
        places = self._reader.places
        if places is None:
            raise ConnectionError("the streams of NATS are away")
        # Whoever answers may be behind whoever brings us what is written.
        known = self._latest.get(channel, 0)
        subjects, start = self._subjects.logs(channel), places.sequence(begin)
        while True:
            found, is_all = await self._fetch(subjects, start, most)
            reached = places.position(found[-1][0]) if found else begin - 1
            if not is_all or reached >= known:
                break
            await asyncio.sleep(AGAIN)
        entries: list[JetStreamEntry] = []
        for sequence, data in found:
            whole = await self._whole(channel, data) if is_reference(data) else data
            entries.append(JetStreamEntry(places.position(sequence), channel, whole))
        return entries, is_all

    async def _whole(self, channel: NamespaceName, reference: bytes) -> bytes:
        """An entry that was cut.

        Raises:
            OSError: NATS cannot be reached.
            StreamRefused: Not all of it is there.
        """
        try:
            count, token = read_reference(reference)
        except PacketError:
            return reference  # it is no message, and nobody minds
        subject, parts = self._subjects.parts(channel, token), list[bytes]()
        begin, is_all = 1, False
        while not is_all and len(parts) < count:
            found, is_all = await self._fetch(subject, begin, count)
            parts += [data for _, data in found]
            begin = found[-1][0] + 1 if found else begin
        if len(parts) != count:
            raise StreamRefused("parts of a large message are not there")
        return b"".join(parts)

    async def _fetch(
        self, subjects: str, begin: int, most: int
    ) -> tuple[list[tuple[int, bytes]], bool]:
        try:
            async with self._reading:
                return await fetch(self._connected(), self._storage.events, subjects, begin, most)
        except (NatsError, TimeoutError) as error:
            raise ConnectionError(f"the stream cannot be read: {error!r}") from error

    def save(
        self,
        channel: NamespaceName,
        pid: str,
        value: bytes,
        seconds: float,
        done: Callable[[Any], None],
    ) -> bool:
        """Keep a session for so long, in the order of the calls; False if there is no room."""
        return not self._is_closed and self._sessions.save(channel, pid, value, seconds, done)

    async def take(self, channel: NamespaceName, pid: str) -> tuple[bytes, float] | None:
        """Take a session out, behind all that was published and saved here.

        Raises:
            OSError: NATS cannot be reached.
            StreamRefused: It does not tell.
        """
        return await self._sessions.take(channel, pid, self._connected)


class _Ear:
    """Takes what is published, for who takes messages that are decoded; see `Receiver`."""

    def __init__(self, channel: NamespaceName, receiver: MessageReceiver) -> None:
        self._channel = channel
        self._receiver = receiver
        self.messages_lost = receiver.messages_lost
        self.addresses_gone = receiver.addresses_gone

    def message_received(self, message: bytes) -> None:
        """Decode a message; what is none is refused."""
        try:
            decoded = decode_message(message, self._channel)
        except PacketError as error:
            self._receiver.refused(error.detail or str(error))
        else:
            self._receiver.decoded(decoded)


def _pass(entry: JetStreamEntry, receiver: MessageReceiver) -> None:
    try:
        message = entry.message()
    except PacketError as error:
        receiver.refused(error.detail or str(error))
    else:
        receiver.decoded(message)
