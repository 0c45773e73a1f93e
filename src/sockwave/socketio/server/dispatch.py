"""The side of a socket that its client's events come in at: handlers, and what runs them.

Theory: an event is run in the turn in which its packet was decoded. Plain functions end in it; an
`async` handler begins in it, and what is left of it is a task of the driver, which the connection's
intake counts. So events *start* in the order in which they came, and end in any order, unless an
`Order` says otherwise. On Python 3.11, which cannot start a task at once, it begins in the next
turn: behind plain functions of events that were read with it. Whoever may answer does so through
one `Answers`, which takes the first.

Most events have one handler and no hook: their way is `event_received` alone. Hooks (listeners of
any event, middlewares) and orders (see ordered.py) take the long way, which sockets without them
do not pay for: `plain` is asked once per event.
"""

from __future__ import annotations

import asyncio
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, overload

from sockwave.codec.json import encode_plain
from sockwave.codec.socketio import Packet, PacketType
from sockwave.debug import shortened
from sockwave.engine.core.emitter import Emitter
from sockwave.engine.core.handlers import (
    NO_HANDLERS,
    Handler,
    HandlerTable,
    add_handler,
    add_once,
    check_event,
    check_handler,
    fit,
    is_closed,
)
from sockwave.errors import SockwaveError
from sockwave.socketio.core.answers import UNSENDABLE, Ack, Answers, note_unsendable
from sockwave.socketio.core.listeners import ANY, AnyListeners
from sockwave.socketio.core.order import Order, OrderedHandler, check_order
from sockwave.socketio.core.outgoing import encode
from sockwave.socketio.server.checking import check_alike
from sockwave.socketio.server.exceptions import ErrorsAsValues, ExceptionTable
from sockwave.socketio.server.ordered import Job, LaneNamespace, OrderedHandlers
from sockwave.socketio.server.states import IN, UNHEARD, State
from sockwave.socketio.server.threads import HandlerThreads, ThreadedHandler

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Set

    from sockwave.socketio.core.parser import Parser
    from sockwave.socketio.server.checking import HandlerChecks, Validate
    from sockwave.socketio.server.contracts import MemberConnection
    from sockwave.types import NamespaceName

__all__ = [
    "CONNECTION",
    "MIDDLEWARE",
    "NEVER_AWAITED",
    "EventNamespace",
    "FunctionKind",
    "IncomingEvents",
    "number_name",
]

F = TypeVar("F", bound=Handler)

_CONNECTED: Final = State.CONNECTED

NEVER_AWAITED: Final = frozenset((type(None), str, int, float, bool, list, dict, bytes, tuple))
"""What most handlers return; asking these for `__await__` costs more than to know them."""


class FunctionKind(str):
    """Stands where the name of an event would, for a function that no event of a client calls."""

    __slots__ = ()


MIDDLEWARE: Final = FunctionKind("middleware")
CONNECTION: Final = FunctionKind("connection")
"""The handlers of a namespace; clients may send an event of this name, too."""

_HOOK: Final = "middleware"


class EventNamespace(LaneNamespace, Protocol):
    """What incoming events see of their namespace."""

    name: NamespaceName
    ack_prefix: bytes
    parser: Parser | None
    event_handlers: HandlerTable
    threads: HandlerThreads
    checks: HandlerChecks
    acking: Set[Handler]

    @property
    def exception_tables(self) -> tuple[ExceptionTable, ...]:
        """Handlers of exceptions, the nearest first."""

    @property
    def has_long_way(self) -> bool:
        """Whether events of all its sockets take more than the shortest way."""

    def unhandled(self, event: str) -> None:
        """An event had no handler."""


N = TypeVar("N", bound=EventNamespace)


