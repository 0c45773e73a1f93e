"""What a server says and hears, found out from what is registered with it."""

from __future__ import annotations

import inspect
import re
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from sockwave.contract.annotations import UNKNOWN, Reading, function_of, read
from sockwave.contract.description import (
    Argument,
    Contract,
    EventContract,
    NamespaceContract,
    Schema,
)
from sockwave.contract.events import Declaration, declarations
from sockwave.contract.given import is_injected
from sockwave.contract.injection import asks_for_ack, takes_socket_first
from sockwave.contract.results import AWAITED
from sockwave.contract.schemas import Schemas
from sockwave.engine.core.handlers import WrappedHandler, place_of
from sockwave.socketio.server.class_handlers import PerSocketHandler
from sockwave.socketio.server.declared import OWN_EVENTS
from sockwave.socketio.server.router import braced_name

if TYPE_CHECKING:
    from sockwave.engine.core.handlers import Handler
    from sockwave.socketio.server.namespace import Namespace
    from sockwave.socketio.server.parent import ParentNamespace
    from sockwave.socketio.server.server import Server

__all__ = ["Auth", "describe"]


@dataclass(frozen=True, slots=True)
class Auth:
    """Says what clients connect with, for the contract: in the annotation of a middleware.

        @io.use
        async def authenticate(socket: Annotated[Socket, Auth(Login)]) -> None: ...

    A handler of `connection` may say it as well. It is told to those who write clients, and not
    checked: the middleware does that.

    Args:
        type: What `socket.handshake.auth` has to be, such as a dataclass.
    """

    type: Any


class RefusedEvent(TypedDict):
    """An event of the client that was not admitted, and asked for no acknowledgement."""

    error: Literal["validation"]
    event: str
    path: str
    reason: str


def describe(
    server: Server,
    *,
    title: str = "Socket.IO server",
    version: str = "0.0.0",
    description: str = "",
) -> Contract:
    """Find out what a server says and hears.

    Incoming events are those of handlers that are registered with `event` of the server, of its
    namespaces and of routers, and of classes with handlers; those that a `connection` handler
    registers for each socket are not known before there is one. Outgoing events are those that are
    declared, and the `validation_event` of the server where there is something to refuse. The same
    server gives the same contract, in the same order.

    An argument has the type of its annotation, whether it is checked or not; `{}` stands for one
    that has none. Of several handlers of one event the first one with annotations is described.

    Args:
        title: Of the application.
        version: Of the application, as you number it.
        description: For people.
    """
    schemas = Schemas()
    namespaces = [
        _Described(schemas, name, {}, namespace)
        for name, namespace in server.namespaces.items()
        if namespace.parent is None
    ]
    for parent in server.parents:
        name, parameters = _name_of(parent)
        namespaces.append(_Described(schemas, name, parameters, parent))
    by_name = {each.name: each for each in reversed(namespaces)}  # the first parent is asked first
    for declarer in list(by_name.values()):
        for each in declarer.declarations():
            name = each.namespace or declarer.name
            if name not in by_name:
                by_name[name] = _Described(schemas, name, {}, None)
            by_name[name].declare(each)
    if (told := server.options.validation_event) is not None:
        for described_one in by_name.values():
            described_one.declare_refused(told)
    described = tuple(by_name[name].contract() for name in sorted(by_name))
    return Contract(
        title=title,
        version=version,
        path=server.path,
        namespaces=described,
        models=schemas.finish(),
        description=description,
    )


def _name_of(parent: ParentNamespace) -> tuple[str, dict[str, Schema]]:
    """How a namespace is written that clients may choose, and its parts."""
    match = parent.match
    if isinstance(match, re.Pattern):
        name = braced_name(match) or match.pattern
        return name, {group: {"type": "string"} for group in match.groupindex}
    named = getattr(match, "__name__", "name").strip("<>")
    return f"/{{{named}}}", {named: {"type": "string"}}


