"""Handlers that are declared without a server, and included in as many as there are."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from sockwave.engine.core.handlers import Handler, check_event, check_handler, place_of
from sockwave.socketio.core.order import Order, check_order
from sockwave.socketio.server.checking import check_validate
from sockwave.socketio.server.class_handlers import Handlers, declared_by, options_of
from sockwave.socketio.server.declared import (
    LIFE_CYCLE,
    OWN_EVENTS,
    Declared,
    check_declared,
)
from sockwave.socketio.server.exceptions import ExceptionTable, add_exception, check_exception

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sockwave.socketio.server.checking import Validate

__all__ = ["Router", "as_router", "braced_name", "check_alone", "namespace_pattern"]

F = TypeVar("F", bound=Handler)

_PLACEHOLDER: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PART: Final = re.compile(r"\(\?P<(\w+)>\[\^/\]\+\)")
_ESCAPED: Final = re.compile(r"\\(.)")


class Router:
    """Handlers in a file of their own, declared without a server.

        orders = Router("/orders", order="socket")

        @orders.event
        async def place(socket, order): ...

        io.include(orders)

    Everything is declared before the router is included, and holds wherever that is: on any number
    of servers, in another router. An event has one handler; `connection`, `disconnecting` and
    `disconnect` have any number.

    Args:
        namespace: Where its handlers belong; a missing leading slash is added. `/org/{org_id}` is
            for all such names, with anything but a slash in place of the braces: a handler that
            asks for it behind `*`, as in `place(socket, order, *, org_id: int)`, gets it, and
            `socket.params` has it as text. None leaves it to whoever includes it; of a server that
            is `/`.
        prefix: Comes before the names of its events, as in `orders:`, but not before those that a
            server has by itself, such as `disconnect`.
        order: How its handlers run beside each other, see `Order`; None leaves it to whoever
            includes it.
        dependencies: `Depends`, run before each handler of an event, here and in what is included;
            what they give is dropped, and what they raise is the answer.
    """

    def __init__(
        self,
        namespace: str | None = None,
        *,
        prefix: str = "",
        order: Order | None = None,
        dependencies: Sequence[Any] = (),
    ) -> None:
        check_order(order)
        for each in dependencies:
            if not hasattr(each, "function"):
                raise TypeError(f"dependencies of a router are Depends(...), not {each!r}")
        self._dependencies = tuple(dependencies)
        self._namespace = None if namespace is None else _checked_name(namespace)
        self._prefix = _checked_prefix(prefix)
        self._order = order
        self._declared: list[Declared | tuple[Router, str]] = []
        self._names: dict[str, Handler] = {}
        self._exceptions: ExceptionTable = {}
        self._is_included = False

    def __repr__(self) -> str:
        where = "" if self._namespace is None else f" {self._namespace}"
        return f"<Router{where}: {', '.join(self._names) or 'no events'}>"

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
        """Handle an event of all sockets, as `event` of a namespace does.

        Raises:
            ValueError: It has a handler already; the text says where.
            RuntimeError: The router is included already.
        """
        check_order(order)
        if validate is not None:
            check_validate(validate)
        if handler is None:
            return lambda decorated: self.event(
                decorated, order=order, thread=thread, validate=validate
            )
        if isinstance(handler, str):
            name = handler
            return lambda decorated: self._event(name, decorated, order, thread, validate)
        named = getattr(handler, "__name__", None)
        if named is None:
            raise TypeError(f"{handler!r} has no name: give one, as in event('rename')")
        return self._event(named, handler, order, thread, validate)

    def _event(
        self, name: str, handler: F, order: Order | None, thread: bool, validate: Validate | None
    ) -> F:
        check_declared(name, handler, thread=thread)
        if name in LIFE_CYCLE:
            return self.on(name, handler)
        self._add(Declared("event", name, handler, order, thread, validate=validate))
        return handler

    @overload
    def on(self, event: str) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str, handler: F) -> F: ...
    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Handle `connection`, or an event of other servers, as `on` of a namespace does."""
        if handler is None:
            check_event(event, '@router.on("connection")')
            return lambda decorated: self.on(event, decorated)
        check_handler(event, handler)
        if event in OWN_EVENTS - {*LIFE_CYCLE}:
            raise ValueError(f"a namespace has no event {event!r}: use @router.event")
        self._add(Declared("on", event, handler))
        return handler

    @overload
    def use(self, middleware: F) -> F: ...
    @overload
    def use(self) -> Callable[[F], F]: ...
    def use(self, middleware: F | None = None) -> Any:
        """Ask a function about each new socket, as `use` of a namespace does.

        It is asked about all sockets of the namespace, whichever events they will send.
        """
        if middleware is None:
            return self.use
        check_handler("use", middleware)
        self._add(Declared("use", "", middleware))
        return middleware

    @overload
    def exception_handler(self, kind: type[Exception]) -> Callable[[F], F]: ...
    @overload
    def exception_handler(self, kind: type[Exception], handler: F) -> F: ...
    def exception_handler(self, kind: type[Exception], handler: Handler | None = None) -> Any:
        """Answer an event whose handler raises such an exception: here, and in what is included.

        See `exception_handler` of a server.
        """
        if handler is None:
            check_exception(kind)
            return lambda decorated: self.exception_handler(kind, decorated)
        self._check_open()
        add_exception(self._exceptions, kind, handler)
        return handler

    def include(self, router: Router | Handlers | type[Handlers], *, prefix: str = "") -> None:
        """Take in what another router, or a class with handlers, has.

        What that one says itself counts first: its namespace, its order, its handlers of
        exceptions; what it leaves open it has from here. Namespaces are not put together.

        Args:
            prefix: Comes before the names of its events, behind the one of this router.

        Raises:
            ValueError: It includes this one.
        """
        self._check_open()
        other = as_router(router)
        if other is self or other.includes(self):
            raise ValueError(f"{other!r} would include itself")
        self._declared.append((other, _checked_prefix(prefix)))

    def includes(self, router: Router) -> bool:
        """Whether that one is a part of this, at any depth."""
        return any(
            each[0] is router or each[0].includes(router)
            for each in self._declared
            if isinstance(each, tuple)
        )

    def take(
        self,
        *,
        namespace: str | None = None,
        prefix: str = "",
        order: Order | None = None,
        exceptions: ExceptionTable | None = None,
        dependencies: tuple[Any, ...] = (),
    ) -> list[Declared]:
        """Give everything to who includes it, in order; nothing can be added from now on.

        Args:
            namespace: Of who includes it; as the others it counts where this one says nothing.
            prefix: Comes before its own.
            order: How handlers run beside each other.
            exceptions: Handlers of exceptions.
            dependencies: Run before its own.
        """
        self._is_included = True
        namespace = self._namespace or namespace
        prefix += self._prefix
        order = self._order or order
        exceptions = {**(exceptions or {}), **self._exceptions}
        dependencies += self._dependencies
        found: list[Declared] = []
        for each in self._declared:
            if isinstance(each, tuple):
                router, further = each
                found += router.take(
                    namespace=namespace,
                    prefix=prefix + further,
                    order=order,
                    exceptions=exceptions,
                    dependencies=dependencies,
                )
                continue
            found.append(
                replace(
                    each,
                    name=prefix + each.name if each.is_alone else each.name,
                    order=each.order or order,
                    namespace=namespace,
                    exceptions=exceptions,
                    dependencies=dependencies,
                )
            )
        return found

    def _add(self, declared: Declared) -> None:
        self._check_open()
        if declared.is_alone:
            if declared.name in self._names:
                raise _taken(declared.name, declared.handler, self._names[declared.name])
            self._names[declared.name] = declared.handler
        self._declared.append(declared)

    def _check_open(self) -> None:
        if self._is_included:
            raise RuntimeError(
                f"{self!r} is included already, and what is declared now would reach nobody: "
                "include it when everything is declared"
            )


