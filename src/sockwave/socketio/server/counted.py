"""Sockets and connections of a server whose events are only counted; see sockwave/observe/tallies.

They do what those of observed.py do, for the shortest ways of an event in and out: with no value
that tells of it, and no call. Whatever takes another way is told there.
"""

from __future__ import annotations

from bisect import bisect_left
from threading import get_ident
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from sockwave.codec.json import encode_plain
from sockwave.codec.socketio import EVENT_DIGIT, RESERVED_EVENTS, decode_short
from sockwave.observe.tallies import FASTEST, HANDLER_BOUNDS
from sockwave.socketio.server.dispatch import NEVER_AWAITED
from sockwave.socketio.server.observed import (
    ALL_KINDS,
    Kinds,
    ObservedConnection,
    ObservedParsedConnection,
    ObservedRevision4Connection,
    ObservedSocket,
)
from sockwave.socketio.server.states import State

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["COUNTED"]


class CountedSocket(ObservedSocket):
    """A socket whose events are counted."""

    __slots__ = ()

    def event_received(self, args: list[Any], id_: int | None) -> None:
        """Count an event of the client, and its only handler."""
        name, namespace = args[0], self.namespace
        observers = self._driver.observers
        handlers = self._handlers.get(name)
        counter = observers.counter
        tally = None if counter is None else counter.come.get((namespace.name, name))
        if (
            tally is None
            or handlers is None
            or len(handlers) != 1
            or self.plain is None
            or (namespace.event_handlers and name in namespace.event_handlers)
        ):
            super().event_received(args, id_)
            return
        tally.received += 1
        tally.received_bytes += observers.size
        begin = perf_counter()
        try:
            result = handlers[0](args[1]) if len(args) == 2 else handlers[0](*args[1:])
        except BaseException as error:
            self._tell_failed(name, begin, error)
            self._raised_at_once(name, error, self._answers_to(name, id_))
            return
        if result.__class__ not in NEVER_AWAITED and hasattr(result, "__await__"):
            answers = None if id_ is None else self._answers_to(name, id_)
            self._start_handler(self._finish(self._until_ended(result, name, begin), name, answers))
            return
        seconds = perf_counter() - begin
        tally.handled[0 if seconds <= FASTEST else bisect_left(HANDLER_BOUNDS, seconds)] += 1
        tally.seconds += seconds
        if id_ is not None:
            self._acknowledge(name, id_, result)

    def emit(self, event: Any, *args: Any, ack: Callable[..., object] | None = None) -> None:  # type: ignore[override] # its overloads
        """Send an event to this client, and count it; see `Socket.emit`."""
        if (
            event.__class__ is str
            and event not in RESERVED_EVENTS
            and ack is None
            and self.plain is not None
            and get_ident() == self._driver.thread_id
        ):
            namespace = self.namespace
            try:
                text = namespace.event_prefix + encode_plain((event, *args))
            except TypeError:  # the long way finds bytes, or says what it is
                pass
            else:
                if self.state is not State.DISCONNECTED:
                    size = len(text)
                    self._session.send_packet(text, size)
                    counter = self._driver.observers.counter
                    if counter is None:
                        self._tell_sent(event, size, wants_ack=False)
                        return
                    tally = counter.gone.get((namespace.name, event))
                    if tally is None:
                        tally = counter.going(namespace.name, event)
                    tally.sent += 1
                    tally.sent_bytes += size
                return
        super().emit(event, *args, ack=ack)


class CountedConnection(ObservedConnection):
    """A connection that notes how large the packet is that it takes."""

    __slots__ = ()

    def text_message(self, packet: bytes) -> None:
        """Note the size, and take the way of most packets, as `Connection.text_message` does."""
        socket = self._main
        self.driver.observers.size = size = len(packet)
        if (
            socket is not None
            and 2 < size <= self._short_size
            and packet[1] == EVENT_DIGIT
            and self._reassembler is None
            and not self._fresh
            and (short := decode_short(packet)) is not None
        ):
            socket.event_received(short[1], short[0])
        else:
            super().text_message(packet)


class CountedRevision4Connection(CountedConnection, ObservedRevision4Connection):
    """The same of an old client."""

    __slots__ = ()


COUNTED: Final = Kinds(
    CountedSocket, CountedConnection, CountedRevision4Connection, ObservedParsedConnection
)
ALL_KINDS.append(COUNTED)
