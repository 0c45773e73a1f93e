"""Classes whose methods are handlers.

Theory: a class is read once, as it is made: what is wrong with a method is said there. Without
state per socket its methods are registered as those of one object. With it what is registered finds
the object of the socket first: made before any `connection` handler of the class, forgotten after
its last `disconnect` handler. Must never happen: an object that stays when its socket has gone; so
none is kept for a socket that is not connected.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, TypeVar

from sockwave.engine.core.handlers import Handler, check_event, most_arguments
from sockwave.socketio.core.order import Order, check_order
from sockwave.socketio.server.checking import check_validate
from sockwave.socketio.server.declared import LIFE_CYCLE, Declared, check_declared
from sockwave.socketio.server.params import SocketFirstHandler

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.socketio.server.checking import Validate

__all__ = ["ClassOptions", "Handlers", "declared_by", "options_of"]

F = TypeVar("F", bound=Handler)

_MARK: Final = "__sockwave_event__"


class _Holder(Protocol):
    """A socket."""

    @property
    def connected(self) -> bool:
        """Whether it is in its namespace."""


@dataclass(frozen=True, slots=True)
class ClassOptions:
    """What a class with handlers says in its head.

    Attributes:
        namespace: None where whoever includes it decides.
        prefix: Before the names of its events.
        order: How its handlers run beside others.
        per_socket: Whether each socket has an object of its own.
    """

    namespace: str | None = None
    prefix: str = ""
    order: Order | None = None
    per_socket: bool = False


@dataclass(frozen=True, slots=True)
class _Event:
    """What a method handles, by its own name or as `Handlers.event` says."""

    name: str
    order: Order | None = None
    thread: bool = False
    is_named_after: bool = True
    validate: Validate | None = None


class Handlers:
    """Base of a class whose public methods are handlers: each has the name of its event.

        class Orders(Handlers, namespace="/orders"):
            async def place(self, socket, order): ...      # the event "place"

        io.include(Orders)

    A method gets the socket and the arguments of the event; what it returns is the acknowledgement,
    as with `event` of a namespace. `connect` gets each new socket, `disconnecting` and `disconnect`
    each that leaves, with the reason and a description, which may be left out. A name with an
    underscore in front is no event, nor is what comes from a base that is not one of `Handlers`, a
    property, a static method or one of the class.

    `include` of a server, a namespace or a router takes the class, of which it makes one object,
    or an object that you have made. With `per_socket` it takes the class alone, and each socket has
    an object of its own from before `connect` until after `disconnect`: it is called with nothing,
    or with the socket if it takes an argument. If that raises, the client is not let in. A socket
    that is recovered is a new one for this; what is to last longer belongs into `socket.data`.

    Args:
        namespace: Where they belong, as of a `Router`.
        prefix: Comes before the names of the events.
        order: How handlers run beside each other, see `Order`.
        per_socket: Whether there is an object for each socket.

    Raises:
        TypeError: A method is called `on_...`: leave that away, or say the name by
            `Handlers.event`.
        ValueError: A method has the name of a reserved event.
    """

    class_options: ClassVar[ClassOptions] = ClassOptions()

    def __init_subclass__(
        cls,
        *,
        namespace: str | None = None,
        prefix: str | None = None,
        order: Order | None = None,
        per_socket: bool | None = None,
        **rest: Any,
    ) -> None:
        super().__init_subclass__(**rest)
        check_order(order)
        given = {"namespace": namespace, "prefix": prefix, "order": order, "per_socket": per_socket}
        said: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        cls.class_options = replace(cls.class_options, **said)
        for function, event in _methods_of(cls):
            if event.is_named_after and event.name.startswith("on_"):
                right = event.name.removeprefix("on_")
                raise TypeError(
                    f"{function.__qualname__}: a method has the name of its event, {right!r}; for "
                    f'an event that is called so: @Handlers.event("{event.name}")'
                )
            check_declared(event.name, function, thread=event.thread)

    @staticmethod
    def event(
        name: str | None = None,
        *,
        order: Order | None = None,
        thread: bool = False,
        validate: Validate | None = None,
    ) -> Callable[[F], F]:
        """Say of a method what its name does not: for the class body, as a decorator.

        Args:
            name: Of the event, where it is no name of Python's.
            order: How it runs beside others; by default what the class says.
            thread: Run a plain method in a thread, so that it may block.
            validate: How its arguments are checked by its annotations, as of `event` of a
                namespace; by default what the server says.
        """
        check_order(order)
        if validate is not None:
            check_validate(validate)
        if name is not None:
            check_event(name, '@Handlers.event("chat message")')

        def mark(method: F) -> F:
            own = str(name or getattr(method, "__name__", ""))
            event = _Event(own, order, thread, is_named_after=name is None, validate=validate)
            setattr(method, _MARK, event)
            return method

        return mark


def options_of(handlers: Handlers | type[Handlers]) -> ClassOptions:
    """What the head of the class says."""
    return handlers.class_options


def declared_by(handlers: Handlers | type[Handlers]) -> list[Declared]:
    """What is to be registered for a class or an object of it.

    Raises:
        TypeError: An object, where each socket is to have its own.
    """
    if not isinstance(handlers, type):
        if handlers.class_options.per_socket:
            raise TypeError(
                f"{type(handlers).__qualname__} has an object per socket: include the class"
            )
        methods = _methods_of(type(handlers))
        return [_declared(function.__get__(handlers), event) for function, event in methods]
    if not handlers.class_options.per_socket:
        return declared_by(handlers())
    objects = _Objects(handlers)
    return [
        Declared("on", "connection", objects.find),
        *(
            _declared(PerSocketHandler(function, objects), event)
            for function, event in _methods_of(handlers)
        ),
        Declared("event", "disconnect", objects.forget),
    ]


def _methods_of(kind: type[Handlers]) -> list[tuple[Any, _Event]]:
    """Its public methods, inherited ones first, in the order in which they are written."""
    names: dict[str, None] = {}
    for base in reversed(kind.__mro__):
        if issubclass(base, Handlers) and base is not Handlers:
            names.update(dict.fromkeys(name for name in vars(base) if not name.startswith("_")))
    methods = []
    for name in names:
        function = inspect.getattr_static(kind, name)
        if inspect.isfunction(function):
            methods.append((function, getattr(function, _MARK, _Event(name))))
    return methods


def _declared(handler: Handler, event: _Event) -> Declared:
    kind: Any = "on" if event.name in LIFE_CYCLE else "event"
    return Declared(kind, event.name, handler, event.order, event.thread, validate=event.validate)


class _Objects:
    """The objects of a class, one for each socket that is connected."""

    def __init__(self, kind: type[Handlers]) -> None:
        self._make: Callable[..., Handlers] = kind
        self._takes_socket = most_arguments(kind) > 0
        self._objects: dict[_Holder, Handlers] = {}

    def find(self, socket: _Holder) -> None:
        """There is one for this socket from now on."""
        self.of(socket)

    def of(self, socket: _Holder) -> Handlers:
        """The object of a socket; for one that is not connected any more it is not kept."""
        found = self._objects.get(socket)
        if found is None:
            found = self._make(socket) if self._takes_socket else self._make()
            if socket.connected:
                found = self._objects.setdefault(socket, found)  # a thread may have been faster
        return found

    def forget(self, socket: _Holder) -> None:
        """The socket has left."""
        self._objects.pop(socket, None)


class PerSocketHandler(SocketFirstHandler):
    """A method of the object that a socket has."""

    __slots__ = ("__signature__", "_objects")

    def __init__(self, function: Callable[..., Any], objects: _Objects) -> None:
        super().__init__(function)
        whole = inspect.signature(function)
        rest = list(whole.parameters.values())[1:]
        self.__signature__: inspect.Signature = whole.replace(parameters=rest)
        self._objects = objects

    def __call__(self, *args: Any, **params: Any) -> Any:
        """Call it with the socket and the arguments of the event."""
        given = args if self.gives_socket else args[1:]
        return self.__wrapped__(self._objects.of(args[0]), *given, **params)