def as_router(router: Router | Handlers | type[Handlers]) -> Router:
    """The router that it is, or one for a class with handlers.

    Raises:
        TypeError: It is neither.
    """
    if isinstance(router, Router):
        return router
    is_class = isinstance(router, type)
    if not isinstance(router, Handlers) and not (is_class and issubclass(router, Handlers)):
        raise TypeError(f"include takes a Router, or a class of Handlers, not {router!r}")
    options = options_of(router)
    made = Router(options.namespace, prefix=options.prefix, order=options.order)
    for each in declared_by(router):
        if each.kind == "on":
            made.on(each.name, each.handler)
        else:
            made.event(each.name, order=each.order, thread=each.thread, validate=each.validate)(
                each.handler
            )
    return made


def check_alone(declared: Declared, taken: dict[tuple[int, str], Handler], place: int) -> None:
    """Refuse a second handler of an event.

    Args:
        taken: Handlers by place and event; this one comes to them.
        place: Stands for where it goes.

    Raises:
        ValueError: There is one.
    """
    if declared.is_alone:
        key = (place, declared.name)
        if key in taken:
            raise _taken(declared.name, declared.handler, taken[key])
        taken[key] = declared.handler


def namespace_pattern(name: str) -> re.Pattern[str] | None:
    """The pattern of a name with parts in braces; None for the name of one namespace.

    Raises:
        ValueError: Two parts have one name.
    """
    pieces = _PLACEHOLDER.split(name)
    if len(pieces) == 1:
        return None
    names = pieces[1::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{name!r} has two parts of one name")
    pieces[::2] = [re.escape(piece) for piece in pieces[::2]]
    pieces[1::2] = [f"(?P<{each}>[^/]+)" for each in names]
    return re.compile("".join(pieces))


def braced_name(pattern: re.Pattern[str]) -> str | None:
    """The name with parts in braces that a pattern was made of; None for any other pattern."""
    braced = _PART.sub(r"{\1}", pattern.pattern)
    name = _ESCAPED.sub(r"\1", braced)
    made = namespace_pattern(name)
    return name if made is not None and made.pattern == pattern.pattern else None


def _checked_name(name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"the name of a namespace must be text, not {type(name).__name__}")
    if "," in name:
        raise ValueError("the name of a namespace cannot contain a comma")
    namespace_pattern(name)
    return name if name.startswith("/") else f"/{name}"


def _checked_prefix(prefix: object) -> str:
    if not isinstance(prefix, str):
        raise TypeError(f"a prefix must be text, not {type(prefix).__name__}")
    return prefix


def _taken(name: str, handler: Handler, other: Handler) -> ValueError:
    return ValueError(
        f"the event {name!r} has two handlers: {place_of(other)} and {place_of(handler)}"
    )
