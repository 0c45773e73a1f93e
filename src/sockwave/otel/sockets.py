"""Sockets and connections of a server that is traced.

Theory: they are classes that add methods, on top of those that there are (observed.py). An event of
a client that is not traced costs a number that is counted down, and one more call. One that is
traced runs in a context of its own, the whole way through, so that everything that its handlers
start belongs to it; it ends when the last of its handlers has.

With `Order` a handler may begin in the task of another event. So that job keeps the context of its
own event, and has a task in that; and the task that works the lane off is in nobody's.

A client that takes contexts (`tracing.carriers`) has given its word by a key in its CONNECT. Its
socket is never `plain`, so that all that goes to it comes through `deliver`, where the context goes
behind the arguments. To all other clients goes what always does.
"""

from __future__ import annotations

import asyncio
from contextvars import Context, copy_context
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from opentelemetry import context as otel_context

from sockwave.otel.context import take_context
from sockwave.otel.spans import CURRENT, SENDING, Trace, answered_in, emitted_in, sent_in
from sockwave.socketio.core.handshake import TRACE
from sockwave.socketio.core.order import OrderedHandler
from sockwave.socketio.core.outgoing import EncodedPacket
from sockwave.socketio.server.connections.connection import Connection
from sockwave.socketio.server.observed import Kinds
from sockwave.socketio.server.ordered import Job
from sockwave.socketio.server.socket import Socket

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from sockwave.engine.server.sessions.session import ServerSession
    from sockwave.errors import ConnectError
    from sockwave.otel.tracing import ServerTracing
    from sockwave.socketio.core.acks import AckResult
    from sockwave.socketio.core.adapter import BroadcastFlags
    from sockwave.socketio.core.order import Lane
    from sockwave.socketio.core.saved_session import SavedSession
    from sockwave.socketio.server.contracts import MemberConnection, MemberSocket
    from sockwave.socketio.server.namespace import Namespace
    from sockwave.types import DisconnectReason, NamespaceName, SocketId

__all__ = ["traced_kinds"]


class _TracedJob(Job):
    """A handler that has its turn in the context of its own event."""

    def __init__(self, job: Job, trace: Trace) -> None:
        super().__init__(job.socket, job.handler, job.args, job.name, job.answers)
        self.context: Context = copy_context()
        self.trace = trace
        self._is_over = False
        trace.hold()

    def __del__(self) -> None:
        self.over()  # it may have been thrown away, and never have had its turn

    def over(self) -> None:
        """It is done with."""
        if not self._is_over:
            self._is_over = True
            self.trace.release()

    async def ended(self, running: Awaitable[Any]) -> Any:
        """Wait for the handler in its own context, whoever works the lane off."""
        loop = asyncio.get_running_loop()
        return await loop.create_task(_wait(running), context=self.context)


async def _wait(running: Awaitable[Any]) -> Any:
    return await running


