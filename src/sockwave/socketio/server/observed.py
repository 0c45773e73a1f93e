"""Sockets and connections of a server that somebody watches: they tell of each event.

Theory: as long as nobody observes events, nothing of this is on their way, not even a question.
With the first observer sockets and connections become of the classes here, which add nothing but
methods, and with the last one they become what they were; see watching.py.

Handlers are told of by a function around each. Where somebody wants to hear that one begins, it
runs in a context of its own, so that what the observer sets there (the span of a trace) is seen by
the handler and by what it starts, and ends with it; an `async` one has a task for that.
"""

from __future__ import annotations

from bisect import bisect_left
from contextvars import copy_context
from functools import partial
from threading import get_ident
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sockwave.codec.json import encode_plain
from sockwave.codec.socketio import EVENT_DIGIT, RESERVED_EVENTS, decode_short
from sockwave.engine.core.handlers import is_closed
from sockwave.errors import AckTimeout, SockwaveError
from sockwave.observe import (
    AckReceived,
    AckSent,
    AckTimedOut,
    EventReceived,
    EventRefused,
    EventSent,
    HandlerEnded,
    HandlerFailed,
    HandlerStarted,
)
from sockwave.socketio.core.encoded_event import EncodedEvent
from sockwave.socketio.core.order import OrderedHandler
from sockwave.socketio.core.weight import weight_of_text
from sockwave.socketio.server.connections.connection import Connection
from sockwave.socketio.server.connections.parsed import ParsedConnection
from sockwave.socketio.server.connections.revision4 import Revision4Connection
from sockwave.socketio.server.dispatch import NEVER_AWAITED, number_name
from sockwave.socketio.server.ordered import Job
from sockwave.socketio.server.socket import Socket
from sockwave.socketio.server.states import UNHEARD, State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from contextvars import Context

    from sockwave.codec.socketio import Packet
    from sockwave.engine.core.handlers import Handler
    from sockwave.errors import InvalidEvent
    from sockwave.observe import Observers
    from sockwave.socketio.core.acks import AckResult
    from sockwave.socketio.core.adapter import BroadcastFlags
    from sockwave.socketio.core.answers import Answers
    from sockwave.socketio.core.outgoing import EncodedPacket

__all__ = ["COUNTED", "COUNTED_PLAINLY", "OBSERVED", "PLAIN", "Kinds", "become"]


