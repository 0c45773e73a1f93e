"""The side of a socket that events go out from: to its client, with or without an answer.

Theory: what is emitted in the thread of the event loop is encoded and queued on the session at
once, so that the order of calls is the order of packets. In any other thread it is encoded in
place, since errors are the caller's and arguments may change later, and the packet is handed to the
loop. Where lost sockets may come back, events without an answer go through the adapter, which logs
them; those of a middleware do not, as the socket may never be let in.

Whoever waits for an answer is in the table of acknowledgements until one of three things comes: the
answer, the end of its time, the end of the socket.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from sockwave.codec.socketio import Packet, PacketType
from sockwave.debug import shortened
from sockwave.errors import Disconnected, LimitExceeded, SockwaveError
from sockwave.socketio.core.acks import AckResult, AckTable, ack_value
from sockwave.socketio.core.encoded_event import EncodedEvent
from sockwave.socketio.core.events import answered, packed
from sockwave.socketio.core.outgoing import encode
from sockwave.socketio.server.dispatch import EventNamespace, IncomingEvents
from sockwave.socketio.server.states import IN, UNHEARD, State

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from sockwave.socketio.core.adapter import BroadcastFlags
    from sockwave.socketio.core.outgoing import EncodedPacket
    from sockwave.socketio.server.contracts import MemberConnection
    from sockwave.socketio.server.options import ServerOptions
    from sockwave.socketio.server.recovery import NamespaceRecovery
    from sockwave.types import DisconnectReason, SocketId

__all__ = ["EmitNamespace", "EmitServer", "OutgoingEvents"]

_CONNECTING: Final = State.CONNECTING


class EmitServer(Protocol):
    """Whose options hold."""

    options: ServerOptions


class EmitNamespace(EventNamespace, Protocol):
    """What outgoing events see of their namespace, too."""

    event_prefix: bytes

    @property
    def server(self) -> EmitServer:
        """Whose namespace it is."""

    @property
    def recovery(self) -> NamespaceRecovery | None:
        """Where events go that lost sockets may miss."""

    def next_ack_id(self) -> int:
        """An id for an event that asks for an answer."""


N = TypeVar("N", bound=EmitNamespace)


class OutgoingEvents(IncomingEvents[N]):
    """Events to one client in one namespace, and its answers; a base of `Socket`.

    Attributes:
        id: Of the socket.
        pid: Its secret, with which the client can take it up again after a loss; None where it
            cannot. See `Recovery`.
    """

    __slots__ = ("_acks", "_drain_waiters", "id", "pid")

    def __init__(
        self, namespace: N, connection: MemberConnection, id_: SocketId, pid: str | None
    ) -> None:
        super().__init__(namespace, connection)
        self.id: SocketId = id_
        self.pid: str | None = pid
        self._acks: AckTable | None = None
        self._drain_waiters: list[asyncio.Future[None]] | None = None

    def ack_received(self, id_: int | None, args: tuple[Any, ...]) -> None:
        """The client answers."""
        if self._acks is not None:
            self._acks.received(id_, args)

    def deliver(self, packet: EncodedPacket, args: Sequence[Any], flags: BroadcastFlags) -> None:
        """Send an event that is encoded already."""
        if self.plain is None:
            for hook in self.listeners_any_outgoing():
                self._run(hook, args, "on_any_outgoing")
        session = self._session
        if flags.volatile and not session.is_writable:
            return
        if packet.attachments:
            packet.queue_on(session)
        else:
            session.send_packet(packet.text, packet.size)

    def expect_ack(self, id_: int, done: Callable[[AckResult], None]) -> None:
        """Wait for this socket's answer to a broadcast."""
        self._ack_table().expect(id_, done, None)

    def forget_ack(self, id_: int) -> None:
        """Do not wait for it any longer."""
        if self._acks is not None:
            self._acks.cancel(id_)

    def unreachable(self, reason: DisconnectReason) -> None:
        """Nobody answers any more, and nobody takes what was sent: whoever waits hears of it."""
        if self._acks is not None:
            self._acks.disconnected(reason)
        if self._drain_waiters is not None:
            self.drained()

    def drained(self) -> None:
        """Wake those who wait in `drain`."""
        waiters, self._drain_waiters = self._drain_waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    async def _drain(self) -> None:
        await asyncio.sleep(0)  # lets this turn's packets go to the transport
        while self.state not in UNHEARD and self._session.backlog:
            if self._drain_waiters is None:
                self._drain_waiters = []
            waiter = self._driver.loop.create_future()
            self._drain_waiters.append(waiter)
            await waiter
        if self.state in UNHEARD:
            raise Disconnected("while draining")

    def emit_flagged(
        self, args: tuple[Any, ...], flags: BroadcastFlags, ack: Callable[..., object] | None
    ) -> None:
        """Emit with whatever flags, from whatever thread."""
        if args[0].__class__ is not str:
            args = packed(args, checked=self.namespace.checks.development)
        if self._driver.debug:
            self._say("%s goes out with %d arguments", shortened(args[0]), len(args) - 1)
        if self._driver.is_foreign_thread():
            self._emit_from_thread(args, flags, ack)
        elif ack is not None:
            id_ = self.namespace.next_ack_id()
            packet = self._packet(args, id_, flags)
            self._send_expecting(packet, args, id_, flags, self._answered(ack, flags))
        else:
            self._emit_or_log(args, flags)

    def _emit_or_log(self, args: Sequence[Any], flags: BroadcastFlags) -> None:
        """In the loop's thread, and nobody waits for an answer."""
        recovery = self.namespace.recovery
        if recovery is None or self.state is _CONNECTING:
            self._deliver_unless_gone(self._packet(args, None, flags), args, flags)
        elif self.pid is not None or self.state in IN:
            recovery.emit(self.id, args, flags)

    def _emit_from_thread(
        self, args: tuple[Any, ...], flags: BroadcastFlags, ack: Callable[..., object] | None
    ) -> None:
        """Encode in the caller's thread, whose errors are its own, and hand over to the loop."""
        hand_over = self._driver.call_from_thread
        namespace = self.namespace
        id_ = None if ack is None else namespace.next_ack_id()
        event = EncodedEvent(args, namespace.name, namespace.parser, id_).frozen()
        if ack is None and namespace.recovery is not None:
            hand_over(self._emit_or_log, event, flags)
            return
        packet = event.packet(id_, compress=flags.compress)
        if ack is None or id_ is None:
            hand_over(self._deliver_unless_gone, packet, event, flags)
        else:
            self._check_acks()
            hand_over(self._expect_for_thread, packet, event, id_, flags, ack)

    def _deliver_unless_gone(
        self, packet: EncodedPacket, args: Sequence[Any], flags: BroadcastFlags
    ) -> None:
        if self.state not in UNHEARD:
            self.deliver(packet, args, flags)

    def _send_expecting(
        self,
        packet: EncodedPacket,
        args: Sequence[Any],
        id_: int,
        flags: BroadcastFlags,
        done: Callable[[AckResult], None],
    ) -> None:
        """Send an event with an id, and wait for its answer."""
        if self.state in UNHEARD:
            done(Disconnected("before the event was sent"))
            return
        timeout = flags.timeout
        if timeout is None:
            timeout = self.namespace.server.options.ack_timeout
        self._ack_table().expect(id_, done, timeout)
        if (recovery := self.namespace.recovery) is not None:
            recovery.hasten(self.id)
        self.deliver(packet, args, flags)

    def _expect_for_thread(
        self,
        packet: EncodedPacket,
        args: Sequence[Any],
        id_: int,
        flags: BroadcastFlags,
        ack: Callable[..., object],
    ) -> None:
        done = self._answered(ack, flags)
        try:
            self._send_expecting(packet, args, id_, flags, done)
        except LimitExceeded as error:  # others were faster since the caller's own check
            self.handler_failed(str(args[0]), error)
            done(error)

    def _check_acks(self) -> None:
        if self._acks is not None:
            self._acks.check_room()

    def emit_flagged_and_wait(
        self, args: tuple[Any, ...], flags: BroadcastFlags
    ) -> Coroutine[Any, Any, Any]:
        """Encode now; then, as it is awaited, send with flags and wait for the answer."""
        if (event := args[0]).__class__ is not str:
            args = packed(args, checked=self.namespace.checks.development)
            return answered(event, self.emit_flagged_and_wait(args, flags))
        id_ = self.namespace.next_ack_id()
        if not self._driver.is_elsewhere():
            return self._send_and_wait(self._packet(args, id_, flags), args, id_, flags)
        event = EncodedEvent(args, self.namespace.name, self.namespace.parser, id_).frozen()
        packet = event.packet(id_, compress=flags.compress)
        return self._send_and_wait(packet, event, id_, flags)

    async def _send_and_wait(
        self, packet: EncodedPacket, args: Sequence[Any], id_: int, flags: BroadcastFlags
    ) -> Any:
        if self._driver.is_elsewhere():
            return await self._driver.visit(self._send_and_wait(packet, args, id_, flags))
        answer: asyncio.Future[Any] = self._driver.loop.create_future()

        def done(result: AckResult) -> None:
            if answer.done():
                return
            if isinstance(result, SockwaveError):
                answer.set_exception(result)
            else:
                answer.set_result(ack_value(result))

        self._send_expecting(packet, args, id_, flags, done)
        try:
            return await answer
        finally:
            self.forget_ack(id_)

    def _answered(
        self, ack: Callable[..., object], flags: BroadcastFlags
    ) -> Callable[[AckResult], None]:
        """Run a user's callback as a handler: with (error, *args) where a time-out was set."""

        def done(result: AckResult) -> None:
            if flags.timeout is None:
                if not isinstance(result, SockwaveError):
                    self._run(ack, result, "acknowledgement")
            elif isinstance(result, SockwaveError):
                self._run(ack, (result,), "acknowledgement")
            else:
                self._run(ack, (None, *result), "acknowledgement")

        return done

    def _packet(self, args: Sequence[Any], id_: int | None, flags: BroadcastFlags) -> EncodedPacket:
        if type(args) is EncodedEvent:
            return args.packet(id_, compress=flags.compress)
        packet = Packet(PacketType.EVENT, self.namespace.name, id_, args)
        return encode(packet, compress=flags.compress, parser=self.namespace.parser)

    def _ack_table(self) -> AckTable:
        if self._acks is None:
            self._acks = AckTable(self._driver, self.namespace.server.options.max_pending_acks)
        return self._acks
