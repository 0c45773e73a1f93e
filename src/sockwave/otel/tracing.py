"""What is traced of a server, and as what: sessions, connects, events, and what it sends."""

from __future__ import annotations

from contextvars import copy_context
from random import random
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry.trace import (
    INVALID_SPAN,
    NonRecordingSpan,
    SpanKind,
    get_current_span,
    set_span_in_context,
)

from sockwave.otel.context import parse_context, to_text
from sockwave.otel.spans import Trace, Tracing, event_name, network_of, sent_in
from sockwave.socketio.core.handshake import TRACE

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from opentelemetry.trace import Span, SpanContext, TracerProvider

    from sockwave.engine.core.request import Request
    from sockwave.engine.server.sessions.session import ServerSession
    from sockwave.observe import SessionClosed, SessionOpened
    from sockwave.socketio.server.server import Server
    from sockwave.socketio.server.socket import Socket
    from sockwave.types import NamespaceName

__all__ = ["ServerTracing"]

OTHER = "other"
"""Stands for the name of an event that nobody handles: clients may send any, and any number."""


class ServerTracing(Tracing):
    """What traces a server.

    Args:
        trust_clients: Whether what clients say of traces decides; else it is a link.
    """

    def __init__(
        self,
        server: Server,
        provider: TracerProvider | None,
        sample: float,
        *,
        trust_clients: bool,
    ) -> None:
        super().__init__(provider, sample)
        self._server = server
        self._trusts = trust_clients
        # Handshakes that are traced, or were not to be by who asked: by the id of the session.
        self._sessions: dict[str, SpanContext] = {}

    # --- sessions ---------------------------------------------------------------------------------

    def opened(self, seen: SessionOpened) -> None:
        """A session has begun; its handshake is over."""
        session = self._server.engine.sessions.get(seen.session)
        parent, links = self._place(None if session is None else _parent_of(session.request))
        if not (random() < self.ratio if parent is None else parent.trace_flags.sampled):
            return
        about = network_of(seen.transport)
        if seen.address:
            about["client.address"] = seen.address
        name = self._server.path
        span = self.start("open", None, name, SpanKind.SERVER, about, parent, links)
        span.end()
        self._sessions[seen.session] = span.get_span_context()

    def closed(self, seen: SessionClosed) -> None:
        """It is over."""
        self._sessions.pop(seen.session, None)

    def _place(
        self, told: SpanContext | None
    ) -> tuple[SpanContext | None, tuple[SpanContext, ...]]:
        """Parent and links of what has a context of a client."""
        if self._trusts or told is None:
            return told, ()
        return None, (told,)

    # --- broadcasts, and other processes ----------------------------------------------------------

    def asking(
        self, namespace: str, event: str, collecting: Coroutine[Any, Any, None]
    ) -> Coroutine[Any, Any, None]:
        """What collects the answers to a broadcast, in a span if it is traced."""
        span = self.sending(event, {"socketio.namespace": namespace}, is_carried=True)
        return collecting if span is None else _asked_in(span, collecting)

    def current(self) -> str | None:
        """The context that something is sent to other servers in."""
        context = get_current_span().get_span_context()
        return to_text(context) if context.is_valid and context.trace_flags.sampled else None

    def run_in(self, context: object, function: Callable[..., object], *args: Any) -> None:
        """Do what another server has sent in its context."""
        parent = parse_context(context)
        if parent is None:
            function(*args)
        else:
            copy_context().run(_run_below, parent, function, args)

    # --- connects ---------------------------------------------------------------------------------

    def connect(
        self, session: ServerSession, name: NamespaceName, auth: dict[str, Any] | None
    ) -> Trace | None:
        """Begin the span of a client that asks for a namespace; None if there is nothing to note.

        The client may say in its CONNECT what its own span is; else it is that of the handshake.
        """
        told = auth.get(TRACE) if auth else None
        is_ours = isinstance(told, str) and self._server.parser is None and session.protocol == 4
        context = parse_context(told) if is_ours else None
        if context is None and auth and not is_ours:
            context = parse_context(auth.get("traceparent"))
        parent, links = self._place(context)
        handshake = self._sessions.get(session.id)
        if parent is None and (not is_ours or not self._trusts):
            parent = handshake
        elif handshake is not None:
            links = (handshake,)
        if parent is None or not parent.trace_flags.sampled:
            return Trace(INVALID_SPAN, peer_traces=True) if is_ours else None
        known = name if self._server.find_namespace(name) is not None else OTHER
        about = network_of(session.transport.name)
        span = self.start("connect", None, known, SpanKind.SERVER, about, parent, links)
        return Trace(span, peer_traces=is_ours)

    # --- events -----------------------------------------------------------------------------------

    def follows(self, context: SpanContext | None) -> bool:
        """Whether an event of a client that takes contexts is traced; it came with this one."""
        if self._trusts:
            return context is not None and context.trace_flags.sampled
        return random() < self.ratio

    def process(self, socket: Socket, event: Any, parent: SpanContext | None) -> Trace:
        """Begin the span of an event of a client; that it is traced was decided.

        One that a client has sent without a context has a trace of its own, with a link to the
        handshake: else all events of a long connection would be in one.
        """
        name = event_name(event)
        if not socket.handles(name):
            name = OTHER
        parent, links = self._place(parent)
        if (
            not links
            and parent is None
            and (handshake := self._sessions.get(socket.conn.id)) is not None
        ):
            links = (handshake,)
        about = self.about(socket)
        return Trace(
            self.start("process", "process", name, SpanKind.CONSUMER, about, parent, links)
        )

    def emitting(self, socket: Socket, event: Any) -> Span | None:
        """Begin the span of an event that a client is to acknowledge; None if it is not traced."""
        return self.sending(
            event_name(event), self.about(socket), is_carried=socket in self.carriers
        )

    def about(self, socket: Socket) -> dict[str, str]:
        """What all spans of a socket tell."""
        return {
            "socketio.namespace": socket.namespace.name,
            "messaging.client.id": socket.id_in_logs,
            **network_of(socket.conn.transport.name),
        }


def _parent_of(request: Request) -> SpanContext | None:
    """The context of a handshake: of its header, or of the query, as browsers can set no header."""
    told = request.headers.get("traceparent") or request.query.get("traceparent")
    return parse_context(told)


def _run_below(parent: SpanContext, function: Callable[..., object], args: Any) -> None:
    otel_context.attach(set_span_in_context(NonRecordingSpan(parent)))
    function(*args)


async def _asked_in(span: Span, collecting: Coroutine[Any, Any, None]) -> None:
    with sent_in(span):
        await collecting
