"""What is registered with a namespace, and the methods that take it.

A server takes the same for its main namespace, and shares what that one has registered: both have
the methods from here, once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from sockwave.codec.socketio import RESERVED_EVENTS
from sockwave.engine.core.emitter import Emitter
from sockwave.engine.core.handlers import (
    Handler,
    HandlerTable,
    add_handler,
    check_event,
    check_handler,
    copy_handlers,
    listeners_of,
    place_of,
    remove_handler,
)
from sockwave.socketio.core.order import Order, OrderedHandler, check_order
from sockwave.socketio.server.checking import check_alike
from sockwave.socketio.server.declared import LIFE_CYCLE, OWN_EVENTS, Declared, check_declared
from sockwave.socketio.server.exceptions import (
    ExceptionTable,
    ScopedHandler,
    add_exception,
    check_exception,
)
from sockwave.socketio.server.params import HandlerParams, ParamsHandler, params_of
from sockwave.socketio.server.router import Router, as_router, check_alone
from sockwave.socketio.server.threads import HandlerThreads, ThreadedHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Set

    from sockwave.socketio.server.checking import HandlerChecks, Validate
    from sockwave.socketio.server.class_handlers import Handlers

__all__ = ["LIFE_CYCLE", "NamespaceRegistration", "Registered"]

F = TypeVar("F", bound=Handler)

_RIGHT: Final = '@io.event for an event of clients, or @io.on("connection") for new sockets'


@dataclass(slots=True, eq=False)
class Registered:
    """What is registered with a namespace.

    Attributes:
        handlers: Of `on`: `connection`, `new_namespace`, those of clusters and of other servers.
        event_handlers: Of `event`: those for all sockets.
        middlewares: Of `use`; replaced when they change.
        exceptions: Of `exception_handler`.
        params: What handlers want of the name of the namespace.
        declared_events: Of `declare`: classes of `Events`.
        acking: Handlers of events that acknowledge by themselves.
    """

    handlers: HandlerTable = field(default_factory=dict)
    event_handlers: HandlerTable = field(default_factory=dict)
    middlewares: tuple[Handler, ...] = ()
    exceptions: ExceptionTable = field(default_factory=dict)
    params: tuple[HandlerParams, ...] = ()
    declared_events: tuple[type[Any], ...] = ()
    acking: set[Handler] = field(default_factory=set)

    def copy(self) -> Registered:
        """The same of now, for a namespace of its own."""
        events = dict(self.event_handlers)
        handlers, exceptions = copy_handlers(self.handlers), dict(self.exceptions)
        copied = Registered(handlers, events, self.middlewares, exceptions, self.params)
        copied.declared_events, copied.acking = self.declared_events, set(self.acking)
        return copied


class NamespaceRegistration(Emitter):
    """Takes middlewares and handlers for a namespace.

    Attributes:
        registered: All of them.
        threads: Where handlers with `thread=True` run; those of the server.
        checks: What is checked of events before their handlers run; those of the server.
        exceptions: Handlers of `exception_handler`.
        acking: Handlers of events that acknowledge by themselves.
    """

    def __init__(
        self, registered: Registered, threads: HandlerThreads, checks: HandlerChecks
    ) -> None:
        self.registered = registered
        self.threads = threads
        self.checks = checks
        self.exceptions: ExceptionTable = registered.exceptions
        self.acking: Set[Handler] = registered.acking
        self._handlers = registered.handlers

    @overload
    def use(self, middleware: F) -> F: ...
    @overload
    def use(self) -> Callable[[F], F]: ...
    def use(self, middleware: F | None = None) -> Any:
        """Ask a function about each new socket before it is let in; as a call or as a decorator.

        Middlewares run in the order of registration with the socket, which is not connected yet.
        One that raises `ConnectError` refuses it, with that message and data; any other exception
        is logged and refuses it with "Internal server error". One that still waits when the client
        goes is cancelled.
        """
        if middleware is None:
            return self.use
        check_handler("use", middleware)
        asked = self._asking("middleware", middleware)
        self.registered.middlewares = (*self.registered.middlewares, asked)
        return middleware

    @overload
    def on(self, event: str) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str, handler: F) -> F: ...
    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Handle `connection` (also called `connect`): it gets each socket that was let in.

        As a call or as a decorator; `def` or `async def`. A handler that fails takes the connection
        back: the client gets `connect_error`.

        On the main namespace `new_namespace` gets each namespace that is made after it, and in a
        cluster `node_joined` and `node_left` get each process that comes or goes, as in
        `io.cluster.nodes`, and `cluster_error` a sentence about what was lost or does not work. Any
        other name is an event of other servers: see `server_side_emit`. For events of clients use
        `event`, or `socket.on` in a `connection` handler.
        """
        if handler is None:
            check_event(event, _RIGHT)
            return lambda decorated: self.on(event, decorated)
        check_handler(event, handler)
        self._add(event, handler)
        return handler

    def off(self, event: str | None = None, handler: Handler | None = None) -> None:
        """Remove a handler of `on` or `event`, all of its name, or all of the namespace."""
        remove_handler(self._handlers, _own_name(event), handler)
        remove_handler(self.registered.event_handlers, event, handler)

    def listeners(self, event: str) -> list[Handler]:
        """Handlers of `on`, `once` and `event` for a name, as they were registered."""
        shared = listeners_of(self.registered.event_handlers, event)
        return super().listeners(_own_name(event)) + shared

    @overload
    def event(
        self,
        handler: F,
        *,
        order: Order | None = None,
        thread: bool = False,
        validate: Validate | None = None,
    ) -> F: ...
    @overload
    def event(
        self,
        handler: str | None = None,
        *,
        order: Order | None = None,
        thread: bool = False,
        validate: Validate | None = None,
    ) -> Callable[[F], F]: ...
    def event(
        self,
        handler: F | str | None = None,
        *,
        order: Order | None = None,
        thread: bool = False,
        validate: Validate | None = None,
    ) -> Any:
        """Handle an event of all sockets of the namespace; the handler gets the socket first.

            @io.event
            async def rename(socket, name): ...     # the event "rename"

            @io.event("chat message", order="socket")
            async def message(socket, text): ...

        What it returns is the acknowledgement, as with `socket.on`. `connection`, `disconnecting`
        and `disconnect` work too.

        Args:
            order: How the handler runs beside others, see `Order`; by default what `order` of the
                namespace says.
            thread: Run a plain function in a thread, so that it may block: see `Socket.on`. Not for
                `connection`: events of the client would come before its handlers are there.
            validate: Check the arguments by the annotations of the handler, strictly, as True, or
                `"lax"`, or not; by default what the option `validate` of the server says.

        Raises:
            TypeError: `thread` with an `async def` function; or an annotation that cannot be
                checked.
            ValueError: `thread` with `connection`; or another handler of the event takes other
                types.
        """
        check_order(order)
        if handler is None:
            return lambda decorated: self.event(
                decorated, order=order, thread=thread, validate=validate
            )
        if isinstance(handler, str):
            name = handler
            return lambda decorated: self._add_event(
                name, decorated, order, thread, validate=validate
            )
        named = getattr(handler, "__name__", None)
        if named is None:
            raise TypeError(f"{handler!r} has no name: give one, as in event('rename')")
        return self._add_event(named, handler, order, thread, validate=validate)

    @overload
    def exception_handler(self, kind: type[Exception]) -> Callable[[F], F]: ...
    @overload
    def exception_handler(self, kind: type[Exception], handler: F) -> F: ...
    def exception_handler(self, kind: type[Exception], handler: Handler | None = None) -> Any:
        """Answer an event whose handler raises such an exception, here or in all namespaces.

            @io.exception_handler(PermissionError)
            def forbidden(error, socket): return {"error": "forbidden"}

        As a call or as a decorator; `def` or `async def`. It gets the exception and the socket,
        which may be left out, and what it returns is the acknowledgement. It runs where none was
        asked for, too, and then nothing is sent. One of a server is for all namespaces.

        Of several the one for the most specific class is taken; of those for one class the
        nearest: that of the router, of the namespace, of the server. Such an exception is no
        failure: the log has it at DEBUG alone, and `on_error` does not hear of it. Only one that is
        taken as an `Exception` is logged and told as ever, beside the answer. A handler may raise
        `EventError`; if it raises anything else, that is a failure, and the answer is
        `{"error": "internal"}`.

        What `connection` handlers and middlewares of the namespace raise never comes here; what a
        middleware of a socket raises does, if there is a handler for it.

        Raises:
            TypeError: It is no class of exceptions.
            ValueError: There is a handler for this class.
        """
        if handler is None:
            check_exception(kind)
            return lambda decorated: self.exception_handler(kind, decorated)
        add_exception(self.exceptions, kind, handler)
        return handler

    def declare(self, *events: type[Any]) -> None:
        """Say which events are sent here, for the contract; to send them it is not needed.

            io.declare(ServerEvents)

        Args:
            events: Classes of `Events`. One that does not say its namespace is of this one; of a
                server that is `/`.
        """
        for each in events:
            if not hasattr(each, "namespace_name"):
                raise TypeError(f"declare takes classes of Events, not {each!r}")
        self.registered.declared_events += events

    def include(self, router: Router | Handlers | type[Handlers], *, prefix: str = "") -> None:
        """Register everything that a router has, or a class with handlers, and what these include.

        On a server each goes into its namespace, which is made if there is none; on a namespace
        everything goes into that one. A class is instantiated here. One router may be included on
        several servers, and several times with different prefixes; nothing can be added to it
        afterwards. Either all of it is registered, or, if this raises, nothing.

        Args:
            prefix: Comes before the names of its events, as in `orders:`.

        Raises:
            TypeError: Annotations of a handler cannot be checked, or it asks for a part that the
                name of the namespace does not have.
            ValueError: An event has a handler already, or a router says that it is for another
                namespace than this one.
        """
        declared = as_router(router).take(prefix=prefix)
        placed = [(self._place(each.namespace), each) for each in declared]
        taken: dict[tuple[int, str], Handler] = {}
        for place, _ in placed:
            present = place.registered.event_handlers
            taken.update(((id(present), name), present[name][0]) for name in present)
        for place, each in placed:
            if each.kind == "event":
                check_declared(each.name, each.handler, thread=each.thread)
                place.checks.of(
                    each.name,
                    each.handler,
                    each.validate,
                    takes_socket=True,
                    dependencies=each.dependencies,
                )
            elif each.takes_socket:
                place.checks.injecting(each.name, each.handler)
            if each.takes_socket:
                params_of(each.handler, place.param_names)
            check_alone(each, taken, id(place.registered.event_handlers))
        for place, each in placed:
            place.take_declared(each)

    def take_declared(self, declared: Declared) -> None:
        """Register what a router has declared for this namespace."""
        if declared.kind == "use":
            self.use(declared.handler)
        elif declared.kind == "on":
            self.on(declared.name, declared.handler)
        else:
            self._add_event(
                declared.name,
                declared.handler,
                declared.order,
                declared.thread,
                declared.exceptions,
                declared.validate,
                declared.dependencies,
            )

    def _place(self, namespace: str | None) -> NamespaceRegistration:
        """Where that goes which is for a namespace of this name; None is here."""
        raise NotImplementedError

    @property
    def param_names(self) -> frozenset[str]:
        """Of the parts that the names of its namespaces have."""
        return frozenset()

    def _with_params(self, handler: Handler) -> Handler:
        """A handler that gets the socket, and the parts of the name that it asks for."""
        params = params_of(handler, self.param_names)
        if params is None:
            return handler
        self._check_params(params)
        self.registered.params = (*self.registered.params, params)
        return ParamsHandler(handler, params)

    def _asking(self, event: str, handler: Handler) -> Handler:
        """A handler of new sockets, which gets what it asks for."""
        wrap = self.checks.injecting(event, handler)
        called = self._with_params(handler)
        if wrap is None:
            return called
        if getattr(wrap, "wants_ack", False):
            raise TypeError(f"handler {place_of(handler)}: there is no event to acknowledge")
        return wrap(called)

    def _check_params(self, params: HandlerParams) -> None:
        """Refuse a handler for which there can be nothing in the name of this namespace."""

    def _add(self, event: str, handler: Handler, *, is_once: bool = False) -> None:
        if event in RESERVED_EVENTS and event not in LIFE_CYCLE:
            raise ValueError(
                f"a namespace has no event {event!r}: use @event for one handler for all sockets, "
                "or socket.on"
            )
        if event in LIFE_CYCLE:
            handler = self._asking("connection", handler)
        super()._add(_own_name(event), handler, is_once=is_once)

    def _add_event(
        self,
        name: str,
        handler: F,
        order: Order | None,
        thread: bool,
        exceptions: ExceptionTable | None = None,
        validate: Validate | None = None,
        dependencies: tuple[Any, ...] = (),
    ) -> F:
        check_declared(name, handler, thread=thread)
        if name in LIFE_CYCLE:
            return self.on(name, handler)
        if name in OWN_EVENTS and self.checks.injecting(name, handler) is not None:
            raise TypeError(
                f"handler {place_of(handler)}: one of {name!r} gets the socket and why it has left "
                "by their places, and nothing by type"
            )
        wrap = self.checks.of(name, handler, validate, takes_socket=True, dependencies=dependencies)
        called, wants_ack = self._with_params(handler), False
        if thread:
            called = ThreadedHandler(called, self.threads)
        if wrap is not None:
            called = wrap(called)
            check_alike(name, called, self.registered.event_handlers.get(name, ()))
            wants_ack = getattr(wrap, "wants_ack", False)
        if exceptions:
            called = ScopedHandler(called, name, exceptions)
        ordered = called if order is None else OrderedHandler(called, order)
        add_handler(self.registered.event_handlers, name, ordered)
        if wants_ack:
            self.registered.acking.add(ordered)
        return handler


@overload
def _own_name(event: str) -> str: ...
@overload
def _own_name(event: None) -> None: ...
def _own_name(event: str | None) -> str | None:
    return "connection" if event in LIFE_CYCLE else event
