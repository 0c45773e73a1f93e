"""OpenTelemetry of a client.

Theory: as on the server (sockets.py), a socket, its life and its outbox become of classes that add
methods. With its CONNECT the socket tells the server that it takes contexts. If the server's answer
says the same, what is emitted carries one from then on, and what comes may have one. Whether it
does is decided at `emit`, and asked again when the event is sent: it may have waited for another
connection, to a server that knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import random
from typing import TYPE_CHECKING, Any, ClassVar

from opentelemetry.trace import SpanKind

from sockwave.otel.context import take_context, to_text
from sockwave.otel.spans import (
    CURRENT,
    SENDING,
    Trace,
    Tracing,
    answered_in,
    emitted_in,
    event_name,
    note_error,
    sent_in,
    with_last,
)
from sockwave.socketio.client.life import Life
from sockwave.socketio.client.manager import Manager
from sockwave.socketio.client.outbox import Outbox
from sockwave.socketio.client.socket import ClientKinds, ClientSocket
from sockwave.socketio.client.states import State
from sockwave.socketio.core.encoded_event import EncodedEvent
from sockwave.socketio.core.handshake import TRACE

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from opentelemetry.trace import Span, SpanContext, TracerProvider

    from sockwave.engine.core.client_session import ClientSession
    from sockwave.errors import SockwaveError
    from sockwave.socketio.core.acks import AckResult
    from sockwave.socketio.core.adapter import BroadcastFlags
    from sockwave.socketio.core.outgoing import EncodedPacket
    from sockwave.types import DisconnectReason

__all__ = ["instrument_client"]


def instrument_client(
    client: Manager | ClientSocket,
    *,
    tracer_provider: TracerProvider | None = None,
    sample: float = 1.0,
) -> None:
    """Trace a client: its connects, its events with their handlers, and its acknowledgements.

        async with connect("https://example.com") as socket: ...     # not traced
        socket = connect("https://example.com")
        instrument_client(socket)                                     # traced
        async with socket: ...

    A server of this library that is traced, too (`OpenTelemetry`), and the client carry the context
    to each other. A server that is not is told in `auth` that the client could, in the key
    `sockwave.trace`, and nothing else. It holds for all sockets of the manager, as long as it does.

    Args:
        client: A manager, or a socket of one.
        tracer_provider: Of the SDK; None for the one of the process.
        sample: Which share of what has no parent is traced, from 0 to 1.

    Raises:
        TypeError: It is no such client, or `sample` is no number.
        ValueError: `sample` is not from 0 to 1, or the client is traced already.
    """
    manager = client.manager if isinstance(client, ClientSocket) else client
    if not isinstance(manager, Manager):
        raise TypeError(
            "instrument_client needs a Manager or a socket of one, as connect(...) gives it, not"
            f" {type(client).__name__}"
        )
    tracing = ClientTracing(manager, tracer_provider, sample)
    kinds = ClientKinds(
        *(
            type(kind.__name__, (kind,), {"__slots__": (), "tracing": tracing})
            for kind in (_TracedSocket, _TracedLife, _TracedOutbox)
        )
    )
    manager.on_socket(lambda socket: socket.become(kinds))


class ClientTracing(Tracing):
    """What traces a client."""

    def __init__(self, manager: Manager, provider: TracerProvider | None, sample: float) -> None:
        super().__init__(provider, sample)
        self.can_carry: bool = manager.parser is None
        self._joining: dict[Life, Span] = {}

    def joining(self, life: Life) -> str:
        """A socket asks to be let in; what the server is told of it."""
        self.joined(life, None)
        is_traced, parent = self.decide()
        if not is_traced:
            return ""
        span = self.start("connect", None, life.namespace, SpanKind.CLIENT, {}, parent)
        self._joining[life] = span
        return to_text(span.get_span_context())

    def joined(self, life: Life, error: BaseException | None) -> None:
        """It was let in, or not."""
        span = self._joining.pop(life, None)
        if span is not None:
            if error is not None:
                note_error(span, error)
            span.end()

    def process(self, life: Life, event: Any, parent: SpanContext | None) -> Trace:
        """Begin the span of an event of the server; that it is traced was decided."""
        about = self.about(life.namespace)
        name = event_name(event)
        return Trace(self.start("process", "process", name, SpanKind.CONSUMER, about, parent))

    def about(self, namespace: str) -> dict[str, str]:
        """What all spans of a socket tell."""
        return {"socketio.namespace": namespace}


class _TracedSocket(ClientSocket):
    """A socket whose handlers run in spans."""

    __slots__ = ()

    tracing: ClassVar[ClientTracing]

    def _start_handler(self, handler: Coroutine[Any, Any, None]) -> None:
        trace = CURRENT.get()
        if trace is None:
            super()._start_handler(handler)
            return
        task = self._runtime.start_handler(handler)
        if task is not None:
            trace.follow(task)
            self.manager.handler_started(task)

    def handler_failed(self, event: str, error: BaseException) -> None:
        """Report a handler's exception, to its span, too."""
        if (trace := CURRENT.get()) is not None:
            trace.failed(error)
        super().handler_failed(event, error)


