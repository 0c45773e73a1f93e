"""What a handler is given beside the arguments of its event: found out once, called each time.

Theory: the parameters of a handler, and of all that it depends on, are a graph. It is walked when
the handler is registered; what comes out is a list of steps in which nothing depends on a later
one, each function once. A call runs the steps and fills in the handler's parameters. As long as
every step is a plain function nothing is waited for, so that a plain handler stays one.
"""

from __future__ import annotations

import inspect
import typing
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from sockwave.contract.annotations import UNKNOWN, annotation_of, function_of, signature_of
from sockwave.contract.dependencies import Depends, FromData
from sockwave.contract.ends import AsyncContexts, Contexts
from sockwave.contract.given import ACK, EVENT, SOCKET, is_injected, misplaced, source_kind
from sockwave.contract.per_connection import values_of
from sockwave.engine.core.handlers import place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sockwave.contract.given import Frame, Source

__all__ = ["Injection", "asks_for_ack", "injection_of", "takes_socket_first"]


_FIRST_STEP: Final = 3

_NOTHING: Final = object()

_PLACED: Final = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)


def _from_data(key: str, default: Any) -> Source:
    def find(frame: Frame) -> Any:
        value = frame[0].data.get(key, default)
        if value is _NOTHING:
            raise LookupError(
                f"there is no {key!r} in socket.data: let a middleware put it there, or give the "
                "parameter a default"
            )
        return value

    return find


class _Step:
    """A function that is called before the handler.

    Args:
        function: As it was given to `Depends`.
        kind: How it is called.
        call: Calls it; of generators what makes a context of one.
        sources: Give its arguments, by name.
        is_placed: Whether these are all of its parameters, in their order.
        scope: For how long its value is kept.
    """

    __slots__ = ("_getters", "_is_placed", "_sources", "call", "function", "kind", "scope")

    def __init__(
        self,
        function: Callable[..., Any],
        kind: str,
        call: Callable[..., Any],
        sources: tuple[tuple[str, Source], ...],
        scope: str,
        *,
        is_placed: bool,
    ) -> None:
        self.function = function
        self.kind = kind
        self.call = call
        self.scope = scope
        self._sources = sources
        self._getters = tuple(source for _, source in sources)
        self._is_placed = is_placed

    @property
    def getters(self) -> tuple[Source, ...]:
        """What it asks for."""
        return self._getters

    def run(self, frame: Frame) -> Any:
        """Call it."""
        if not self._getters:
            return self.call()
        if self._is_placed:
            return self.call(*[getter(frame) for getter in self._getters])
        return self.call(**{name: source(frame) for name, source in self._sources})


