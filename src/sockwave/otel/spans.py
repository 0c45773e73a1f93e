"""Spans of a server or of a client: whether there is one, and what runs in it.

Theory: that something is traced is decided before anything is made. Where it has a parent, the
parent says so, by its flag; where it has none, chance does, at the ratio that the user has given.
Only then the SDK of OpenTelemetry is asked for a span. So an event that is not traced costs a
random number.

A `Trace` is a span with the context that its handlers run in. It ends with the last of them: who
starts one holds it, whoever ends one lets it go. `CURRENT` is the trace that a function runs in; it
goes with the context into tasks and threads, as OpenTelemetry's own does.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from math import log
from random import random
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel_context
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    NonRecordingSpan,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
    get_tracer,
    set_span_in_context,
)

from sockwave.engine.core.option_checks import check_number
from sockwave.engine.core.transport import SharedPacket
from sockwave.otel.context import last_argument
from sockwave.socketio.core.outgoing import EncodedPacket

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence

    from opentelemetry.trace import Span, SpanContext, TracerProvider

__all__ = [
    "CURRENT",
    "SENDING",
    "Trace",
    "Tracing",
    "answered_in",
    "emitted_in",
    "event_name",
    "network_of",
    "note_error",
    "sent_in",
    "with_last",
]

SYSTEM: Final = "socketio"

_ORIGINS: Final = {
    "polling": ("http", "tcp"),
    "websocket": ("websocket", "tcp"),
    "webtransport": ("webtransport", "quic"),
}
"""`network.protocol.name` and `network.transport` of the transports."""


class Trace:
    """A span that is under way, and the context of what runs in it.

    Attributes:
        span: The span; one that is not recorded where only the context is of interest.
        peer_traces: Whether the client that is let in with it takes contexts.
    """

    __slots__ = ("_context", "_running", "peer_traces", "span")

    def __init__(self, span: Span, *, peer_traces: bool = False) -> None:
        self.span: Span = span
        self.peer_traces: bool = peer_traces
        self._running = 1
        self._context = copy_context()
        self._context.run(self._enter)

    def _enter(self) -> None:
        CURRENT.set(self)
        if self.span is not INVALID_SPAN:
            otel_context.attach(set_span_in_context(self.span))

    def run(self, function: Callable[..., object], *args: Any) -> None:
        """Call what the span is of; once. It ends here, unless something has begun that waits."""
        try:
            self._context.run(function, *args)
        except BaseException as error:
            self.failed(error)
            raise
        finally:
            self.release()

    def hold(self) -> None:
        """Something has begun."""
        self._running += 1

    def release(self) -> None:
        """It has ended; the last one ends the span."""
        self._running -= 1
        if self._running == 0:
            self.span.end()

    def follow(self, task: asyncio.Task[Any]) -> None:
        """A task has begun."""
        self.hold()
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            self.ended_early("CancelledError")
        self.release()

    def until(self, running: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
        """A coroutine has begun, or will soon: the same that lets the span go in the end."""
        self.hold()
        return self._until(running)

    async def _until(self, running: Coroutine[Any, Any, Any]) -> Any:
        try:
            return await running
        finally:
            self.release()

    def failed(self, error: BaseException) -> None:
        """What runs has raised."""
        note_error(self.span, error)

    def ended_early(self, why: str, description: str | None = None) -> None:
        """It has come to nothing, and not by an error of ours."""
        self.span.set_attribute("error.type", why)
        self.span.set_status(Status(StatusCode.ERROR, description))


CURRENT: Final[ContextVar[Trace | None]] = ContextVar("sockwave_trace", default=None)
"""The trace of the event, or of the connect, that is being handled."""

SENDING: Final[ContextVar[Span | None]] = ContextVar("sockwave_sending", default=None)
"""The span of an event whose acknowledgement goes to a callback, while it is sent."""


def note_error(span: Span, error: BaseException) -> None:
    """A span has failed."""
    kind = type(error)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    span.record_exception(error)
    span.set_attribute("error.type", f"{module}{kind.__qualname__}")
    span.set_status(Status(StatusCode.ERROR, kind.__name__))


def with_last(packet: EncodedPacket, argument: bytes) -> EncodedPacket:
    """The packet of an event with one more argument, that is JSON; of the default parser."""
    first = packet.text
    if isinstance(first, SharedPacket):
        text = b"%b,%b]" % (first.data[:-1], argument)
        changed: bytes | SharedPacket = SharedPacket(text, compress=first.compress)
    else:
        changed = b"%b,%b]" % (first[:-1], argument)
    return EncodedPacket(changed, packet.size + len(argument) + 1, packet.attachments)


_NEVER: Final = 2**62
"""Events that nobody counts to the end."""


class Tracing:
    """What traces the sockets of one server, or of one client.

    Args:
        provider: Of OpenTelemetry; None for the one of the process.
        sample: Which share of what has no parent is traced.

    Raises:
        TypeError, ValueError: `sample` is no number from 0 to 1.

    Attributes:
        ratio: The same.
        left: Events of clients until one is traced, that one included. So chance is asked once for
            each that is traced, and not for each that is not.
        carriers: Sockets whose peer takes contexts; those of a client by their outbox.
    """

    def __init__(self, provider: TracerProvider | None, sample: float) -> None:
        check_number("sample", sample, 0, 1)
        self.ratio = sample
        self.left: int = 0
        self.draw()
        self.carriers: set[object] = set()
        self._tracer = get_tracer("sockwave", tracer_provider=provider)
        self._last: tuple[EncodedPacket | None, EncodedPacket | None] = (None, None)

    def draw(self) -> None:
        """Draw by chance which event of a client is traced next, as if each had been asked."""
        if self.ratio <= 0:
            self.left = _NEVER
        elif self.ratio >= 1:
            self.left = 1
        else:
            self.left = 1 + int(log(1 - random()) / log(1 - self.ratio))

    def start(
        self,
        operation: str,
        type_: str | None,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, Any],
        parent: SpanContext | None,
        links: Sequence[SpanContext] = (),
    ) -> Span:
        """Begin a span; that it is traced was decided.

        Args:
            operation: What is done, `messaging.operation.name`.
            type_: Which of the operations of messaging that is, if it is one.
            name: Of the event or the namespace, `messaging.destination.name`.
            parent: None for the beginning of a trace.
        """
        told = {
            "messaging.system": SYSTEM,
            "messaging.operation.name": operation,
            "messaging.destination.name": name,
            **attributes,
        }
        if type_ is not None:
            told["messaging.operation.type"] = type_
        above = INVALID_SPAN if parent is None else NonRecordingSpan(parent)
        return self._tracer.start_span(
            f"{operation} {name}",
            set_span_in_context(above),
            kind,
            told,
            [Link(each) for each in links],
        )

    def decide(self) -> tuple[bool, SpanContext | None]:
        """Whether what begins here is traced, and its parent."""
        context = get_current_span().get_span_context()
        if context.is_valid:
            return context.trace_flags.sampled, context
        return random() < self.ratio, None

    def sending(self, name: str, attributes: Mapping[str, Any], *, is_carried: bool) -> Span | None:
        """Begin the span of an event that is sent; None if it is not traced."""
        is_traced, parent = self.decide()
        if not is_traced:
            return None
        kind = SpanKind.PRODUCER if is_carried else SpanKind.CLIENT
        return self.start("emit", "send", name, kind, attributes, parent)

    def outgoing(self, name: str, attributes: Mapping[str, Any]) -> bytes | None:
        """What an event carries to a peer that takes contexts; None if it is not traced.

        Without a span that it is sent in, it has one of its own, which has ended.
        """
        is_traced, context = self.decide()
        if not is_traced:
            return None
        if context is None:
            span = self.start("emit", "send", name, SpanKind.PRODUCER, attributes, None)
            span.end()
            context = span.get_span_context()
        return last_argument(context)

    def carried(
        self, packet: EncodedPacket, name: str, attributes: Mapping[str, Any]
    ) -> EncodedPacket:
        """A packet with the context that it is sent in; the same for all receivers of it."""
        before, after = self._last
        if before is not packet or after is None:
            argument = self.outgoing(name, attributes)
            after = packet if argument is None else with_last(packet, argument)
            self._last = packet, after
        return after


@contextmanager
def sent_in(span: Span) -> Iterator[None]:
    """Wait for an answer in a span; it ends with the wait."""
    token = otel_context.attach(set_span_in_context(span))
    try:
        yield
    except BaseException as error:
        note_error(span, error)
        raise
    finally:
        otel_context.detach(token)
        span.end()


def answered_in(span: Span, done: Callable[[Any], None]) -> Callable[[Any], None]:
    """Call back with an answer, at the end of a span."""

    def told(result: Any) -> None:
        if isinstance(result, BaseException):
            note_error(span, result)
        span.end()
        done(result)

    return told


def emitted_in(span: Span, emit: Callable[..., Any], *args: Any) -> None:
    """Emit in a span what is answered to a callback: `answered_in` ends it."""
    context = copy_context()
    context.run(_enter_sending, span)
    try:
        context.run(emit, *args)
    except BaseException as error:
        note_error(span, error)
        span.end()
        raise


def _enter_sending(span: Span) -> None:
    SENDING.set(span)
    otel_context.attach(set_span_in_context(span))


def network_of(transport: str) -> dict[str, str]:
    """What the conventions say of a transport."""
    protocol, carrier = _ORIGINS.get(transport, (transport, "tcp"))
    return {"network.protocol.name": protocol, "network.transport": carrier}


def event_name(event: Any) -> str:
    """The name of an event, also of a declared one, and of a number as clients may send it."""
    return str.__str__(event) if isinstance(event, str) else str(event)