class TracedSocket(Socket):
    """A socket whose events are traced."""

    __slots__ = ()

    tracing: ClassVar[ServerTracing]
    plain: ServerSession | None
    take_untraced: ClassVar[Callable[[Socket, list[Any], int | None], None]]
    """`event_received` of the class below: `super` would cost more than the rest."""

    def __init__(
        self,
        namespace: Namespace,
        connection: MemberConnection,
        id_: SocketId,
        auth: dict[str, Any] | None,
        issued: float,
        restored: SavedSession | None,
    ) -> None:
        super().__init__(namespace, connection, id_, auth, issued, restored)
        asking = CURRENT.get()
        if asking is not None and asking.peer_traces:
            self.plain = None
            self.tracing.carriers.add(self)

    # --- in ---------------------------------------------------------------------------------------

    def event_received(self, args: list[Any], id_: int | None) -> None:
        """An event of the client: run its handlers, in a span if it is traced."""
        tracing, parent = self.tracing, None
        if self.plain is not None or self not in tracing.carriers:
            tracing.left = left = tracing.left - 1
            if left > 0:
                self.take_untraced(args, id_)
                return
            tracing.draw()
        elif not tracing.follows(parent := take_context(args)):
            super().event_received(args, id_)
            return
        tracing.process(self, args[0], parent).run(super().event_received, args, id_)

    def _start_handler(self, handler: Coroutine[Any, Any, None]) -> None:
        trace = CURRENT.get()
        if trace is None:
            super()._start_handler(handler)
            return
        task = self._driver.start(handler)
        if task is not None:
            trace.follow(task)
            self._connection.handler_started(task)

    def handler_failed(self, event: str, error: BaseException) -> None:
        """Report a handler's exception, to its span, too."""
        if (trace := CURRENT.get()) is not None:
            trace.failed(error)
        super().handler_failed(event, error)

    # --- handlers that wait for their turn --------------------------------------------------------

    def _run_in_order(self, job: Job, args: list[Any]) -> None:
        trace = CURRENT.get()
        if trace is not None and (
            self.namespace.order is not None or isinstance(job.handler, OrderedHandler)
        ):
            job = _TracedJob(job, trace)
        super()._run_in_order(job, args)

    def _call(self, job: Job) -> Awaitable[Any] | None:
        if not isinstance(job, _TracedJob):
            return super()._call(job)
        running = job.context.run(super()._call, job)
        if running is not None:
            return job.ended(running)
        job.over()
        return None

    async def end_job(self, job: Job, running: Awaitable[Any]) -> None:
        """Wait for a handler; one that fails is one of its own event."""
        traced = job if isinstance(job, _TracedJob) else None
        CURRENT.set(None if traced is None else traced.trace)
        try:
            await super().end_job(job, running)
        finally:
            if traced is not None:
                traced.over()

    async def _work_off(
        self, lane: Lane[Job], job: Job, running: Awaitable[Any], *, alone: bool
    ) -> None:
        if CURRENT.get() is not None:
            otel_context.attach(otel_context.Context())  # other events follow
        await super()._work_off(lane, job, running, alone=alone)

    # --- out --------------------------------------------------------------------------------------

    def deliver(self, packet: EncodedPacket, args: Sequence[Any], flags: BroadcastFlags) -> None:
        """Send an event that is encoded already, with the context if the client takes it."""
        if self in self.tracing.carriers:
            packet = self.tracing.carried(packet, str(args[0]), self.tracing.about(self))
        super().deliver(packet, args, flags)

    def emit_flagged(
        self, args: tuple[Any, ...], flags: BroadcastFlags, ack: Callable[..., object] | None
    ) -> None:
        """Emit; with a callback in a span that ends with the answer."""
        span = None if ack is None else self.tracing.emitting(self, args[0])
        if span is None:
            super().emit_flagged(args, flags, ack)
        else:
            emitted_in(span, super().emit_flagged, args, flags, ack)

    def _answered(
        self, ack: Callable[..., object], flags: BroadcastFlags
    ) -> Callable[[AckResult], None]:
        done, span = super()._answered(ack, flags), SENDING.get()
        return done if span is None else answered_in(span, done)

    async def _send_and_wait(
        self, packet: EncodedPacket, args: Sequence[Any], id_: int, flags: BroadcastFlags
    ) -> Any:
        if self._driver.is_elsewhere():
            return await super()._send_and_wait(packet, args, id_, flags)
        span = self.tracing.emitting(self, args[0])
        if span is None:
            return await super()._send_and_wait(packet, args, id_, flags)
        with sent_in(span):
            return await super()._send_and_wait(packet, args, id_, flags)

    # --- gone -------------------------------------------------------------------------------------

    def tell_left(self, reason: DisconnectReason, description: str) -> None:
        """It has left: its handlers hear of it."""
        self.tracing.carriers.discard(self)
        super().tell_left(reason, description)

    def forget_handlers(self) -> None:
        """Nothing happens to it any more."""
        self.tracing.carriers.discard(self)
        super().forget_handlers()


class TracedConnection(Connection):
    """A connection whose connects are traced."""

    __slots__ = ()

    tracing: ClassVar[ServerTracing]

    def _connect_received(
        self, name: NamespaceName, auth: dict[str, Any] | None, size: int
    ) -> None:
        trace = self.tracing.connect(self.session, name, auth)
        if trace is None:
            super()._connect_received(name, auth, size)
        else:
            trace.run(super()._connect_received, name, auth, size)

    def _wait(
        self, name: NamespaceName, socket: MemberSocket | None, deciding: Coroutine[Any, Any, None]
    ) -> None:
        trace = CURRENT.get()
        super()._wait(name, socket, deciding if trace is None else trace.until(deciding))

    def _finish_connection(
        self, socket: MemberSocket, running: Awaitable[object]
    ) -> Coroutine[Any, Any, None]:
        trace, finishing = CURRENT.get(), super()._finish_connection(socket, running)
        return finishing if trace is None else trace.until(finishing)

    def _send_connect_error(self, name: NamespaceName, error: ConnectError) -> None:
        if (trace := CURRENT.get()) is not None:
            trace.ended_early("ConnectError", error.message)
        super()._send_connect_error(name, error)

    def _connect_reply(self, socket: MemberSocket) -> EncodedPacket:
        reply = super()._connect_reply(socket)
        if socket not in self.tracing.carriers or not isinstance(reply.text, bytes):
            return reply
        text = b'%b,"%b":1}' % (reply.text[:-1], TRACE.encode())
        return EncodedPacket(text, len(text))


def traced_kinds(tracing: ServerTracing) -> Callable[[Kinds], Kinds]:
    """Gives the classes of one server, on top of any."""

    @cache
    def built(kinds: Kinds) -> Kinds:
        own = {"__slots__": (), "tracing": tracing}
        return Kinds(
            type(
                "TracedSocket",
                (TracedSocket, kinds.socket),
                own | {"take_untraced": kinds.socket.event_received},
            ),
            *(type("TracedConnection", (TracedConnection, each), dict(own)) for each in kinds[1:]),
        )

    return built