class Injection:
    """What one handler is given.

    Args:
        steps: Run before it, in this order.
        sources: Give its injected parameters, by name.
        again: Finds the same out with other functions.

    Attributes:
        names: Of these parameters.
        placed: Names of all positional parameters behind the socket, in order.
        has_socket_first: Whether the first one is the socket, by its place.
        wants_ack: Whether it answers by itself.
        wants_event: Whether the name of the event matters.
        is_async: Whether a step has to be waited for.
        has_contexts: Whether a step has an end.
    """

    def __init__(
        self,
        steps: Sequence[_Step],
        sources: Sequence[tuple[str, Source]],
        again: Callable[[dict[Any, Any]], Injection | None],
        placed: tuple[str, ...],
        has_socket_first: bool,
    ) -> None:
        self.placed = placed
        self.has_socket_first = has_socket_first
        self.steps: tuple[_Step, ...] = tuple(steps)
        self.sources: tuple[tuple[str, Source], ...] = tuple(sources)
        self.names: frozenset[str] = frozenset(name for name, _ in sources)
        every = [source for _, source in sources]
        every += [source for step in steps for source in step.getters]
        self.wants_ack: bool = ACK in every
        self.wants_event: bool = EVENT in every
        self.is_async: bool = any(
            step.kind in ("async", "async context") or step.scope == "connection" for step in steps
        )
        self.has_contexts: bool = any("context" in step.kind for step in steps)
        self._again = again
        # Of each positional parameter what gives it; None for an argument of the event.
        by_name = dict(sources)
        self._fills = tuple(by_name.pop(name, None) for name in placed)
        self._by_name = tuple(by_name.items())
        self._count = self._fills.count(None)

    def overridden(self, overrides: dict[Any, Any]) -> Injection:
        """The same with other functions: for tests, so that nothing of it is kept.

        Raises:
            RuntimeError: One of them cannot stand there. As a `TypeError` it would pass for
                arguments of a client that do not fit.
        """
        if not any(step.function in overrides for step in self.steps):
            return self
        try:
            found = self._again(overrides)
        except TypeError as error:
            raise RuntimeError(f"dependency_overrides: {error}") from error
        return found or self

    def run(self, frame: Frame, stack: ExitStack | None) -> None:
        """Run the steps, where none has to be waited for."""
        for step in self.steps:
            value = step.run(frame)
            if stack is not None and step.kind == "context":
                value = stack.enter_context(value)
            frame.append(value)

    async def run_async(self, frame: Frame, stack: AsyncExitStack) -> None:
        """Run the steps."""
        for step in self.steps:
            kept = values_of(frame[0]) if step.scope == "connection" else None
            if kept is not None:
                value = await kept.value(step.function, partial(_value, step, frame))
            else:
                value = await _value(step, frame, stack)
            frame.append(value)

    def arguments(self, frame: Frame, values: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        """What the handler is called with: by place, as long as there is something, and by name.

        Args:
            values: The arguments of the event.
        """
        placed = [frame[0]] if self.has_socket_first else []
        if len(values) == self._count:
            waiting = iter(values)
            placed += [next(waiting) if source is None else source(frame) for source in self._fills]
            return placed, {name: source(frame) for name, source in self._by_name}
        given = {name: source(frame) for name, source in self.sources}
        at = 0
        for name in self.placed:
            if name in given:
                placed.append(given.pop(name))
            elif at < len(values):
                placed.append(values[at])
                at += 1
            else:
                break  # the others have defaults, or are given by name
        placed.extend(values[at:])
        return placed, given


async def _value(step: _Step, frame: Frame, stack: AsyncExitStack) -> Any:
    value = step.run(frame)
    if step.kind == "async":
        return await value
    if step.kind == "async context":
        return await stack.enter_async_context(value)
    return stack.enter_context(value) if step.kind == "context" else value


def injection_of(
    handler: Any, *, takes_socket: bool, roots: tuple[Depends, ...], is_checked: bool
) -> Injection | None:
    """What a handler is given; None where that is nothing but the socket by its place.

    Args:
        takes_socket: Its first parameter is the socket, unless the annotation says otherwise.
        roots: Run before it, for what they do.
        is_checked: Its annotations must be there.

    Raises:
        TypeError: Something that it depends on cannot be had; the text says where.
    """
    graph = _Graph(handler, {}, takes_socket=takes_socket, is_checked=is_checked)
    return graph.injection(roots)


def takes_socket_first(handler: Any) -> bool:
    """Whether the first parameter is the socket, as ever: it says nothing else. One that says
    another type is an argument, if anything in the handler is asked for by its type."""
    signature, function = signature_of(handler), function_of(handler)
    parameters = [] if signature is None else list(signature.parameters.values())
    if not parameters:
        return True
    first, *others = (
        annotation_of(each, function, handler, is_needed=False) for each in parameters
    )
    if first is UNKNOWN:
        return True
    kind = source_kind(first)
    if kind is not None:
        return kind is SOCKET
    return not any(is_injected(each) for each in others)


def asks_for_ack(handler: Any) -> bool:
    """Whether it answers by itself, with what its annotations do not say."""
    signature, function = signature_of(handler), function_of(handler)
    return signature is not None and any(
        source_kind(annotation_of(each, function, handler, is_needed=False)) is ACK
        for each in signature.parameters.values()
    )


class _Graph:
    """Walks what a handler depends on."""

    def __init__(
        self,
        handler: Any,
        overrides: dict[Any, Any],
        *,
        takes_socket: bool,
        is_checked: bool,
    ) -> None:
        self._is_checked = is_checked
        self._handler = handler
        self._overrides = overrides
        self._takes_socket = takes_socket
        self._steps: list[_Step] = []
        self._numbers: dict[tuple[Any, str], int] = {}
        self._walking: list[Any] = []

    def injection(self, roots: tuple[Depends, ...]) -> Injection | None:
        for root in roots:
            self._step(root)
        sources: list[tuple[str, Source]] = []
        signature = signature_of(self._handler)
        function = function_of(self._handler)
        parameters = [] if signature is None else list(signature.parameters.values())
        placed = [each for each in parameters if each.kind in _PLACED]
        is_first = bool(self._takes_socket and placed) and takes_socket_first(self._handler)
        if is_first:
            parameters.remove(placed.pop(0))
        for parameter in parameters:
            annotation = annotation_of(
                parameter,
                function,
                self._handler,
                is_needed=self._is_checked and parameter.kind in _PLACED,
            )
            if (why := misplaced(parameter, annotation)) is not None:
                raise TypeError(f"handler {place_of(self._handler)}: {why}")
            kind = source_kind(annotation)
            if kind is None:
                continue
            if parameter.kind is parameter.POSITIONAL_ONLY:
                raise TypeError(
                    f"handler {place_of(self._handler)}: {parameter.name!r} is given by its name, "
                    "so it cannot stand before `/`"
                )
            sources.append((parameter.name, self._source(kind, parameter)))
        if not sources and not self._steps:
            return None
        names = tuple(each.name for each in placed)

        def again(overrides: dict[Any, Any]) -> Injection | None:
            graph = _Graph(
                self._handler,
                overrides,
                takes_socket=self._takes_socket,
                is_checked=self._is_checked,
            )
            return graph.injection(roots)

        return Injection(self._steps, sources, again, names, is_first)

    def _source(self, kind: Any, parameter: inspect.Parameter) -> Source:
        if isinstance(kind, Depends):
            return itemgetter(_FIRST_STEP + self._step(kind))
        if isinstance(kind, FromData):
            is_required = parameter.default is parameter.empty
            return _from_data(
                kind.key or parameter.name, _NOTHING if is_required else parameter.default
            )
        source: Source = kind
        return source

    def _step(self, depends: Depends) -> int:
        """The number of the step that gives a dependency."""
        key = depends.function, depends.scope
        if key in self._numbers:
            return self._numbers[key]
        if depends.function in self._walking:
            names = " -> ".join(
                getattr(each, "__name__", repr(each)) for each in (*self._walking, depends.function)
            )
            raise TypeError(
                f"handler {place_of(self._handler)}: its dependencies go round in a circle: {names}"
            )
        self._walking.append(depends.function)
        function = self._overrides.get(depends.function, depends.function)
        sources = tuple(self._parameters(function, depends))
        self._walking.pop()
        kind, call = _how(function)
        signature = signature_of(_class_or(function))
        placed = () if signature is None else tuple(signature.parameters.values())
        self._steps.append(
            _Step(
                depends.function,
                kind,
                call,
                sources,
                depends.scope,
                is_placed=len(placed) == len(sources)
                and all(each.kind is each.POSITIONAL_OR_KEYWORD for each in placed),
            )
        )
        self._numbers[key] = len(self._steps) - 1
        return self._numbers[key]

    def _parameters(self, function: Any, depends: Depends) -> Any:
        made = _class_or(function)
        signature = signature_of(made)
        if signature is None:
            raise self._unknown(function, "nobody can tell what it takes: wrap it in a function")
        inner = _maker_of(made) if isinstance(made, type) else function_of(made)
        for parameter in signature.parameters.values():
            is_variadic = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
            annotation = annotation_of(parameter, inner, function, is_needed=not is_variadic)
            if (why := misplaced(parameter, annotation)) is not None:
                raise self._unknown(function, why)
            if is_variadic:
                continue
            kind = source_kind(annotation)
            if kind is None and parameter.default is not parameter.empty:
                continue
            if kind is None or parameter.kind is parameter.POSITIONAL_ONLY:
                raise self._unknown(
                    function,
                    f"nothing is known of its parameter {parameter.name!r}: a dependency may ask "
                    "for Socket, Namespace, Server, Handshake, EventName, FromData and other "
                    "dependencies, and gets no arguments of the event",
                )
            if kind is ACK:
                raise self._unknown(function, "only a handler acknowledges an event")
            if isinstance(kind, Depends) and depends.scope == "connection" != kind.scope:
                raise self._unknown(
                    function, f"it is kept for the connection, and {parameter.name!r} for one event"
                )
            yield parameter.name, self._source(kind, parameter)

    def _unknown(self, function: Any, why: str) -> TypeError:
        return TypeError(
            f"handler {place_of(self._handler)}: its dependency {place_of(function)}: {why}"
        )


def _class_or(function: Any) -> Any:
    """The class of `Store[int]`, which is called as the class is; else what was given."""
    return typing.get_origin(function) or function


def _maker_of(kind: type) -> Any:
    """The function of a class that takes what its objects are made of; None for a built-in one."""
    for name in ("__init__", "__new__"):
        if inspect.isfunction(made := getattr(kind, name)):
            return made
    return None


def _how(function: Any) -> tuple[str, Callable[..., Any]]:
    """How a dependency is called, and what is called."""
    if isinstance(_class_or(function), type):
        return "plain", function
    inner = function_of(function) or function
    if inspect.isasyncgenfunction(inner):
        return "async context", AsyncContexts(asynccontextmanager(function))
    if inspect.isgeneratorfunction(inner):
        return "context", Contexts(contextmanager(function))
    return ("async" if inspect.iscoroutinefunction(inner) else "plain"), function
