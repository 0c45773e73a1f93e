"""Classes that declare what is sent, and what is known of each event in them."""

from __future__ import annotations

import inspect
import re
import sys
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sockwave.codec.socketio import RESERVED_EVENTS
from sockwave.contract.checks import UnsupportedType, make_check
from sockwave.contract.results import to_wire
from sockwave.errors import EncodeError, EventError, InvalidEvent, raise_failure
from sockwave.socketio.core.events import AckEvent, Event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sockwave.contract.checks import Check

__all__ = ["Declaration", "Events", "declarations"]

_AS_IT_IS: Final = frozenset((str, int, float, bool, bytes, type(None)))
"""Classes of arguments that need no conversion."""


class Events:
    """Base of a class that declares what is sent: names, and the types of arguments.

        class ServerEvents(Events):
            message: Event[ChatMessage]
            moved: Event[int, int]
            ask: AckEvent[Question, Answer]

        io.declare(ServerEvents)
        io.emit(ServerEvents.message, ChatMessage("ann", "hello"))

    Type checkers refuse other arguments; at run time they are counted, converted, and with
    `Server(development=True)` checked before they leave. Our client, and `LinkedClient` in tests,
    take the same class: `client.on(ServerEvents.message)` gets a `ChatMessage`.

    A comment for people is the docstring of the class; a class may inherit from another one.

    Args:
        namespace: Where they are sent, for exports.

    Raises:
        TypeError: A type cannot be checked; the text says which, and what to do.
    """

    namespace_name: typing.ClassVar[str | None] = None

    def __init_subclass__(cls, *, namespace: str | None = None, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        if namespace is not None:
            cls.namespace_name = namespace if namespace.startswith("/") else f"/{namespace}"
        annotations = _annotations(cls)
        for name, value in vars(cls).items():
            if isinstance(value, Event) and name not in annotations:
                raise _wrong(
                    cls, name, "say the types of its arguments: `{name}: Event[str] = ...`"
                )
        for name, annotation in annotations.items():
            if (kind := _kind_of(annotation)) is None:
                _check_other(cls, name, annotation)
                continue
            given: Any = vars(cls).get(name)
            event: Any = kind(name)
            if isinstance(given, Event):
                event = kind(str(given) or name, doc=given.doc, names=given.names)
            elif given is not None:
                raise TypeError(
                    f"{cls.__qualname__}.{name} is an event: its name is said by "
                    f'`= Event("...")`, not by {given!r}'
                )
            if str(event) in RESERVED_EVENTS:
                raise _wrong(cls, name, f'"{event}" is a reserved event name')
            event.types = _Types(cls, name, event)
            setattr(cls, name, event)
        names: dict[str, str] = {}
        for name, event in _events_of(cls).items():
            if (other := names.setdefault(str(event), name)) != name:
                raise _wrong(cls, name, f"{other} is an event {str(event)!r} already")
            event.types.resolve_if_possible()


@dataclass(frozen=True, slots=True)
class Declaration:
    """An event as it is declared.

    Attributes:
        name: As it is sent.
        arguments: Types.
        argument_names: For people: of classes the name of the class, as far as there is one.
        answer: Type of the acknowledgement.
        has_answer: Whether there is one.
        description: For people.
        namespace: Where it is sent; None where the class does not say it.
    """

    name: str
    arguments: tuple[Any, ...]
    argument_names: tuple[str, ...]
    answer: Any
    has_answer: bool
    description: str
    namespace: str | None


def declarations(events: type[Events]) -> list[Declaration]:
    """What a class declares, in its order, inherited ones first.

    Raises:
        TypeError: A type cannot be resolved, or not be checked.
    """
    found = []
    for event in _events_of(events).values():
        types = event.types
        arguments, answer = types.resolved()
        found.append(
            Declaration(
                name=str(event),
                arguments=arguments,
                argument_names=event.names or _names_of(arguments),
                answer=answer,
                has_answer=isinstance(event, AckEvent),
                description=event.doc,
                namespace=events.namespace_name,
            )
        )
    return found


def _names_of(arguments: tuple[Any, ...]) -> tuple[str, ...]:
    """`message` for a `ChatMessage`; numbered where several would have one name."""
    names: list[str] = []
    for at, each in enumerate(arguments):
        name = getattr(each, "__name__", "") if isinstance(each, type) else ""
        is_own = bool(name) and each.__module__ != "builtins"
        own = name[:1].lower() + name[1:] if is_own else f"arg{at}"
        names.append(own if own not in names else f"{own}{at}")
    return tuple(names)


def _events_of(cls: type[Events]) -> dict[str, Any]:
    """Its events by their attributes, in the order in which they are written."""
    return {
        name: getattr(cls, name)
        for base in reversed(cls.__mro__)
        if issubclass(base, Events)
        for name, annotation in _annotations(base).items()
        if _kind_of(annotation) is not None
    }


def _wrong(cls: type, name: str, text: str) -> TypeError:
    return TypeError(f"{cls.__module__}.{cls.__qualname__}.{name}: {text.format(name=name)}")


def _check_other(cls: type, name: str, annotation: Any) -> None:
    """Refuse what seems to declare an event, and does not."""
    text = annotation if isinstance(annotation, str) else repr(annotation)
    is_of_class = "ClassVar" in text.partition("[")[0]
    if _EVENT.search(text):
        raise _wrong(cls, name, _ALONE)
    if not name.startswith("_") and not is_of_class:
        raise _wrong(
            cls, name, "it is no event: `{name}: Event[str]`; or ClassVar for something else"
        )


_ALONE: Final = "Event has to stand alone as a type: `{name}: Event[str]`"
_EVENT: Final = re.compile(r"\b(Ack)?Event\b")


def _annotations(cls: type) -> dict[str, Any]:
    if sys.version_info >= (3, 14):
        import annotationlib

        return annotationlib.get_annotations(cls, format=annotationlib.Format.FORWARDREF)
    return inspect.get_annotations(cls)


def _kind_of(annotation: Any) -> type[Any] | None:
    """Which kind of event an annotation says, resolved or not; None for something else."""
    if isinstance(annotation, str):
        name = annotation.strip("\"' ").partition("[")[0].strip().rpartition(".")[2]
        return {"Event": Event, "AckEvent": AckEvent}.get(name)
    origin = typing.get_origin(annotation) or annotation
    return origin if isinstance(origin, type) and issubclass(origin, Event) else None


class _Types:
    """What is known of one event; see `EventTypes`. Types are resolved when they are needed, at the
    class if all of them are there."""

    __slots__ = (
        "_answer",
        "_answer_check",
        "_arguments",
        "_checks",
        "_name",
        "_names",
        "_owner",
        "_text",
    )

    def __init__(self, owner: type[Events], name: str, event: Event[*tuple[Any, ...]]) -> None:
        self._owner = owner
        self._name = name
        self._names = event.names
        self._text = str(event)
        self._arguments: tuple[Any, ...] | None = None
        self._answer: Any = None
        self._checks: tuple[Check | None, ...] = ()
        self._answer_check: Check | None = None

    def resolve_if_possible(self) -> None:
        """Refuse what cannot be checked; names that are not there yet may come."""
        try:
            self.resolved()
        except _Unresolved:
            pass

    def resolved(self) -> tuple[tuple[Any, ...], Any]:
        """Types of the arguments, and that of the answer."""
        if self._arguments is not None:
            return self._arguments, self._answer
        where = f"{self._owner.__module__}.{self._owner.__qualname__}.{self._name}"
        try:
            hint = typing.get_type_hints(self._owner, include_extras=True)[self._name]
        except NameError as error:
            raise _Unresolved(
                f"{where}: {error}. The types of an event must be there at run time: import them "
                "outside of `if TYPE_CHECKING`, and declare events at the top of a module"
            ) from error
        arguments = typing.get_args(hint)
        origin = typing.get_origin(hint)
        if _kind_of(hint) is None:  # as text it looked like one
            raise _wrong(self._owner, self._name, _ALONE)
        if origin is None:
            raise TypeError(
                f"{where}: say the types of its arguments: `Event[str]`, or `Event[()]` for none; "
                "of an AckEvent the last one is that of the answer"
            )
        if origin is AckEvent:
            *first, self._answer = arguments
            arguments = tuple(first)
        if arguments == ((),):  # as older Pythons have it
            arguments = ()
        if self._names and len(self._names) != len(arguments):
            raise TypeError(
                f"{where}: it has {len(arguments)} arguments, and names of {len(self._names)}"
            )
        try:
            self._checks = tuple(make_check(each, strict=True) for each in arguments)
            if self._answer is not None:
                self._answer_check = make_check(self._answer, strict=True)
        except (UnsupportedType, NameError) as error:
            raise TypeError(
                f"{where}: what is sent with it cannot be checked: {error}. Take a type that JSON "
                "can carry, such as a dataclass, a msgspec.Struct or a TypedDict; or Any"
            ) from error
        self._arguments = arguments
        return self._arguments, self._answer

    def found_by(self) -> tuple[Any, ...]:
        """See `EventTypes`."""
        return getattr, (self._owner, self._name)

    def pack(self, args: Sequence[Any], *, checked: bool) -> tuple[Any, ...]:
        """See `EventTypes`."""
        arguments, _ = self.resolved()
        if len(args) != len(arguments):
            raise TypeError(
                f"event {self._text!r} of {self._owner.__qualname__} has {len(arguments)} "
                f"argument{'' if len(arguments) == 1 else 's'}, got {len(args)}"
            )
        ready = tuple(each if each.__class__ in _AS_IT_IS else to_wire(each) for each in args)
        if checked:
            for at, (value, check) in enumerate(zip(ready, self._checks, strict=True)):
                try:
                    if check is not None:
                        check(value)
                except InvalidEvent as error:
                    raise EncodeError(
                        f"event {self._text!r}, argument {at}: {error.reason} at {error.path}"
                    ) from None
        return ready

    def unpack(self, args: Sequence[Any]) -> Sequence[Any]:
        """See `EventTypes`."""
        self.resolved()
        if len(args) < len(self._checks):
            wanted = len(self._checks)
            raise InvalidEvent("$", f"Expected {wanted} arguments of {self._text!r}")
        ready = list(args[: len(self._checks)])
        for at, check in enumerate(self._checks):
            if check is not None:
                try:
                    ready[at] = check(ready[at])
                except InvalidEvent as error:
                    path = error.path if len(ready) == 1 else f"$[{at}]{error.path[1:]}"
                    raise InvalidEvent(path, error.reason) from None
        return ready

    def answer(self, value: Any) -> Any:
        """See `EventTypes`."""
        self.resolved()
        raise_failure(value)
        if self._answer_check is None:
            return value
        try:
            return self._answer_check(value)
        except InvalidEvent as error:
            raise EventError(
                "validation",
                f"the answer to {self._text!r}: {error.reason} at {error.path}",
                {"event": self._text, "path": error.path, "reason": error.reason},
            ) from None


class _Unresolved(TypeError):
    """A name in an annotation is not there, or not there yet."""
