"""The way in of a client's socket: from an event of the server to handlers and streams.

Theory: `dispatch` is called on the stack of the read, with the name and the arguments as they were
decoded. Everything that listens is called there and then, in this order: hooks of `on_any`, streams
(`events()`), handlers by name. Most events have one handler and no hook: their way is `dispatch`
and `_run_only`.

A plain handler is done when it returns. One that is a coroutine begins at once, too, and becomes a
task only if it waits; such tasks are counted (`_start_handler`, `_handler_ended`), since a server
may send faster than they end: past a bound the connection keeps events back (`Intake`). So two
coroutine handlers may run at the same time, but they begin in the order of events.

A handler that fails is reported and changes nothing else, and an event is answered once: by what
its handler returns, or by the first of several; on the connection that it came by, or not at all.

Streams are kept by weak references: one that nobody iterates over any more collects nothing.
"""

from __future__ import annotations

import weakref
from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from sockwave.engine.core.emitter import Emitter
from sockwave.engine.core.handlers import NO_HANDLERS, Handler, fit
from sockwave.engine.core.option_checks import check_integer
from sockwave.errors import Disconnected
from sockwave.socketio.client.stream import EventStream, Overflow
from sockwave.socketio.core.answers import Answers
from sockwave.socketio.core.events import listening
from sockwave.socketio.core.listeners import ANY, ANY_OUTGOING, AnyListeners
from sockwave.socketio.core.outgoing import check_event_name
from sockwave.socketio.core.running import HandlerRunner

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.engine.client.runtime import Runtime
    from sockwave.engine.core.handlers import HandlerTable
    from sockwave.errors import SockwaveError
    from sockwave.socketio.client.outbox import Outbox
    from sockwave.socketio.core.events import AnyEvent, Args, Event, Listener
    from sockwave.types import NamespaceName

    F = TypeVar("F", bound=Handler)
    R = TypeVar("R")

__all__ = ["IncomingEvents"]


class IncomingEvents(AnyListeners, HandlerRunner, Emitter):
    """Handlers and streams of one namespace's events; the base of `ClientSocket`."""

    __slots__ = (
        "_ended_with",
        "_handlers",
        "_hooks",
        "_outbox",
        "_runtime",
        "_streams",
        "namespace",
    )

    def __init__(self, namespace: NamespaceName, runtime: Runtime, outbox: Outbox) -> None:
        self.namespace: NamespaceName = namespace
        self._runtime = runtime
        self._outbox = outbox
        self._handlers = NO_HANDLERS
        self._hooks: HandlerTable | None = None
        self._streams: list[weakref.ref[EventStream]] = []
        # Why no events will come; None while they may, and before the first `connect()`.
        self._ended_with: SockwaveError | None = None

    # --- streams ----------------------------------------------------------------------------------

    if TYPE_CHECKING:
        # Of events that are declared handlers take the types of their arguments.

        @overload
        def on(self, event: Event[*Args]) -> Callable[[Listener[*Args, R]], Listener[*Args, R]]: ...
        @overload
        def on(self, event: Event[*Args], handler: Listener[*Args, R]) -> Listener[*Args, R]: ...
        @overload
        def on(self, event: str) -> Callable[[F], F]: ...
        @overload
        def on(self, event: str, handler: F) -> F: ...
        def on(self, event: Any, handler: Any = None) -> Any: ...

        @overload
        def once(
            self, event: Event[*Args]
        ) -> Callable[[Listener[*Args, R]], Listener[*Args, R]]: ...
        @overload
        def once(self, event: Event[*Args], handler: Listener[*Args, R]) -> Listener[*Args, R]: ...
        @overload
        def once(self, event: str) -> Callable[[F], F]: ...
        @overload
        def once(self, event: str, handler: F) -> F: ...
        def once(self, event: Any, handler: Any = None) -> Any: ...

        def off(self, event: AnyEvent | None = None, handler: Handler | None = None) -> None: ...
        def listeners(self, event: AnyEvent) -> list[Handler]: ...

    def _add(self, event: str, handler: Handler, *, is_once: bool = False) -> None:
        """Register a handler; of an event that is declared it gets arguments of their types."""
        if event.__class__ is not str:
            handler = listening(event, handler)
        super()._add(event, handler, is_once=is_once)

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
        self._runtime.check_process()
        for event in events:
            check_event_name(event)
        check_integer("maxsize", maxsize, 1)
        if overflow not in ("error", "drop_oldest", "drop_newest"):
            raise ValueError(f"overflow: {overflow!r} is not error, drop_oldest or drop_newest")
        stream = EventStream(events, maxsize, overflow, self._runtime)
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

    def began(self) -> None:
        """Events may come again."""
        self._ended_with = None

    def ended(self, error: SockwaveError) -> None:
        """No events will come until somebody connects."""
        self._ended_with = error
        for stream in self._open_streams():
            _end_stream(stream, error)

    def _open_streams(self) -> list[EventStream]:
        return [stream for each in self._streams if (stream := each()) is not None]

    # --- handlers ---------------------------------------------------------------------------------

    def _hooks_for(self, key: str) -> HandlerTable:
        if key == ANY_OUTGOING:
            self._outbox.watch()
        if self._hooks is None:
            self._hooks = {}
        return self._hooks

    def emit_local(self, event: str, *args: Any) -> None:
        """Run this side's handlers of a life-cycle event."""
        for handler in self._handlers.get(event, ()):
            self._run(handler, fit(handler, args), event)

    def dispatch(self, args: list[Any], id_: int | None) -> None:
        """An event of the server, its name first, has its turn."""
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
        if handlers is not None and len(handlers) == 1:
            self._run_only(handlers[0], args, name, id_)
        elif handlers:
            answers = self._answers(name, id_, len(handlers))
            for handler in handlers:
                self._run(handler, args[1:], name, answers)

    def _run_only(self, handler: Handler, args: list[Any], name: str, id_: int | None) -> None:
        """One handler: the path of nearly every event."""
        try:
            result = handler(*args[1:])
        except BaseException as error:
            self._raised_at_once(name, error, self._answers(name, id_, 1))
            return
        if result.__class__ is CoroutineType or (
            result is not None and hasattr(result, "__await__")
        ):
            answers = None if id_ is None else self._answers(name, id_, 1)
            self._start_handler(self._finish(result, name, answers))
        elif id_ is not None:
            outbox = self._outbox
            outbox.acknowledge(outbox.session, name, id_, result)

    def _is_ending(self) -> bool:
        return self._runtime.is_ending()

    def _escaped(self, error: BaseException) -> None:
        self._runtime.application_failed(error)

    def _answers(self, name: str, id_: int | None, handlers: int) -> Answers:
        outbox = self._outbox
        return Answers(partial(outbox.acknowledge, outbox.session), name, id_, handlers)


def _end_stream(stream: EventStream, error: SockwaveError) -> None:
    """To be disconnected is the usual end; everything else is an error."""
    stream.end(None if isinstance(error, Disconnected) else error)