class _TracedLife(Life):
    """The way of such a socket in and out."""

    __slots__ = ()

    tracing: ClassVar[ClientTracing]

    def send_connect(self, session: ClientSession, auth: Any) -> None:
        """Send the CONNECT packet, with the word that contexts are taken."""
        if self.tracing.can_carry and (auth is None or isinstance(auth, Mapping)):
            auth = {**(auth or {}), TRACE: self.tracing.joining(self)}
        super().send_connect(session, auth)

    def accepted(self, data: dict[str, Any] | None, session: ClientSession) -> None:
        """The server's CONNECT."""
        tracing = self.tracing
        if self.state is not State.CONNECTED:
            if tracing.can_carry and data and TRACE in data:
                tracing.carriers.add(self.outbox)
            else:
                tracing.carriers.discard(self.outbox)
        tracing.joined(self, None)
        super().accepted(data, session)

    def event_received(self, args: list[Any], id_: int | None) -> None:
        """An event of the server: run its handlers, in a span if it is traced."""
        tracing, parent = self.tracing, None
        if self.state is not State.CONNECTED:
            super().event_received(args, id_)
            return
        if self.outbox not in tracing.carriers:
            if random() >= tracing.ratio:
                super().event_received(args, id_)
                return
        elif (parent := take_context(args)) is None or not parent.trace_flags.sampled:
            super().event_received(args, id_)
            return
        tracing.process(self, args[0], parent).run(super().event_received, args, id_)

    def attempt_failed(self, error: SockwaveError) -> None:
        """An attempt failed."""
        self.tracing.joined(self, error)
        super().attempt_failed(error)

    def refused(self, data: Any) -> None:
        """The server's CONNECT_ERROR."""
        super().refused(data)
        self.tracing.joined(self, self.last_error)

    def disconnect(self) -> None:
        """Leave the namespace."""
        super().disconnect()
        self.tracing.joined(self, None)

    def lost(self, reason: DisconnectReason, error: SockwaveError | None) -> None:
        """The connection is gone."""
        self.tracing.joined(self, error)
        super().lost(reason, error)


class _TracedOutbox(Outbox):
    """The way out of such a socket."""

    __slots__ = ()

    tracing: ClassVar[ClientTracing]

    def open(self, session: ClientSession) -> None:
        """The socket is connected; its events take the long way where they carry contexts."""
        super().open(session)
        if self.carries:
            self.direct = None

    @property
    def carries(self) -> bool:
        """Whether the server takes contexts."""
        return self in self.tracing.carriers

    def _sending(self, event: Any) -> Span | None:
        about = self.tracing.about(self._namespace)
        return self.tracing.sending(event_name(event), about, is_carried=self.carries)

    def emit_flagged(
        self, args: tuple[Any, ...], flags: BroadcastFlags, ack: Callable[..., object] | None
    ) -> None:
        """Emit; with a callback in a span that ends with the answer."""
        span = None if ack is None else self._sending(args[0])
        if span is None:
            super().emit_flagged(args, flags, ack)
        else:
            emitted_in(span, super().emit_flagged, args, flags, ack)

    async def _send_and_wait(self, event: EncodedEvent, flags: BroadcastFlags) -> Any:
        if self._runtime.is_elsewhere():
            return await super()._send_and_wait(event, flags)
        span = self._sending(event[0])
        if span is None:
            return await super()._send_and_wait(event, flags)
        with sent_in(span):
            return await super()._send_and_wait(event, flags)

    def _emit_encoded(
        self,
        encoded: EncodedEvent,
        flags: BroadcastFlags,
        done: Callable[[AckResult], None] | None,
    ) -> int | None:
        span = SENDING.get()
        if span is not None and done is not None:
            done = answered_in(span, done)
        if self.carries or (self.session is None and self.tracing.can_carry):
            argument = self.tracing.outgoing(str(encoded[0]), self.tracing.about(self._namespace))
            if argument is not None:
                encoded = _CarryingEvent.of(encoded, self._namespace, self, argument)
        return super()._emit_encoded(encoded, flags, done)


class _CarryingEvent(EncodedEvent):
    """An event that has its context behind its arguments, where the server takes it."""

    __slots__ = ("argument", "outbox")

    argument: bytes
    outbox: _TracedOutbox

    @classmethod
    def of(
        cls, encoded: EncodedEvent, namespace: str, outbox: _TracedOutbox, argument: bytes
    ) -> EncodedEvent:
        """Make one of an event that is encoded already, with the default parser."""
        parts = encoded.parts
        if parts is None:
            return encoded
        event = cls.received(*parts, namespace)
        event.argument, event.outbox = argument, outbox
        return event

    def packet(self, id_: int | None = None, **how: Any) -> EncodedPacket:
        """Build the packet, when it is known which server it goes to."""
        packet = super().packet(id_, **how)
        return with_last(packet, self.argument) if self.outbox.carries else packet
