"""Which parameters are given to a handler by their types, and from where.

Must never happen: one that is meant to be given, and is taken for an argument of the event. A
client could then say itself who it is. So a marker that stands where it does nothing is an error.
"""

from __future__ import annotations

import types
import typing
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sockwave.contract.annotations import named
from sockwave.contract.dependencies import Depends, EventName, FromData
from sockwave.socketio.core.answers import Ack
from sockwave.socketio.core.handshake import Handshake
from sockwave.socketio.server.namespace import Namespace
from sockwave.socketio.server.server import Server
from sockwave.socketio.server.socket import Socket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from inspect import Parameter

__all__ = ["ACK", "EVENT", "SOCKET", "Frame", "Source", "is_injected", "misplaced", "source_kind"]

Frame: TypeAlias = list[Any]
"""One call of a handler: its socket, the name of the event, what acknowledges it (None where the
handler does not ask for that), then what the steps have given so far."""

Source: TypeAlias = "Callable[[Frame], Any]"
"""Gives one parameter, from what is there."""

SOCKET: Final[Source] = itemgetter(0)
EVENT: Final[Source] = itemgetter(1)
ACK: Final[Source] = itemgetter(2)


def _namespace(frame: Frame) -> Any:
    return frame[0].namespace


def _server(frame: Frame) -> Any:
    return frame[0].namespace.server


def _handshake(frame: Frame) -> Any:
    return frame[0].handshake


_GIVEN: Final[tuple[tuple[type, Source], ...]] = (
    (Socket, SOCKET),
    (Namespace, _namespace),
    (Server, _server),
    (Handshake, _handshake),
    (Ack, ACK),
)

_MARKERS: Final = (Depends, FromData)


def is_injected(annotation: Any) -> bool:
    """Whether a parameter is none of the event's arguments."""
    return source_kind(annotation) is not None


def source_kind(annotation: Any) -> Any:
    """`Depends`, `FromData`, or what gives the value; None for an argument of the event."""
    annotation = named(annotation)
    for each in getattr(annotation, "__metadata__", ()):
        if isinstance(each, _MARKERS):
            return each
    if typing.get_origin(annotation) is typing.Annotated:
        return source_kind(typing.get_args(annotation)[0])
    return _given_by_type(annotation)


def misplaced(parameter: Parameter, annotation: Any) -> str | None:
    """Why what a parameter seems to ask for would not come; None where all is well."""
    name = parameter.name
    advice = f"write `{name}: Annotated[T, Depends(f)]`, or FromData(...)"
    if isinstance(parameter.default, _MARKERS):
        return f"what {name!r} depends on belongs into its type: {advice}"
    is_variadic = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    annotation = named(annotation)
    own = [each for each in getattr(annotation, "__metadata__", ()) if isinstance(each, _MARKERS)]
    if len(own) > 1:
        return f"{name!r} depends on {len(own)} things at once: leave one in its type"
    if source_kind(annotation) is not None and not is_variadic:
        return None
    for each in _parts(annotation):
        if isinstance(each, _MARKERS):
            return (
                f"{type(each).__name__}(...) does nothing where it stands in the type of {name!r}: "
                f"{advice}"
            )
        if each is Depends or each is FromData:
            return f"{each.__name__} has to be called in the type of {name!r}: {advice}"
        if _given_by_type(each) is not None:
            return f"{each.__name__} has to stand alone as a type: write `{name}: {each.__name__}`"
    return None


def _given_by_type(kind: Any) -> Source | None:
    if kind is EventName:
        return EVENT
    kind = typing.get_origin(kind) or kind
    if isinstance(kind, type):
        for given, source in _GIVEN:
            if issubclass(kind, given):
                return source
    return None


def _parts(annotation: Any) -> Iterator[Any]:
    """An annotation, and all that stands in it."""
    waiting, seen = [annotation], 0
    while waiting and seen < _MAX_PARTS:
        part = named(waiting.pop())
        seen += 1
        yield part
        waiting.extend(getattr(part, "__metadata__", ()))
        if not isinstance(part, types.GenericAlias) or part.__origin__ is not type:
            waiting.extend(typing.get_args(part))


_MAX_PARTS: Final = 1000
"""Of one annotation: an alias may have itself inside."""
