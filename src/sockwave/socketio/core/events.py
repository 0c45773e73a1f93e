"""Events that are declared: a name, and the types of what is sent with it.

Theory: at run time such an event is text, its name, so that all that takes a name takes it. What is
sent with it is looked at where an event leaves, and nowhere else: one look at the class of the
name. To type checkers it is no text, so that arguments of other types are refused instead of being
those of any event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeAlias, TypeVar, TypeVarTuple

from sockwave.engine.core.handlers import Handler, WrappedHandler

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

__all__ = [
    "AckEvent",
    "AnyEvent",
    "Event",
    "EventTypes",
    "Listener",
    "TypedListener",
    "answered",
    "listening",
    "packed",
]

Args = TypeVarTuple("Args")
Answer = TypeVar("Answer")
R = TypeVar("R")


class EventTypes(Protocol):
    """What is known of the arguments of an event; see `sockwave.contract`."""

    def found_by(self) -> tuple[Any, ...]:
        """What gives the event in another process: a function, and what it is called with."""

    def pack(self, args: Sequence[Any], *, checked: bool) -> tuple[Any, ...]:
        """Arguments for the wire.

        Raises:
            TypeError: They are too few or too many.
            EncodeError: One is not of its type, where that is looked at.
        """

    def unpack(self, args: Sequence[Any]) -> Sequence[Any]:
        """Arguments of their types, from those that came.

        Raises:
            InvalidEvent: They are not of their types.
        """

    def answer(self, value: Any) -> Any:
        """The answer of its type, from what came.

        Raises:
            EventError: It says that the event has failed; or it is not of its type.
        """


if TYPE_CHECKING:

    class _Text:
        """To type checkers it is no text: see the module. It may be compared with one."""

        def __eq__(self, other: object, /) -> bool: ...

        def __hash__(self) -> int: ...

else:
    _Text = str


class Event(_Text, Generic[*Args]):
    """An event as it is declared in a class of `Events`, with the types of its arguments.

        class ServerEvents(Events):
            moved: Event[int, int]
            chat_line: Event[str] = Event("chat line", doc="What somebody has said.")

        io.emit(ServerEvents.moved, 3, 4)

    `Event[()]` is one without arguments. At run time it is its own name, and may stand wherever a
    name may: `emit`, `emit_with_ack`, `on`. What is sent with it may be anything that a handler may
    return: data classes, `msgspec.Struct`, models of Pydantic, enums, dates.

    Args:
        name: As it is sent, where that is not the name of the attribute.
        doc: For people, in exports.
        names: Of its arguments, for people.

    Attributes:
        types: What is known of its arguments; None outside of `Events`.
        doc, names: See above.
    """

    types: EventTypes | None
    doc: str
    names: tuple[str, ...]

    def __new__(cls, name: str = "", *, doc: str = "", names: tuple[str, ...] = ()) -> Self:
        """Make one; a class of `Events` gives it its types."""
        given: Any = names
        if isinstance(given, str):
            raise TypeError(f"names takes one for each argument: a tuple, not {names!r}")
        new: Any = super().__new__
        made: Self = new(cls, name)
        made.types, made.doc, made.names = None, doc, tuple(names)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled it is the place where it is declared; outside of `Events` its name."""
        if self.types is None:
            return str, (str.__str__(self),)
        return self.types.found_by()


class AckEvent(Event[*Args], Generic[*Args, Answer]):
    """An event that is answered: the last type is that of the acknowledgement.

        class ServerEvents(Events):
            ask: AckEvent[Question, Answer]

        answer = await socket.emit_with_ack(ServerEvents.ask, Question("why?"))   # an Answer

    A receiver that answers that it has failed, as our handlers do by `EventError`, makes
    `emit_with_ack` raise that `EventError`. It may be emitted without waiting for the answer, too.
    """


AnyEvent: TypeAlias = "str | Event[*tuple[Any, ...]]"
"""A name, or an event that is declared.

Methods that take it have an overload for each. What implements them takes anything, and mypy, which
does not match `*args: Any` with `*args: *Args` of an overload, is told to let that be.
"""


Listener: TypeAlias = "Callable[[*Args], R]"
"""A handler of an event that comes, as it is declared."""


def packed(args: tuple[Any, ...], *, checked: bool = False) -> tuple[Any, ...]:
    """Name and arguments for the wire, of an event whose name is not plain text.

    Args:
        checked: Whether arguments must be of their types; they are counted in any case.

    Raises:
        TypeError, EncodeError: See `EventTypes.pack`.
    """
    event, *values = args
    types = getattr(event, "types", None)
    name = str.__str__(event)
    return (name, *(values if types is None else types.pack(values, checked=checked)))


async def answered(event: Any, waiting: Awaitable[Any]) -> Any:
    """Wait for the answer to an event that is declared.

    Raises:
        EventError: It says that the event has failed, or is not of its type.
    """
    value = await waiting
    return value if event.types is None else event.types.answer(value)


class TypedListener(WrappedHandler):
    """A handler of a client that gets arguments of their types, as they are declared."""

    __slots__ = ("_types",)

    def __init__(self, handler: Handler, types: EventTypes) -> None:
        super().__init__(handler)
        self._types = types

    def __call__(self, *args: Any) -> Any:
        """Call it.

        Raises:
            InvalidEvent: They are not of their types; it was not called.
        """
        return self.__wrapped__(*self._types.unpack(args))


def listening(event: Any, handler: Handler) -> Callable[..., Any]:
    """A handler for an event that comes; in a wrapping, if the event is declared."""
    types = getattr(event, "types", None)
    return handler if types is None else TypedListener(handler, types)