class _Described:
    """A namespace, while it is looked at."""

    def __init__(
        self,
        schemas: Schemas,
        name: str,
        parameters: dict[str, Schema],
        namespace: Namespace | None,
    ) -> None:
        self.name = name
        self._schemas = schemas
        self._parameters = parameters
        self._namespace = namespace
        self._outgoing: dict[str, EventContract] = {}

    def declarations(self) -> list[Declaration]:
        """Events that were declared here, also for other namespaces."""
        if self._namespace is None:
            return []
        classes = self._namespace.registered.declared_events
        return [each for declared in classes for each in declarations(declared)]

    def declare(self, declared: Declaration) -> None:
        """An event that the server sends."""
        of = self._schemas.of
        names = tuple(declared.argument_names)
        answer = self._answer(declared.answer) if declared.has_answer else None
        event = EventContract(
            name=declared.name,
            arguments=tuple(
                Argument(names[at] if at < len(names) else f"arg{at}", of(each))
                for at, each in enumerate(declared.arguments)
            ),
            answer=answer,
            description=declared.description,
        )
        other = self._outgoing.setdefault(declared.name, event)
        if _types_of(other) != _types_of(event):
            raise TypeError(
                f"event {declared.name!r} of {self.name} is declared twice with different types: "
                "declare it once, or call one of them something else"
            )

    def declare_refused(self, name: str) -> None:
        """The event by which a client hears that one of its own was not admitted, if any may be."""
        if self._namespace is None or name in self._outgoing:
            return
        table = self._namespace.registered.event_handlers
        if any(_is_checked(handler) for handlers in table.values() for handler in handlers):
            self._outgoing[name] = EventContract(
                name=name,
                arguments=(Argument("refused", self._schemas.of(RefusedEvent)),),
                description="An event was not admitted, and asked for no acknowledgement.",
            )

    def contract(self) -> NamespaceContract:
        """All that is known of it."""
        return NamespaceContract(
            name=self.name,
            parameters=self._typed_parameters(),
            incoming=tuple(self._incoming()),
            outgoing=tuple(self._outgoing[name] for name in sorted(self._outgoing)),
            auth=self._auth(),
        )

    def _typed_parameters(self) -> dict[str, Schema]:
        """Its parts, as the first handler wants them that says more than that they are text."""
        found = dict(self._parameters)
        if self._namespace is not None:
            for params in reversed(self._namespace.registered.params):
                for name, annotation in params.annotations.items():
                    if name in found and annotation is not str:
                        found[name] = self._schemas.of(annotation)
        return found

    def _incoming(self) -> list[EventContract]:
        if self._namespace is None:
            return []
        table = self._namespace.registered.event_handlers
        return [
            self._event(name, [_bare(each) for each in table[name]])
            for name in sorted(table)
            if name not in OWN_EVENTS
        ]

    def _event(self, name: str, handlers: list[Handler]) -> EventContract:
        readings = [
            (handler, _read(handler, skipped=int(takes_socket_first(handler))))
            for handler in handlers
        ]
        typed = [each for each in readings if _is_typed(each[1])]
        handler, reading = (typed or readings)[0]
        placed = list(zip(reading.names, reading.types, strict=True))
        arguments = tuple(
            Argument(each, self._schemas.of(annotation), at < reading.least)
            for at, (each, annotation) in enumerate(placed)
            if not is_injected(annotation)
        )
        return EventContract(
            name=name,
            arguments=arguments,
            rest=None if reading.rest is None else self._schemas.of(reading.rest),
            answer=None if asks_for_ack(handler) else self._answer(reading.result),
            description=_docstring(handler),
            place=place_of(handler),
        )

    def _answer(self, result: Any) -> tuple[Schema, ...] | None:
        """One, or those of a tuple, which goes as several; none of `None`."""
        if typing.get_origin(result) in AWAITED:
            result = typing.get_args(result)[-1]
        if result is UNKNOWN or result is typing.NoReturn:
            return None
        if result in (None, type(None)):
            return ()
        if typing.get_origin(result) is tuple or result is tuple:
            members = typing.get_args(result)
            if not members or ... in members:
                return None  # as many as there are
            return tuple(self._schemas.of(each) for each in members)
        if isinstance(result, type) and issubclass(result, tuple):
            hints = typing.get_type_hints(result, include_extras=True)
            return tuple(self._schemas.of(each) for each in hints.values())
        return (self._schemas.of(result),)

    def _auth(self) -> Schema | None:
        if self._namespace is None:
            return None
        registered = self._namespace.registered
        for handler in (*registered.middlewares, *registered.handlers.get("connection", ())):
            annotations = _read(_bare(handler), skipped=0).types
            for each in getattr(annotations[0], "__metadata__", ()) if annotations else ():
                if isinstance(each, Auth):
                    return self._schemas.of(each.type)
        return None


def _types_of(event: EventContract) -> Any:
    return [each.schema for each in event.arguments], event.answer


def _is_checked(handler: Handler) -> bool:
    """Whether arguments of a client may be refused."""
    inner: Any = handler
    while isinstance(inner, WrappedHandler):
        plan: Any = getattr(inner, "argument_types", None)
        if plan is not None:
            return bool(plan.checks_arguments)
        inner = inner.__wrapped__
    return False


def _bare(handler: Handler) -> Handler:
    """A handler out of our wrappings, except the one that says what a method takes."""
    while isinstance(handler, WrappedHandler) and not isinstance(handler, PerSocketHandler):
        handler = handler.__wrapped__
    return handler


def _read(handler: Handler, *, skipped: int) -> Reading:
    """What the signature says; only names where annotations cannot be resolved, unchecked ones."""
    try:
        found = read(handler, skipped=skipped)
    except TypeError:
        found = _names_only(handler, skipped)
    if found is None:  # there is no signature, so anything may come
        return Reading((), (), 0, UNKNOWN, UNKNOWN)
    return found


def _names_only(handler: Handler, skipped: int) -> Reading | None:
    function = function_of(handler)
    if function is None:
        return None
    signature = inspect.signature(handler, follow_wrapped=False)
    parameters = list(signature.parameters.values())
    placed = [
        each
        for each in parameters
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ][skipped:]
    takes_rest = any(each.kind is each.VAR_POSITIONAL for each in parameters)
    return Reading(
        tuple(each.name for each in placed),
        (UNKNOWN,) * len(placed),
        sum(each.default is each.empty for each in placed),
        UNKNOWN if takes_rest else None,
        UNKNOWN,
    )


def _is_typed(reading: Reading) -> bool:
    said = (*reading.types, reading.rest, reading.result)
    return any(each is not UNKNOWN and each is not None for each in said)


def _docstring(handler: Handler) -> str:
    function = function_of(handler)
    return inspect.getdoc(function) or "" if function is not None else ""