class ObservedSocket(Socket):
    """A socket that tells of events, acknowledgements and handlers."""

    __slots__ = ()

    # --- in ---------------------------------------------------------------------------------------

    def event_received(self, args: list[Any], id_: int | None) -> None:
        """Tell of an event of the client, then run its handlers."""
        driver = self._driver
        observers, namespace = driver.observers, self.namespace
        name = args[0]
        if name.__class__ is not str:
            name = number_name(name)
        if functions := observers.event_received:
            seen = EventReceived(namespace.name, self.id, name, observers.size, id_ is not None)
            observers.tell(functions, seen)
        if self.plain is None:
            self._hooks_first(args, id_)
            return
        handlers = self._handlers.get(name)
        shared = namespace.event_handlers.get(name)
        only = shared or handlers
        if (
            only is None
            or len(only) != 1
            or (shared and (handlers or namespace.acking or only[0].__class__ is OrderedHandler))
            or observers.handler_started
        ):
            self._dispatch(name, args[1:], id_, handlers or (), shared or ())
            return
        # One handler, as in `Socket.event_received`: what is around it costs more than the clock.
        functions = observers.handler_ended
        begin = perf_counter() if functions or observers.handler_failed else 0.0
        try:
            if shared:
                result = only[0](self, args[1]) if len(args) == 2 else only[0](self, *args[1:])
            else:
                result = only[0](args[1]) if len(args) == 2 else only[0](*args[1:])
        except BaseException as error:
            self._tell_failed(name, begin, error)
            self._raised_at_once(name, error, self._answers_to(name, id_))
            return
        if result.__class__ not in NEVER_AWAITED and hasattr(result, "__await__"):
            answers = None if id_ is None else self._answers_to(name, id_)
            self._start_handler(self._finish(self._until_ended(result, name, begin), name, answers))
            return
        if functions:
            seconds = perf_counter() - begin
            observers.tell(functions, HandlerEnded(namespace.name, self.id, name, seconds))
        if id_ is not None:
            self._acknowledge(name, id_, result)

    def _refused(self, event: str, error: InvalidEvent, answers: Answers | None) -> None:
        observers = self._driver.observers
        if functions := observers.event_refused:
            name = self.namespace.name
            seen = EventRefused(name, self.id, event, error.path, error.reason)
            observers.tell(functions, seen)
        super()._refused(event, error, answers)

    def _acknowledge(self, event: str, id_: int, result: Any) -> None:
        observers = self._driver.observers
        if (functions := observers.ack_sent) and self.state not in UNHEARD:
            super()._acknowledge(event, id_, result)
            observers.tell(functions, AckSent(self.namespace.name, self.id, event))
        else:
            super()._acknowledge(event, id_, result)

    # --- handlers ---------------------------------------------------------------------------------

    def _run(
        self, handler: Handler, args: Iterable[Any], name: str, answers: Answers | None = None
    ) -> None:
        super()._run(self.watched(handler, name), args, name, answers)

    def _call(self, job: Job) -> Awaitable[Any] | None:
        handler = self.watched(job.handler, job.name)
        return super()._call(Job(self, handler, job.args, job.name, job.answers))

    def watched(self, handler: Handler, name: str) -> Handler:
        """A function that calls a handler, and tells how that goes, if somebody wants to know."""
        if not self._driver.observers.of_handlers:
            return handler
        return partial(self._watched, handler, name)

    def _watched(self, handler: Handler, name: str, *args: Any) -> Any:
        observers, context = self._driver.observers, None
        begin = perf_counter()
        try:
            if functions := observers.handler_started:
                seen = HandlerStarted(self.namespace.name, self.id, name)
                context = copy_context()
                context.run(observers.tell, functions, seen)
                result = context.run(handler, *args)
            else:
                result = handler(*args)
        except BaseException as error:
            self._tell_failed(name, begin, error, context)
            raise
        if result.__class__ not in NEVER_AWAITED and hasattr(result, "__await__"):
            ending = self._until_ended(result, name, begin)
            return ending if context is None else self._in_context(ending, context)
        if functions := observers.handler_ended:
            seconds = perf_counter() - begin
            seen_end = HandlerEnded(self.namespace.name, self.id, name, seconds)
            _tell_in(context, observers, functions, seen_end)
        return result

    async def _until_ended(self, running: Awaitable[Any], name: str, begin: float) -> Any:
        """Wait for a handler, and tell of its end."""
        try:
            result = await running
        except BaseException as error:
            if not is_closed(error):
                self._tell_failed(name, begin, error)
            raise
        observers = self._driver.observers
        if functions := observers.handler_ended:
            seconds = perf_counter() - begin
            seen = HandlerEnded(self.namespace.name, self.id, name, seconds)
            observers.tell(functions, seen)
        return result

    async def _in_context(self, ending: Any, context: Context) -> Any:
        return await self._driver.loop.create_task(ending, context=context)

    def _tell_failed(
        self, name: str, begin: float, error: BaseException, context: Context | None = None
    ) -> None:
        observers = self._driver.observers
        if functions := observers.handler_failed:
            seconds = perf_counter() - begin
            seen = HandlerFailed(self.namespace.name, self.id, name, seconds, error)
            _tell_in(context, observers, functions, seen)

    # --- out --------------------------------------------------------------------------------------

    def emit(self, event: Any, *args: Any, ack: Callable[..., object] | None = None) -> None:  # type: ignore[override] # its overloads
        """Send an event to this client, and tell of it; see `Socket.emit`."""
        if (
            event.__class__ is not str
            or ack is not None
            or self.plain is None
            or event in RESERVED_EVENTS
            or get_ident() != self._driver.thread_id
        ):
            super().emit(event, *args, ack=ack)
            return
        # As in `Socket.emit`, where nobody is told how large it is.
        namespace = self.namespace
        try:
            text = namespace.event_prefix + encode_plain((event, *args))
        except TypeError:  # the long way finds bytes, or says what it is
            super().emit(event, *args)
            return
        if self.state is State.DISCONNECTED:
            return
        self._session.send_packet(text, size := len(text))
        self._tell_sent(event, size, wants_ack=False)

    def _emit_or_log(self, args: Sequence[Any], flags: BroadcastFlags) -> None:
        if self.namespace.recovery is None or self.state is State.CONNECTING:
            super()._emit_or_log(args, flags)
            return
        # It goes through the adapter, to which it is a broadcast to the room of this socket.
        observers, name = self._driver.observers, str(args[0])
        if not isinstance(args, EncodedEvent):
            args = EncodedEvent(tuple(args), self.namespace.name, self.namespace.parser)
        size = len(self.namespace.event_prefix) + args.size
        hidden, observers.broadcast = observers.broadcast, ()
        try:
            super()._emit_or_log(args, flags)
        finally:
            observers.broadcast = hidden
        self._tell_sent(name, size, wants_ack=False)

    def _deliver_unless_gone(
        self, packet: EncodedPacket, args: Sequence[Any], flags: BroadcastFlags
    ) -> None:
        is_dropped = self.state in UNHEARD or (flags.volatile and not self._session.is_writable)
        super()._deliver_unless_gone(packet, args, flags)
        if not is_dropped:
            self._tell_sent(args[0], packet.wire_size, wants_ack=False)

    def _send_expecting(
        self,
        packet: EncodedPacket,
        args: Sequence[Any],
        id_: int,
        flags: BroadcastFlags,
        done: Callable[[AckResult], None],
    ) -> None:
        name, begin = str(args[0]), perf_counter()

        def told(result: AckResult) -> None:
            self._tell_answered(name, begin, result)
            done(result)

        is_heard = self.state not in UNHEARD
        super()._send_expecting(packet, args, id_, flags, told)
        if is_heard:
            self._tell_sent(name, packet.wire_size, wants_ack=True)

    def _tell_sent(self, name: str, size: int, *, wants_ack: bool) -> None:
        observers = self._driver.observers
        if functions := observers.event_sent:
            seen = EventSent(self.namespace.name, self.id, name, size, wants_ack)
            observers.tell(functions, seen)

    def _tell_answered(self, name: str, begin: float, result: AckResult) -> None:
        observers, space = self._driver.observers, self.namespace.name
        if isinstance(result, SockwaveError):
            if functions := observers.ack_timed_out:
                has_left = not isinstance(result, AckTimeout)
                observers.tell(functions, AckTimedOut(space, self.id, name, has_left))
        elif functions := observers.ack_received:
            seconds = perf_counter() - begin
            observers.tell(functions, AckReceived(space, self.id, name, seconds))


