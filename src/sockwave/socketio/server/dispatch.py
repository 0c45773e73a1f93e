"""The side of a socket that faces its client: handlers, and the events that run them.

Most events have one handler and no hook: their way is `event_received` alone. Hooks (listeners of
any event, middlewares) and orders take the long way, which sockets without them do not pay for.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from sockwave.codec.json import encode_json
from sockwave.codec.socketio import Packet, PacketType
from sockwave.debug import shortened
from sockwave.engine.core.handlers import (
    Handler,
    HandlerTable,
    add_handler,
    add_once,
    check_handler,
    fit,
    listeners_of,
    remove_handler,
)
from sockwave.errors import SockwaveError
from sockwave.socketio.core.answers import Answers
from sockwave.socketio.core.listeners import ANY, AnyListeners
from sockwave.socketio.core.order import Lane, Order, OrderedHandler, check_order
from sockwave.socketio.core.outgoing import encode
from sockwave.socketio.core.running import HandlerRunner

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from sockwave.engine.server.driver import Driver
    from sockwave.engine.server.session import ServerSession
    from sockwave.socketio.server.connection import Connection
    from sockwave.socketio.server.namespace import Namespace

__all__ = ["IncomingEvents"]

F = TypeVar("F", bound=Handler)

_MIDDLEWARE: Final = "middleware"


class IncomingEvents(AnyListeners, HandlerRunner):
    """Handlers of one client's events in one namespace; the base of `Socket`."""

    __slots__ = (
        "_connection",
        "_driver",
        "_handlers",
        "_has_hooks",
        "_hooks",
        "_is_gone",
        "_session",
        "connected",
        "namespace",
    )

    def __init__(self, namespace: Namespace, connection: Connection) -> None:
        self.namespace = namespace
        self.connected = False
        self._connection = connection
        self._session: ServerSession = connection.session
        self._driver: Driver = namespace.server.engine.driver
        self._is_gone = False
        # Whether `emit` and incoming events take the long way.
        self._has_hooks = namespace.has_long_way
        self._handlers: HandlerTable | None = None
        self._hooks: HandlerTable | None = None

    # --- handlers ---------------------------------------------------------------------------------

    @overload
    def on(self, event: str, *, order: Order | None = None) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str, handler: F, *, order: Order | None = None) -> F: ...
    def on(self, event: str, handler: Handler | None = None, *, order: Order | None = None) -> Any:
        """Handle an event of this client, as a call or as a decorator; `def` or `async def`.

        The handler gets the arguments of the event; what it returns is the acknowledgement, if the
        client asked for one: None as no argument, a tuple as several. Of several handlers the first
        one that returns something answers. Handlers start in the order in which events arrive.

        Beside the client's events there are `disconnecting` and `disconnect` (reason, description),
        and `error` (the error that ends the connection); their later arguments may be left out.

        Args:
            order: How the handler runs beside others, see `Order`; by default what the namespace
                says. Plain functions end before anything else happens in any case.
        """
        if handler is None:
            return lambda decorated: self.on(event, decorated, order=order)
        check_handler(event, handler)
        if order is None:
            add_handler(self._table(), event, handler)
        else:
            check_order(order)
            add_handler(self._table(), event, OrderedHandler(handler, order))
            self._has_hooks = True
        return handler

    @overload
    def once(self, event: str) -> Callable[[F], F]: ...
    @overload
    def once(self, event: str, handler: F) -> F: ...
    def once(self, event: str, handler: Handler | None = None) -> Any:
        """Handle an event of this client once; as a call or as a decorator."""
        if handler is None:
            return lambda decorated: self.once(event, decorated)
        check_handler(event, handler)
        add_once(self._table(), event, handler)
        return handler

    def off(self, event: str | None = None, handler: Handler | None = None) -> None:
        """Remove a handler, all of an event, or all of this socket."""
        if self._handlers is not None:
            remove_handler(self._handlers, event, handler)

    def listeners(self, event: str) -> list[Handler]:
        """This socket's handlers of an event, as they were registered."""
        return listeners_of(self._handlers, event)

    @overload
    def use(self, middleware: F) -> F: ...
    @overload
    def use(self) -> Callable[[F], F]: ...
    def use(self, middleware: F | None = None) -> Any:
        """Let a function see each event of this client before its handlers; `def` or `async def`.

        As a call or as a decorator. It gets a list of name and arguments, and may change that, or
        return another one in its place. If it raises, the event goes no further and is not
        acknowledged: the `error` handlers of this socket get the exception; without one it is
        logged. Middlewares run in the order of registration, after `on_any`.

        While an async one waits, later events can overtake this one.
        """
        if middleware is None:
            return self.use
        check_handler("use", middleware)
        return self._hook(_MIDDLEWARE, middleware)

    def _hooks_for(self, key: str) -> HandlerTable:
        self._has_hooks = True
        if self._hooks is None:
            self._hooks = {}
        return self._hooks

    def _table(self) -> HandlerTable:
        if self._handlers is None:
            self._handlers = {}
        return self._handlers

    # --- events of the client, from its connection ------------------------------------------------

    def event_received(self, args: list[Any], id_: int | None) -> None:
        """An event of the client: run its handlers."""
        if self._has_hooks:
            self._hooks_first(args, id_)
            return
        name = args[0]
        if name.__class__ is not str:
            name = _number_name(name)
        handlers = self._handlers.get(name) if self._handlers is not None else None
        shared = self.namespace.event_handlers.get(name)
        if shared or handlers is None or len(handlers) != 1:
            self._dispatch(name, args[1:], id_, handlers or (), shared or ())
            return
        # One handler: the path of nearly every event.
        try:
            result = handlers[0](*args[1:])
        except Exception as error:
            self.handler_failed(name, error)
            return
        if result.__class__ is CoroutineType or (
            result is not None and hasattr(result, "__await__")
        ):
            answers = None if id_ is None else Answers(self._acknowledge, id_, 1)
            self._start_handler(self._finish(result, name, answers))
        elif id_ is not None:
            self._acknowledge(id_, result)

    def _hooks_first(self, args: list[Any], id_: int | None) -> None:
        """The long way of an event: listeners of any, middlewares, handlers in their order."""
        if self._driver.debug:
            self._say("%s came with %d arguments", shortened(args[0]), len(args) - 1)
        hooks = self._hooks or {}
        for hook in hooks.get(ANY, ()):
            self._run(hook, args, "on_any")
        if _MIDDLEWARE in hooks:
            self._ask_middlewares(args, id_)
        else:
            self._asked(args, id_)

    def _ask_middlewares(self, args: list[Any], id_: int | None) -> None:
        """Run the middlewares, then the handlers; waits only where a middleware does."""
        middlewares = (self._hooks or {}).get(_MIDDLEWARE, ())
        event = list(args)
        for at, middleware in enumerate(middlewares):
            try:
                result = middleware(event)
            except Exception as error:
                self._stopped(event, error)
                return
            if result is not None and hasattr(result, "__await__"):
                later = middlewares[at + 1 :]
                self._start_handler(self._ask_later(event, id_, result, later))
                return
            event = event if result is None else list(result)
        self._asked(event, id_)

    async def _ask_later(
        self,
        event: list[Any],
        id_: int | None,
        running: Awaitable[Any],
        later: tuple[Handler, ...],
    ) -> None:
        try:
            result = await running
            event = event if result is None else list(result)
            for middleware in later:
                result = middleware(event)
                if result is not None and hasattr(result, "__await__"):
                    result = await result
                event = event if result is None else list(result)
        except Exception as error:
            self._stopped(event, error)
        else:
            self._asked(event, id_)
        finally:
            self._handler_ended()

    def _asked(self, event: list[Any], id_: int | None) -> None:
        """Middlewares let an event pass, in the form that they gave it."""
        if not self.connected or not event:
            return
        name = event[0] if isinstance(event[0], str) else _number_name(event[0])
        handlers = (self._handlers or {}).get(name, ())
        shared = self.namespace.event_handlers.get(name, ())
        self._dispatch(name, event[1:], id_, handlers, shared)

    def _stopped(self, event: list[Any], error: Exception) -> None:
        """A middleware did not let an event pass."""
        if "error" in (self._handlers or {}) or "error" in self.namespace.event_handlers:
            self.emit_local("error", error)
        else:
            self.handler_failed("middleware", error)

    def _dispatch(
        self,
        name: str,
        args: list[Any],
        id_: int | None,
        handlers: tuple[Handler, ...],
        shared: tuple[Handler, ...],
    ) -> None:
        """Run any number of handlers; the first that returns something answers."""
        if not handlers and not shared:
            self.namespace.unhandled(name)
        answers = Answers(self._acknowledge, id_, len(handlers) + len(shared))
        for handler in handlers:
            self._run_in_order(_Job(self, handler, args, name, answers), args)
        for handler in shared:
            self._run_in_order(_Job(self, handler, [self, *args], name, answers), args)

    def _say(self, text: str, *args: object) -> None:
        """Log at DEBUG."""
        raise NotImplementedError

    def _run_in_order(self, job: _Job, args: list[Any]) -> None:
        """Run a handler now, or when it is its turn."""
        handler = job.handler
        order = handler.order if isinstance(handler, OrderedHandler) else self.namespace.order
        if order is None:
            self._run(handler, job.args, job.name, job.answers)
            return
        try:
            key = None if order == "socket" else order(self, *args)
            lane = self.namespace.lane(self if order == "socket" else (order, key))
        except Exception as error:
            self.handler_failed(job.name, error)
            return
        if lane.is_busy:
            lane.waiting.append(job)
            self._connection.handler_started()
            return
        running = job.begin()
        if running is None:
            self.namespace.lane_emptied(lane)
            return
        lane.is_busy = True
        self._start_handler(self._work_off(lane, job, running, alone=order == "socket"))

    async def _work_off(
        self, lane: Lane[_Job], job: _Job, running: Awaitable[Any], *, alone: bool
    ) -> None:
        """Wait for the handler that has begun, then run those that wait behind it.

        Args:
            alone: Nothing is read from the client meanwhile.
        """
        if alone:
            self._session.pause_reading()
        try:
            while True:
                await job.end(running)
                next_running: Awaitable[Any] | None = None
                while next_running is None and lane.waiting:
                    job = lane.waiting.popleft()
                    next_running = job.begin() if job.socket.connected else None
                    if next_running is None:
                        job.socket._connection.handler_ended()
                if next_running is None:
                    return
                running = next_running
        finally:
            lane.is_busy = False
            self.namespace.lane_emptied(lane)
            if alone:
                self._session.resume_reading()
            self._driver.finished()

    def _start_handler(self, handler: Coroutine[Any, Any, None]) -> None:
        self._connection.handler_started()
        self._driver.start(handler)

    def _handler_ended(self) -> None:
        self._connection.handler_ended()
        self._driver.finished()

    def _acknowledge(self, id_: int, result: Any) -> None:
        """Send what a handler returned."""
        if self._is_gone:
            return
        values = [] if result is None else result if isinstance(result, tuple) else [result]
        try:
            if self.namespace.parser is None:
                json, attachments = encode_json(values)
                if not attachments:
                    text = b"%b%d%b" % (self.namespace.ack_prefix, id_, json)
                    self._session.send_packet(text, len(text))
                    return
            packet = Packet(PacketType.ACK, self.namespace.name, id_, values)
            encode(packet, parser=self.namespace.parser).queue_on(self._session)
        except SockwaveError as error:
            self.handler_failed("acknowledgement", error)

    def emit_local(self, event: str, *args: Any) -> None:
        """Run this side's handlers of a life-cycle event."""
        for handler in (self._handlers or {}).get(event, ()):
            self._run(handler, fit(handler, args), event)
        for handler in self.namespace.event_handlers.get(event, ()):
            self._run(handler, fit(handler, (self, *args)), event)


@dataclass(slots=True)
class _Job:
    """A handler that runs in its turn."""

    socket: IncomingEvents
    handler: Handler
    args: list[Any]
    name: str
    answers: Answers

    def begin(self) -> Awaitable[Any] | None:
        """Call the handler; what is returned has to be waited for."""
        try:
            result = self.handler(*self.args)
        except Exception as error:
            self.socket.handler_failed(self.name, error)
            return None
        if result is not None and hasattr(result, "__await__"):
            return result  # type: ignore[no-any-return] # asked on the line before
        self.answers.returned(result)
        return None

    async def end(self, running: Awaitable[Any]) -> None:
        """Wait for it."""
        try:
            self.answers.returned(await running)
        except Exception as error:
            self.socket.handler_failed(self.name, error)
        finally:
            self.socket._connection.handler_ended()


def _number_name(name: float) -> str:
    """A number as an event's name, in JavaScript's form: handlers are registered under its text."""
    return str(int(name)) if name == int(name) else str(name)
