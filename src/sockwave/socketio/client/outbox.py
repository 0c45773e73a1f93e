"""The way out of a client's socket: events, their answers, and answers to the server's events.

Theory: an event is encoded when it is emitted, so that what the caller changes later does not
change it. `ClientSocket.emit` queues the usual event on the session itself; whatever is special
comes here. From here an event takes one of five ways, and keeps its place behind those before it:

- to the retries, where the socket has them (`retries.py`), which send it again by `_send_try`;
- to the session, when there is one and nothing waits in the buffer;
- into the buffer, while there is none, or while others wait there. `flush` sends them in order;
- into the buffer as well when the session's heartbeat is overdue: the machine has slept, and what
  is written to a dead connection is lost. A later turn judges whether it is dead;
- nowhere, when it is volatile and could not go out with this turn.

There is a session exactly while the socket is CONNECTED (`life.py` sets it and takes it away). An
acknowledgement that is waited for ends once: by the server's answer, by its time-out, or when the
connection is lost; one of an event that is still in the buffer outlives that loss.

From a foreign thread an event is encoded and checked at the call, and sent in the loop's turn.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from sockwave.codec.json import encode_plain
from sockwave.codec.socketio import Packet, PacketType, ack_prefix
from sockwave.errors import (
    FailureCause,
    LimitExceeded,
    SockwaveError,
    TransportError,
)
from sockwave.socketio.client.retries import RetryQueue
from sockwave.socketio.client.waiting import Waiters
from sockwave.socketio.core.acks import AckResult, AckTable, ack_callback, ack_value
from sockwave.socketio.core.answers import UNSENDABLE, note_unsendable
from sockwave.socketio.core.encoded_event import EncodedEvent
from sockwave.socketio.core.events import answered, packed
from sockwave.socketio.core.outgoing import encode
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

    from sockwave.engine.client.runtime import Runtime
    from sockwave.engine.core.client_session import ClientSession
    from sockwave.socketio.client.options import SocketOptions
    from sockwave.socketio.core.adapter import BroadcastFlags
    from sockwave.socketio.core.parser import Parser
    from sockwave.types import NamespaceName

__all__ = ["Outbox", "SendBuffer"]


class _Event(NamedTuple):
    """An event to send.

    Attributes:
        encoded: It, with its name and arguments for `on_any_outgoing`.
        id: Where an acknowledgement is wanted.
    """

    encoded: EncodedEvent
    flags: BroadcastFlags
    id: int | None


class OutboxOwner(Protocol):
    """The socket, as its outbox needs it."""

    def tell_outgoing(self, event: EncodedEvent) -> None:
        """Run the hooks on what goes out; called only when there may be some."""

    def handler_failed(self, event: str, error: BaseException) -> None:
        """Report what an event has caused where nobody can be told."""

    def callback_failed(self, error: BaseException) -> None:
        """Report what the callback of an acknowledgement has raised."""


class Outbox:
    """Sends what a socket emits, keeps it, or drops it; and waits for acknowledgements.

    Attributes:
        session: Where events go; None unless the socket is connected.
        direct: The same where the usual event may be queued on it without asking here: there is no
            parser, no retry, and nobody who watches what goes out; else None.
        buffer: Events that wait for the connection, in order; always the same object.
        acks: Acknowledgements that are waited for.
        next_ack_id: Of the next event that asks for one.
    """

    __slots__ = (
        "_ack_prefix",
        "_drainers",
        "_is_watched",
        "_max_backlog",
        "_namespace",
        "_options",
        "_owner",
        "_parser",
        "_retries",
        "_runtime",
        "acks",
        "buffer",
        "direct",
        "next_ack_id",
        "session",
    )

    def __init__(
        self,
        owner: OutboxOwner,
        namespace: NamespaceName,
        options: SocketOptions,
        runtime: Runtime,
        *,
        parser: Parser | None,
        max_backlog: int,
    ) -> None:
        self.session: ClientSession | None = None
        self.direct: ClientSession | None = None
        self.buffer: deque[_Event] = deque()
        self.acks: AckTable = AckTable(runtime, options.max_pending_acks)
        self.next_ack_id: int = 0
        self._is_watched = False
        self._owner = owner
        self._namespace = namespace
        self._options = options
        self._runtime = runtime
        self._parser = parser
        self._max_backlog = max_backlog
        self._ack_prefix = ack_prefix(namespace)
        self._drainers = Waiters()
        self._retries: RetryQueue[_Event] | None = None
        if options.retries:
            self._retries = RetryQueue(options.retries, options.send_buffer_limit, self._send_try)

    # --- the connection comes and goes ------------------------------------------------------------

    def open(self, session: ClientSession) -> None:
        """The socket is connected: what is emitted from now on stays behind what waits."""
        self.session = session
        if self._parser is None and self._retries is None and not self._is_watched:
            self.direct = session

    def resume(self) -> None:
        """Send what has waited, in order; then the retries go on."""
        self.flush()
        if self._retries is not None and self.session is not None:
            self._retries.connected()

    def shut(self) -> None:
        """The socket is not connected any more: events wait."""
        self.session = self.direct = None
        if self._retries is not None:
            self._retries.disconnected()

    def loop_changed(self) -> None:
        """Another loop runs: who waited in the one before cannot be told any more."""
        self.acks = AckTable(self._runtime, self._options.max_pending_acks)
        self._drainers.forget()
        if self._retries is not None:
            self._retries.start_anew()

    def watch(self) -> None:
        """There may be hooks on what goes out, from now on."""
        self._is_watched = True
        self.direct = None

    def say_goodbye(self) -> None:
        """Tell the server that the socket leaves."""
        if self.session is not None:
            goodbye = Packet(PacketType.DISCONNECT, self._namespace, None, None)
            encode(goodbye, parser=self._parser).queue_on(self.session)

    # --- waiting until everything is on its way ---------------------------------------------------

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits, here or in the session."""
        return not self.buffer and (self.session is None or not self.session.backlog)

    async def wait_drained(self) -> None:
        """Wait until the session's queue is empty, or the socket gives up."""
        await self._drainers.wait()

    def drained(self) -> None:
        """The session's queue is empty, or nobody is going to empty it."""
        if self._drainers.futures:
            self._drainers.wake()

    # --- emitting ---------------------------------------------------------------------------------

    def emit_flagged(
        self, args: tuple[Any, ...], flags: BroadcastFlags, ack: Callable[..., object] | None
    ) -> None:
        """Emit with whatever flags, from whatever thread, in whatever state."""
        if args[0].__class__ is not str:
            args = packed(args)
        event = EncodedEvent(args, self._namespace, self._parser)
        done: Callable[[AckResult], None] | None = None
        if ack is not None:
            error_first = flags.timeout is not None or self._options.ack_timeout is not None
            done = self._guarded(ack_callback(ack, error_first=error_first))
        if self._runtime.is_foreign_thread():
            self._check_room(flags)
            self._runtime.call_from_thread(self._emit_from_thread, event.frozen(), flags, done)
        else:
            self._emit_encoded(event, flags, done)

    def emit_flagged_and_wait(
        self, args: tuple[Any, ...], flags: BroadcastFlags
    ) -> Coroutine[Any, Any, Any]:
        """Encode now; then, as it is awaited, send the event and wait for its acknowledgement."""
        if (name := args[0]).__class__ is not str:
            return answered(name, self.emit_flagged_and_wait(packed(args), flags))
        event = EncodedEvent(args, self._namespace, self._parser)
        if self._parser is not None or self._runtime.is_elsewhere():
            event.frozen()
        return self._send_and_wait(event, flags)

    async def _send_and_wait(self, event: EncodedEvent, flags: BroadcastFlags) -> Any:
        if self._runtime.is_elsewhere():
            return await self._runtime.visit(self._send_and_wait(event, flags))
        self._runtime.bind()
        answer: asyncio.Future[Any] = self._runtime.loop.create_future()

        def done(result: AckResult) -> None:
            if answer.done():
                return
            if isinstance(result, SockwaveError):
                answer.set_exception(result)
            else:
                answer.set_result(ack_value(result))

        id_ = self._emit_encoded(event, flags, done)
        try:
            return await answer
        finally:
            if id_ is not None and answer.cancelled():
                self.acks.cancel(id_)
                self._take_back(id_)

    def _emit_from_thread(
        self,
        event: EncodedEvent,
        flags: BroadcastFlags,
        done: Callable[[AckResult], None] | None,
    ) -> None:
        try:
            self._emit_encoded(event, flags, done)
        except SockwaveError as error:
            # The caller is gone: it passed the first check.
            self._owner.handler_failed(event[0], error)

    def _emit_encoded(
        self,
        encoded: EncodedEvent,
        flags: BroadcastFlags,
        done: Callable[[AckResult], None] | None,
    ) -> int | None:
        """Queue for the retries, send, drop or buffer; returns the id of the answer, if any."""
        event = _Event(encoded, flags, None)
        if self._retries is not None and not flags.volatile:
            encoded.frozen()
            self._retries.add(event, done or _ignore)
            return None
        self._check_room(flags)
        if done is not None:
            event = event._replace(id=self._expect(done, flags))
        self._send_or_buffer(event)
        return event.id

    def _check_room(self, flags: BroadcastFlags) -> None:
        if flags.volatile:
            return
        session = self.session
        if session is not None and session.is_open:
            if session.backlog > self._max_backlog:
                raise LimitExceeded(f"{session.backlog} bytes wait to be sent: use drain()")
        elif len(self.buffer) >= self._options.send_buffer_limit and self._retries is None:
            raise LimitExceeded(f"{len(self.buffer)} events wait for the connection")

    # --- sending ----------------------------------------------------------------------------------

    def _send_or_buffer(self, event: _Event) -> None:
        session = self.session
        if event.flags.volatile and (session is None or not session.is_writable):
            return
        if session is None or self.buffer:
            event.encoded.frozen()
            self.buffer.append(event)
        elif session.is_overdue():
            # The connection is dead and nobody has noticed yet: the machine slept. What the server
            # sent meanwhile may still be unread, so it is judged when that has had its turn.
            event.encoded.frozen()
            self.buffer.append(event)
            self._runtime.call_soon(lambda: self._runtime.call_soon(self._judge_overdue))
        else:
            self._send(event)

    def _judge_overdue(self) -> None:
        session = self.session
        if session is None:
            return
        if session.is_overdue():
            session.end(
                DisconnectReason.PING_TIMEOUT,
                TransportError("ping timeout", cause=FailureCause.PING_TIMEOUT),
            )
        else:
            self.flush()

    def _send(self, event: _Event) -> None:
        session = self.session
        if session is None:
            return
        if self._is_watched:
            self._owner.tell_outgoing(event.encoded)
        event.encoded.packet(event.id, compress=event.flags.compress).queue_on(session)

    def _send_try(self, event: _Event, done: Callable[[AckResult], None]) -> None:
        """Send one try of an event of the retry queue."""
        self._send(event._replace(id=self._expect(done, event.flags)))

    def flush(self) -> None:
        """Send what waits in the buffer; a hook may end the connection meanwhile."""
        while self.buffer and self.session is not None:
            self._send(self.buffer.popleft())
        self.drained()

    # --- acknowledgements of the server -----------------------------------------------------------

    def unsent(self) -> set[int]:
        """Ids of the answers to events that wait in the buffer."""
        return {event.id for event in self.buffer if event.id is not None}

    def _expect(self, done: Callable[[AckResult], None], flags: BroadcastFlags) -> int:
        if len(self.acks) >= self._options.max_pending_acks:
            most = self._options.max_pending_acks
            raise LimitExceeded(f"{most} acknowledgements of this socket are outstanding")
        id_ = self.next_ack_id
        self.next_ack_id += 1
        timeout = flags.timeout if flags.timeout is not None else self._options.ack_timeout

        def answered(result: AckResult) -> None:
            if self.buffer and isinstance(result, SockwaveError):
                self._take_back(id_)
            done(result)

        self.acks.expect(id_, answered, timeout)
        return id_

    def _take_back(self, id_: int) -> None:
        """Nobody waits for the answer any more: an event that was not sent is not sent."""
        for event in self.buffer:
            if event.id == id_:
                self.buffer.remove(event)
                return

    def _guarded(self, done: Callable[[AckResult], None]) -> Callable[[AckResult], None]:
        """A callback that fails is a handler that fails."""

        def guarded(result: AckResult) -> None:
            try:
                done(result)
            except BaseException as error:
                self._owner.callback_failed(error)

        return guarded

    # --- acknowledgements for the server ----------------------------------------------------------

    def acknowledge(self, session: ClientSession | None, event: str, id_: int, result: Any) -> None:
        """Answer an event, on the connection that it came by only: ids mean nothing on another."""
        if session is None or session is not self.session:
            return
        values = [] if result is None else result if isinstance(result, tuple) else [result]
        try:
            if self._parser is None:
                try:
                    json = encode_plain(values)
                except TypeError:  # the long way finds bytes, or says what it is
                    pass
                else:
                    text = b"%b%d%b" % (self._ack_prefix, id_, json)
                    session.send_packet(text, len(text))
                    return
            packet = Packet(PacketType.ACK, self._namespace, id_, values)
            encode(packet, parser=self._parser).queue_on(session)
        except SockwaveError as error:
            note_unsendable(error)
            self._owner.handler_failed(event, error)
            packet = Packet(PacketType.ACK, self._namespace, id_, [UNSENDABLE])
            encode(packet, parser=self._parser).queue_on(session)


def _ignore(result: AckResult) -> None: ...


class SendBuffer:
    """Events of a socket that wait for the connection."""

    __slots__ = ("_events",)

    def __init__(self, events: deque[_Event]) -> None:
        self._events = events

    def __len__(self) -> int:
        return len(self._events)

    def clear(self) -> None:
        """Drop them all; acknowledgements waited for end by time-out or cancellation."""
        self._events.clear()