class IncomingEvents(AnyListeners, OrderedHandlers[N], ErrorsAsValues, Emitter):
    """Handlers of one client's events in one namespace; the base of `Socket`.

    Attributes:
        namespace: Where it is.
        plain: The session of the client; None as soon as anything looks at events on their way, so
            that `emit`, broadcasts and incoming events take the long way.
        state: Where it is in its life; see states.py.
    """

    __slots__ = (
        "_connection",
        "_driver",
        "_handlers",
        "_hooks",
        "_session",
        "namespace",
        "plain",
        "state",
    )

    def __init__(self, namespace: N, connection: MemberConnection) -> None:
        self.namespace: N = namespace
        self.state: State = State.CONNECTING
        self._connection = connection
        self._session = connection.session
        self._driver = connection.driver
        self.plain = None if namespace.has_long_way else self._session
        self._handlers = NO_HANDLERS
        self._hooks: HandlerTable | None = None

    # --- handlers ---------------------------------------------------------------------------------

    @overload
    def on(
        self,
        event: str,
        *,
        order: Order | None = None,
        thread: bool = False,
        validate: Validate | None = None,
    ) -> Callable[[F], F]: ...
    @overload
    def on(
        self,
        event: str,
        handler: F,
        *,
        order: Order | None = None,
        thread: bool = False,
        validate: Validate | None = None,
    ) -> F: ...
    def on(
        self,
        event: str,
        handler: Handler | None = None,
        *,
        order: Order | None = None,
        thread: bool = False,
        validate: Validate | None = None,
    ) -> Any:
        """Handle an event of this client, as a call or as a decorator; `def` or `async def`.

        The handler gets the arguments of the event; what it returns is the acknowledgement, if the
        client asked for one: None as no argument, a tuple as several. Of several handlers the first
        one that returns something answers. Handlers start in the order in which events arrive; on
        Python 3.11 plain ones may start before `async` ones of events that were read with them.

        Beside the client's events there are `disconnecting` and `disconnect` (reason, description),
        and `error` (the error that ends the connection); their later arguments may be left out.
        In `disconnecting` the socket is still in its rooms; on Python 3.11 for plain functions
        only, as an `async` one begins when it has left.

        Args:
            order: How the handler runs beside others, see `Order`; by default what the namespace
                says. Plain functions end before anything else happens in any case.
            thread: Run a plain function in a thread, so that it may block. It has a copy of the
                context variables, may emit, and its acknowledgement comes after what it has
                emitted. Beside others it runs as an `async def` handler does: so give it an order
                where events must not overtake each other. At most `handler_threads` of the server
                run at a time. Ends the server first, one that has begun runs on, and what it
                returns is lost.
            validate: Check the arguments by the annotations of the handler, strictly, as True, or
                `"lax"`, or not; by default what the option `validate` of the server says.

        Raises:
            TypeError: `thread` with an `async def` function; or an annotation that cannot be
                checked.
            ValueError: Another handler of the event takes other types.
        """
        if handler is None:
            if event.__class__ is not str:
                check_event(event, '@socket.on("message")')
            return lambda decorated: self.on(
                event, decorated, order=order, thread=thread, validate=validate
            )
        check_handler(event, handler)
        called = ThreadedHandler(handler, self.namespace.threads) if thread else handler
        wrap = self.namespace.checks.of(event, handler, validate, takes_socket=False)
        if wrap is not None:
            wrapped: Any = wrap(called)
            if wrapped.wants_socket:
                wrapped.socket = self
            called = wrapped
            if event in self._handlers or event in self.namespace.event_handlers:
                self._check_alike(event, called)
        if order is not None:
            check_order(order)
            called = OrderedHandler(called, order)
            self.plain = None
        if self._handlers is NO_HANDLERS:
            self._handlers = {}
        add_handler(self._handlers, event, called)
        return handler

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
        return self._hook(_HOOK, middleware)

    def _add(self, event: str, handler: Handler, *, is_once: bool = False) -> None:
        """Of `once`; `on` has more to say."""
        if self._handlers is NO_HANDLERS:
            self._handlers = {}
        wrap = self.namespace.checks.of(event, handler, None, takes_socket=False)
        if wrap is not None:
            self._check_alike(event, wrap(handler))
        add_once(self._handlers, event, handler, wrap)

    def _check_alike(self, event: str, handler: Handler) -> None:
        """Refuse a handler whose types are others than those of one that is there."""
        own, shared = self._handlers.get(event), self.namespace.event_handlers.get(event)
        if own or shared:
            check_alike(event, handler, (*(own or ()), *(shared or ())))

    def _hooks_for(self, key: str) -> HandlerTable:
        self.plain = None
        if self._hooks is None:
            self._hooks = {}
        return self._hooks

    # --- events of the client, from its connection ------------------------------------------------

    def event_received(self, args: list[Any], id_: int | None) -> None:
        """An event of the client: run its handlers."""
        if self.plain is None:
            self._hooks_first(args, id_)
            return
        name = args[0]
        if name.__class__ is not str:
            name = number_name(name)
        handlers = self._handlers.get(name)
        shared = None
        if table := self.namespace.event_handlers:
            shared = table.get(name)
        if shared:
            is_only = handlers is None and len(shared) == 1 and not self.namespace.acking
            if not is_only or shared[0].__class__ is OrderedHandler:
                self._dispatch(name, args[1:], id_, handlers or (), shared)
                return
        elif handlers is None or len(handlers) != 1:
            self._dispatch(name, args[1:], id_, handlers or (), ())
            return
        # One handler: the path of nearly every event.
        try:
            if shared:
                result = shared[0](self, args[1]) if len(args) == 2 else shared[0](self, *args[1:])
            else:
                result = handlers[0](args[1]) if len(args) == 2 else handlers[0](*args[1:])  # type: ignore[index] # see above
        except BaseException as error:
            self._raised_at_once(name, error, self._answers_to(name, id_))
            return
        if result.__class__ not in NEVER_AWAITED and (
            result.__class__ is CoroutineType or hasattr(result, "__await__")
        ):
            answers = None if id_ is None else self._answers_to(name, id_)
            self._start_handler(self._finish(result, name, answers))
        elif id_ is not None:
            self._acknowledge(name, id_, result)

    def _answers_to(self, name: str, id_: int | None) -> Answers:
        """Collects what the only handler of an event returns."""
        return Answers(self._acknowledge, name, id_, 1)

    def watched(self, handler: Handler, name: str) -> Handler:
        """What is called for a handler; another function where somebody observes handlers."""
        return handler

    def _hooks_first(self, args: list[Any], id_: int | None) -> None:
        """The long way of an event: listeners of any, middlewares, handlers in their order."""
        if self._driver.debug:
            self._say("%s came with %d arguments", shortened(args[0]), len(args) - 1)
        hooks = self._hooks or {}
        for hook in hooks.get(ANY, ()):
            self._run(hook, args, "on_any")
        if _HOOK in hooks:
            self._ask_middlewares(args, id_)
        else:
            self._asked(args, id_)

    def _ask_middlewares(self, args: list[Any], id_: int | None) -> None:
        """Run the middlewares, then the handlers; waits only where a middleware does."""
        middlewares = (self._hooks or {}).get(_HOOK, ())
        event = list(args)
        for at, middleware in enumerate(middlewares):
            try:
                result = middleware(event)
            except BaseException as error:
                self._stopped(event, id_, error)
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
        except BaseException as error:
            if is_closed(error):
                raise
            if self._is_ending():
                self._handler_ended()
                raise
            self._stopped(event, id_, error)
        else:
            self._asked(event, id_)
            self._connection.intake.inherit(asyncio.current_task())
        self._handler_ended()

    def _asked(self, event: list[Any], id_: int | None) -> None:
        """Middlewares let an event pass, in the form that they gave it."""
        if self.state not in IN or not event:
            return
        name = event[0] if isinstance(event[0], str) else number_name(event[0])
        handlers = self._handlers.get(name, ())
        shared = self.namespace.event_handlers.get(name, ())
        self._dispatch(name, event[1:], id_, handlers, shared)

    def _stopped(self, event: list[Any], id_: int | None, error: BaseException) -> None:
        """A middleware did not let an event pass."""
        if self.is_value(error):
            self._raised_at_once(MIDDLEWARE, error, self._answers_to(MIDDLEWARE, id_))
        elif isinstance(error, Exception) and (
            "error" in self._handlers or "error" in self.namespace.event_handlers
        ):
            self.emit_local("error", error)
        else:
            self._failed(MIDDLEWARE, error)

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
        answers = Answers(self._acknowledge, name, id_, len(handlers) + len(shared))
        for handler in handlers:
            self._run_in_order(Job(self, handler, args, name, answers), args)
        acking = self.namespace.acking
        for handler in shared:
            with_socket = [self, *args]
            if acking and handler in acking:
                with_socket.insert(1, Ack(answers, self._on_loop))
            self._run_in_order(Job(self, handler, with_socket, name, answers), args)

    def _on_loop(self, method: Callable[..., object], *args: Any) -> None:
        """Call something in the loop of the server, from any thread."""
        raise NotImplementedError

    def _say(self, text: str, *args: object) -> None:
        """Log at DEBUG."""
        raise NotImplementedError

    def _start_handler(self, handler: Coroutine[Any, Any, None]) -> None:
        task = self._driver.start(handler)
        if task is not None:
            self._connection.handler_started(task)

    def _handler_ended(self) -> None:
        self._connection.handler_ended(self._driver.finished())

    def _is_ending(self) -> bool:
        return self._driver.is_ending()

    def _exception_tables(self) -> tuple[ExceptionTable, ...]:
        return self.namespace.exception_tables

    def _escaped(self, error: BaseException) -> None:
        self._driver.application_failed(error)

    def _acknowledge(self, event: str, id_: int, result: Any) -> None:
        """Send what a handler returned."""
        if self.state is not _CONNECTED and self.state in UNHEARD:
            return
        values = [] if result is None else result if isinstance(result, tuple) else [result]
        try:
            if self.namespace.parser is None:
                try:
                    json = encode_plain(values)
                except TypeError:  # the long way finds bytes, or says what it is
                    pass
                else:
                    text = b"%b%d%b" % (self.namespace.ack_prefix, id_, json)
                    self._session.send_packet(text, len(text))
                    return
            packet = Packet(PacketType.ACK, self.namespace.name, id_, values)
            encode(packet, parser=self.namespace.parser).queue_on(self._session)
        except SockwaveError as error:
            note_unsendable(error)
            self.handler_failed(event, error)
            packet = Packet(PacketType.ACK, self.namespace.name, id_, [UNSENDABLE])
            encode(packet, parser=self.namespace.parser).queue_on(self._session)

    acknowledge_plainly = _acknowledge  # for a kind of socket that tells nobody, of one that does

    def emit_local(self, event: str, *args: Any) -> None:
        """Run this side's handlers of a life-cycle event."""
        for handler in self._handlers.get(event, ()):
            self._run(handler, fit(handler, args), event)
        for handler in self.namespace.event_handlers.get(event, ()):
            self._run(handler, fit(handler, (self, *args)), event)


def number_name(name: float) -> str:
    """A number as an event's name, in JavaScript's form: handlers are registered under its text."""
    return str(int(name)) if name == int(name) else str(name)