class MeteredSocket(ObservedSocket):
    """One whose events nobody observes but a meter: on the path of most, it adds to their cells."""

    __slots__ = ()

    _acknowledge = Socket.acknowledge_plainly  # type: ignore[misc] # there is nobody to be told

    def event_received(self, args: list[Any], id_: int | None) -> None:
        """Count an event, whose size was noted, and run its handler."""
        self.take_counted(args, id_, self._driver.observers.size)

    def take_counted(self, args: list[Any], id_: int | None, size: int) -> None:
        """Count an event of the client, which has so many bytes, and run its handler."""
        namespace, name, meter = self.namespace, args[0], self._driver.observers.meter
        handlers = shared = None
        if name.__class__ is str:
            handlers = self._handlers.get(name)
            if table := namespace.event_handlers:
                shared = table.get(name)
        only = shared or handlers
        if (
            only is None
            or len(only) != 1
            or (shared and (handlers or namespace.acking or only[0].__class__ is OrderedHandler))
            or self.plain is None
            or meter is None
        ):
            self._driver.observers.size = size
            super().event_received(args, id_)
            return
        try:
            cell = meter.come[namespace.name][name]
        except KeyError:
            cell = meter.coming(namespace.name, name, self.id)
        cell.received_bytes += size
        begin = perf_counter()
        try:
            if shared:
                result = only[0](self, args[1]) if len(args) == 2 else only[0](self, *args[1:])
            else:
                result = only[0](args[1]) if len(args) == 2 else only[0](*args[1:])
        except BaseException as error:
            cell.received += 1
            self._tell_failed(name, begin, error)
            self._raised_at_once(name, error, self._answers_to(name, id_))
            return
        if result.__class__ not in NEVER_AWAITED and hasattr(result, "__await__"):
            cell.received += 1
            answers = None if id_ is None else self._answers_to(name, id_)
            self._start_handler(self._finish(self._until_ended(result, name, begin), name, answers))
            return
        seconds = perf_counter() - begin
        cell.seconds += seconds
        if seconds <= meter.bounds[0]:
            cell.buckets[0] += 1
        else:
            cell.buckets[bisect_left(meter.bounds, seconds)] += 1
        if id_ is not None:
            self._acknowledge(name, id_, result)

    def emit(self, event: Any, *args: Any, ack: Callable[..., object] | None = None) -> None:  # type: ignore[override] # its overloads
        """Send an event to this client, and count it; see `Socket.emit`."""
        driver = self._driver
        meter = driver.observers.meter
        if (
            event.__class__ is not str
            or ack is not None
            or self.plain is None
            or event in RESERVED_EVENTS
            or get_ident() != driver.thread_id
            or meter is None
        ):
            super().emit(event, *args, ack=ack)
            return
        namespace = self.namespace
        try:
            text = namespace.event_prefix + encode_plain((event, *args))
        except TypeError:  # the long way finds bytes, or says what it is
            super().emit(event, *args)
            return
        if self.state is State.DISCONNECTED:
            return
        self._session.send_packet(text, size := len(text))
        try:
            cell = meter.gone[namespace.name][event]
        except KeyError:
            cell = meter.going(namespace.name, event)
        cell.sent += 1
        cell.sent_bytes += size


