"""The side of a client's socket that faces the server: handlers, streams, and what runs them.

Most events have one handler and no hook: their way is `_dispatch` and `_run_only`.
"""

from __future__ import annotations

import weakref
from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from sockwave.codec.json import encode_json
from sockwave.codec.socketio import Packet, PacketType, ack_prefix
from sockwave.engine.core.handlers import Handler, fit, most_arguments
from sockwave.engine.core.options import check_integer
from sockwave.errors import Disconnected, SockwaveError
from sockwave.socketio.client.stream import EventStream, Overflow
from sockwave.socketio.core.answers import Answers
from sockwave.socketio.core.emitter import Emitter
from sockwave.socketio.core.listeners import ANY, ANY_OUTGOING, AnyListeners
from sockwave.socketio.core.outgoing import check_event_name, encode
from sockwave.socketio.core.running import HandlerRunner

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from sockwave.engine.core.client_session import ClientSession
    from sockwave.engine.core.handlers import HandlerTable
    from sockwave.socketio.client.manager import Manager
    from sockwave.types import NamespaceName

__all__ = ["IncomingEvents"]


class IncomingEvents(AnyListeners, HandlerRunner, Emitter):
    """Handlers and streams of one namespace's events; the base of `ClientSocket`."""

    __slots__ = (
        "_ack_prefix",
        "_ended_with",
        "_hooks",
        "_is_special",
        "_offset",
        "_parser",
        "_pid",
        "_runtime",
        "_session",
        "_streams",
        "manager",
        "namespace",
    )

    def __init__(self, manager: Manager, namespace: NamespaceName) -> None:
        super().__init__()
        self.manager = manager
        self.namespace = namespace
        self._runtime = manager.runtime
        self._parser = manager.options.parser
        self._session: ClientSession | None = None
        self._ack_prefix = ack_prefix(namespace)
        self._hooks: HandlerTable | None = None
        # Whether `emit` takes the long way.
        self._is_special = self._parser is not None
        self._streams: list[weakref.ref[EventStream]] = []
        self._ended_with: SockwaveError | None = None
        # Of the recovery: who this client is to the server, and the last event it has seen.
        self._pid: str | None = None
        self._offset: str | None = None

    # --- streams ----------------------------------------------------------------------------------

    def events(
        self, *events: str, maxsize: int = 1_000, overflow: Overflow = "error"
    ) -> EventStream:
        """Iterate over events of the server: `async for (text,) in socket.events("message")`.

        With one name each item is the tuple of arguments; with several names, or none for all
        events, it begins with the name. Events are collected from this call on. The iteration goes
        on over reconnections; it ends when the socket is disconnected by either side, and raises
        when the server refuses it (ConnectError) or the manager gives up (TransportError).

        Args:
            maxsize: Events that may wait to be read.
            overflow: What happens with one more: `error` ends the iteration with LimitExceeded
                behind those that wait, so that nothing is lost silently; `drop_oldest` and
                `drop_newest` leave one out and count it in `dropped`.

        Raises:
            TypeError, ValueError: A name is no text or reserved, or an argument is no such value.
        """
        for event in events:
            check_event_name(event)
        check_integer("maxsize", maxsize, 1)
        if overflow not in ("error", "drop_oldest", "drop_newest"):
            raise ValueError(f"overflow: {overflow!r} is not error, drop_oldest or drop_newest")
        stream = EventStream(events, maxsize, overflow)
        reference = weakref.ref(stream, self._forget_stream)
        self._streams.append(reference)
        stream.on_end(lambda: self._forget_stream(reference))
        if self._ended_with is not None:
            _end_stream(stream, self._ended_with)
        return stream

    def __aiter__(self) -> EventStream:
        """All events, as `events()`."""
        return self.events()

    def _forget_stream(self, reference: weakref.ref[EventStream]) -> None:
        if reference in self._streams:
            self._streams.remove(reference)

    def _end_streams(self, error: SockwaveError) -> None:
        """Nothing will come until the socket connects anew."""
        for reference in list(self._streams):
            stream = reference()
            if stream is not None:
                _end_stream(stream, error)

    # --- handlers ---------------------------------------------------------------------------------

    def _hooks_for(self, key: str) -> HandlerTable:
        self._is_special = self._is_special or key == ANY_OUTGOING
        if self._hooks is None:
            self._hooks = {}
        return self._hooks

    def emit_local(self, event: str, *args: Any) -> None:
        """Run this side's handlers of a life-cycle event."""
        for handler in self._handlers.get(event, ()):
            self._run(handler, fit(handler, args), event)

    def _dispatch(self, args: list[Any], id_: int | None) -> None:
        name = args[0]
        if self._hooks is not None:
            for hook in self._hooks.get(ANY, ()):
                self._run(hook, args, "on_any")
        if self._streams:
            for reference in list(self._streams):
                stream = reference()
                if stream is not None and stream.wants(name):
                    stream.put(args)
        if name.__class__ is not str:
            name = str(int(name)) if name == int(name) else str(name)
        handlers = self._handlers.get(name)
        if self._pid is not None and id_ is None and args[-1].__class__ is str and len(args) > 1:
            self._dispatch_with_offset(name, args, handlers or ())
        elif handlers is not None and len(handlers) == 1:
            self._run_only(handlers[0], args, name, id_)
        elif handlers:
            answers = self._answers(id_, len(handlers))
            for handler in handlers:
                self._run(handler, args[1:], name, answers)

    def _run_only(self, handler: Handler, args: list[Any], name: str, id_: int | None) -> None:
        """One handler: the path of nearly every event."""
        try:
            result = handler(*args[1:])
        except Exception as error:
            self.handler_failed(name, error)
            return
        if result.__class__ is CoroutineType or (
            result is not None and hasattr(result, "__await__")
        ):
            answers = None if id_ is None else self._answers(id_, 1)
            self._start_handler(self._finish(result, name, answers))
        elif id_ is not None:
            self.acknowledge(self._session, id_, result)

    def _dispatch_with_offset(
        self, name: str, args: list[Any], handlers: tuple[Handler, ...]
    ) -> None:
        """The last argument may be the server's offset, which no handler of fixed arity wants."""
        for handler in handlers:
            most = most_arguments(handler)
            fitted = args[1:-1] if most == len(args) - 2 else args[1:]
            self._run(handler, fitted, name)
        self._offset = args[-1]

    def _start_handler(self, handler: Coroutine[Any, Any, None]) -> None:
        self.manager.handler_started()
        self._runtime.start_handler(handler)

    def _handler_ended(self) -> None:
        self.manager.handler_ended()

    def _answers(self, id_: int | None, handlers: int) -> Answers:
        return Answers(partial(self.acknowledge, self._session), id_, handlers)

    def acknowledge(self, session: ClientSession | None, id_: int, result: Any) -> None:
        """Answer an event, on the connection that it came by only: ids mean nothing on another."""
        if session is None or session is not self._session:
            return
        values = [] if result is None else result if isinstance(result, tuple) else [result]
        try:
            if self._parser is None:
                json, attachments = encode_json(values)
                if not attachments:
                    text = b"%b%d%b" % (self._ack_prefix, id_, json)
                    session.send_packet(text, len(text))
                    return
            packet = Packet(PacketType.ACK, self.namespace, id_, values)
            encode(packet, parser=self._parser).queue_on(session)
        except SockwaveError as error:
            self.handler_failed("acknowledgement", error)


def _end_stream(stream: EventStream, error: SockwaveError) -> None:
    """To be disconnected is the usual end; everything else is an error."""
    stream.end(None if isinstance(error, Disconnected) else error)