def _tell_in(context: Context | None, observers: Observers, functions: Any, seen: Any) -> None:
    """Tell of the end of a handler in its context: who was told of its begin may have set it."""
    if context is None:
        observers.tell(functions, seen)
    else:
        context.run(observers.tell, functions, seen)


# --- connections: how large a packet is -----------------------------------------------------------


class ObservedConnection(Connection):
    """A connection that notes how large the packet is that it takes."""

    __slots__ = ()

    def text_message(self, packet: bytes) -> None:
        """Note the size of a packet, then take it."""
        self.driver.observers.size = len(packet)
        super().text_message(packet)

    def _begin_binary(self, packet: Packet) -> None:
        super()._begin_binary(packet)
        if self._reassembler is not None:
            self._reassembler.text_size = self.driver.observers.size

    def binary_message(self, data: bytes) -> None:
        """Note the size with that of the text and of the attachments before, then take it."""
        if (parts := self._reassembler) is not None:
            before = parts.size if parts.is_waiting else 0
            self.driver.observers.size = parts.text_size + before + len(data)
        super().binary_message(data)


class ObservedRevision4Connection(ObservedConnection, Revision4Connection):
    """The same of an old client."""

    __slots__ = ()

    def text_message(self, packet: bytes) -> None:
        """Note the size of a packet, then take it."""
        self.driver.observers.size = len(packet)
        Revision4Connection.text_message(self, packet)


class CountedConnection(ObservedConnection):
    """A connection whose sockets count: it tells them how large a packet is."""

    __slots__ = ()

    def text_message(self, packet: bytes) -> None:
        """Hand an event with its size to its socket, as `Connection.text_message` does."""
        socket, size = self._main, len(packet)
        if (
            socket is not None
            and 2 < size <= self._short_size
            and (self._reassembler is None or not self._reassembler.is_waiting)
            and packet[1] == EVENT_DIGIT
            and (short := decode_short(packet)) is not None
        ):
            id_, data = short
            socket.take_counted(data, id_, size)  # type: ignore[attr-defined] # it is a `MeteredSocket`
            if self._fresh:
                self._charge(weight_of_text(packet))
        else:
            super().text_message(packet)


class ObservedParsedConnection(ParsedConnection):
    """The same with a parser of one's own."""

    __slots__ = ()

    def _route(self, packet: Packet, size: int) -> None:
        self.driver.observers.size = size
        super()._route(packet, size)


class Kinds(NamedTuple):
    """What sockets and connections of a server are made of."""

    socket: type[Socket] = Socket
    connection: type[Connection] = Connection
    revision4: type[Revision4Connection] = Revision4Connection
    parsed: type[ParsedConnection] = ParsedConnection


PLAIN: Final = Kinds()
OBSERVED: Final = Kinds(
    ObservedSocket,
    ObservedConnection,
    ObservedRevision4Connection,
    ObservedParsedConnection,
)
COUNTED_PLAINLY: Final = OBSERVED._replace(socket=MeteredSocket)
"""Where something else is built on the sockets: their connection asks nothing special of them."""
COUNTED: Final = COUNTED_PLAINLY._replace(connection=CountedConnection)


def become(before: Kinds, kinds: Kinds, thing: Any) -> None:
    """Make a socket or a connection that there is already one of other kinds."""
    for old, new in zip(before, kinds, strict=True):
        if type(thing) is old:
            thing.__class__ = new
            return
