"""One connection of a client: decodes its packets and routes them to its sockets.

There is one socket per namespace. What breaks the protocol is judged here
(docs/protocol/violations.md): only this connection ends, with one line in the log.

Theory: the connection is the sink of its session, and takes each packet in the turn in which it
comes. It is that only as long as handlers keep up: when too many wait, the intake is the sink in
its place, keeps events as they came, and hands them back, in order, through `take_text` and its
like. So `text_message` may be called for a packet that came long ago, of a client that has gone.

Text whose attachments are missing is with the reassembler; until they are there nothing else but
attachments may come. A session that ends is the end of all sockets, at once, unless the client has
said goodbye behind events that wait: then these have their turn first (`_end` is set, and sockets
are UNREACHABLE), until the last of them was begun, or `close_timeout` is over.

Must never happen: a handler that has begun and is not counted (`_fresh` is looked at behind each
packet), a packet for a socket that has left, a fault of one client that others notice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sockwave.codec.engineio import check_utf8
from sockwave.codec.socketio import (
    EVENT_DIGIT,
    Packet,
    PacketType,
    Reassembler,
    decode_packet,
    decode_short,
    short_size,
)
from sockwave.engine.core.states import State
from sockwave.engine.core.transport import has_said_goodbye
from sockwave.engine.server.peer_log import quoted
from sockwave.errors import PacketError, TextEncodingError
from sockwave.socketio.core.handshake import without_trace
from sockwave.socketio.core.intake import Intake
from sockwave.socketio.core.weight import weight_of_text
from sockwave.socketio.server.lifecycle import Lifecycle
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from sockwave.engine.server.sessions.session import ServerSession
    from sockwave.socketio.server.contracts import MemberServer
    from sockwave.types import NamespaceName

__all__ = ["Connection"]

_EVENT: Final = PacketType.EVENT
_UNEXPECTED_TEXT: Final = "got plaintext data when reconstructing a packet"
_ACK: Final = PacketType.ACK
_JOIN_MAIN: Final = Packet(PacketType.CONNECT, "/", None, None)


class Connection(Lifecycle):
    """Packets of one session to its sockets; the session's sink.

    Its deadline is that of the first namespace; then that of attachments, or of handlers that the
    end of the session waits for.
    """

    __slots__ = (
        "_fresh",
        "_intake",
        "_max_attachments",
        "_max_depth",
        "_reassembler",
        "_short_size",
        "_text_weight",
    )

    def __init__(self, server: MemberServer, session: ServerSession) -> None:
        super().__init__(server, session)
        options = server.options
        self._reassembler: Reassembler | None = None
        self._intake: Intake | None = None
        # Handlers that have begun with the packet that is being taken, and wait.
        self._fresh: Sequence[Hashable] = ()
        self._text_weight = 0
        self._max_attachments = options.max_attachments
        self._max_depth = options.max_depth
        self._short_size = short_size(options.max_depth)
        session.sink = self

    # --- from the session -------------------------------------------------------------------------

    def text_message(self, packet: bytes) -> None:
        """Decode a packet and hand it to its socket."""
        # The path of most packets: of `/`, and too short to be nested too deep.
        socket = self._main
        if (
            socket is not None
            and 2 < len(packet) <= self._short_size
            and (self._reassembler is None or not self._reassembler.is_waiting)
            and (short := decode_short(packet)) is not None
        ):
            id_, data = short
            if packet[1] == EVENT_DIGIT:
                socket.event_received(data, id_)
            else:
                socket.ack_received(id_, tuple(data))
            if self._fresh:
                self._charge(weight_of_text(packet))
        else:
            self._any_text(packet)

    def _any_text(self, packet: bytes) -> None:
        if packet == b"40" and self._reassembler is None:  # the first of most clients
            self._packet_received(_JOIN_MAIN, len(packet))
            if self._fresh:
                self._charge(len(packet))
            return
        try:
            type_, namespace, id_, data, attachments = decoded = decode_packet(
                packet, max_attachments=self._max_attachments, max_depth=self._max_depth
            )
            if self._reassembler is not None and self._reassembler.is_waiting:
                raise PacketError(_UNEXPECTED_TEXT)
        except TextEncodingError:
            raise
        except PacketError as error:
            check_utf8(packet)  # where it is not, that is the first fault
            waits = self._reassembler is not None and self._reassembler.is_waiting
            self._invalid(PacketError(_UNEXPECTED_TEXT) if waits else error)
            return
        if attachments:
            self._text_weight = weight_of_text(packet)
            self._begin_binary(decoded)
            return
        if type_ is _EVENT:
            socket = self._main if namespace == "/" else self._joined(namespace)
            if socket is not None:
                socket.event_received(data, id_)
                if self._fresh:
                    self._charge(weight_of_text(packet))
            elif not self._was_taken_out(namespace):
                what = "event for a namespace that was not joined:"
                self._violated(what, quoted(namespace))
        else:
            self._packet_received(decoded, len(packet))
            if self._fresh:
                self._charge(weight_of_text(packet))

    def binary_message(self, data: bytes) -> None:
        """Take an attachment."""
        reassembler = self._reassembler
        try:
            if reassembler is None:
                raise PacketError("got binary data when not reconstructing a packet")
            packet = reassembler.add(data)
        except PacketError as error:
            self._invalid(error)
            return
        if packet is None:
            return
        if self._end is None:
            self.driver.cancel(self)
        socket = self._joined(packet.namespace)
        if socket is None:
            return  # it left while its attachments came
        if packet.type is _EVENT:
            socket.event_received(packet.data, packet.id)
        else:
            socket.ack_received(packet.id, tuple(packet.data))
        if self._fresh:
            self._charge(self._text_weight + reassembler.size)

    def session_drained(self) -> None:
        """Wake those who wait in `socket.drain`."""
        for socket in self.sockets():
            socket.drained()
        self.session.session_drained()

    def session_closed(self, reason: DisconnectReason, description: str) -> None:
        """The connection is over, and so are its sockets.

        Where the client has said goodbye, what it had sent before that has its turn first.
        """
        if (
            self._intake is not None
            and self._intake.has_waiting
            and (self._intake.has_goodbye or has_said_goodbye(reason, description))
        ):
            self._end = reason, description
            self.driver.schedule(self, self.driver.clock() + self.driver.options.close_timeout)
            self._session_over(reason)
        else:
            self._end_sockets(reason, description)

    def _end_sockets(self, reason: DisconnectReason, description: str) -> None:
        """All sockets leave."""
        self.driver.cancel(self)
        if self._intake is not None:
            self._intake.clear()
        self._all_leave(reason, description)
        if self._pending is not None:
            self._drop_pending(self._pending)
        self._main = self._by_name = self._pending = self._reassembler = None
        self.session.session_closed(reason, description)

    def server_stops(self) -> None:
        """End its sockets, in the order they joined, and then the session with what it has queued.

        What handlers of `disconnecting` emit is among that.
        """
        self._all_leave(DisconnectReason.SERVER_SHUTTING_DOWN, "")
        self.session.close(DisconnectReason.SERVER_SHUTTING_DOWN)

    def handle_timeout(self, now: float) -> None:
        """No namespace was joined, or attachments did not come, in time."""
        if self._end is not None:
            self._log("events of a client that has gone were dropped: handlers take too long")
            self.end_now()
        elif self._reassembler is not None and self._reassembler.is_waiting:
            seconds = f"ping_timeout={self.driver.options.ping_timeout:g}"
            self._violated("attachments did not come in time:", seconds)
        elif self._connect_by is not None:
            seconds = f"connect_timeout={self.server.options.connect_timeout:g}"
            self._log("no namespace joined in time:", seconds)
            self.session.note_cause("no namespace", seconds)
            self.session.close(DisconnectReason.FORCED_SERVER_CLOSE)

    # --- packets ----------------------------------------------------------------------------------

    def _begin_binary(self, packet: Packet) -> None:
        name = packet.namespace
        if self._joined(name) is None and not self._was_taken_out(name):
            self._violated("binary packet for a namespace that was not joined:", quoted(name))
            return
        if self._reassembler is None:
            max_payload = self.driver.options.max_payload
            self._reassembler = Reassembler(max_bytes=self._max_attachments * max_payload)
        self._reassembler.begin(packet)
        if self._end is None:
            self.driver.schedule(self, self.driver.clock() + self.driver.options.ping_timeout)

    def _connect_received(
        self, name: NamespaceName, auth: dict[str, Any] | None, size: int
    ) -> None:
        super()._connect_received(name, without_trace(auth), size)

    def _packet_received(self, packet: Packet, size: int) -> None:
        if packet.type is PacketType.CONNECT:
            self._connect_received(packet.namespace, packet.data, size)
            return
        socket = self._joined(packet.namespace)
        if socket is None and self._was_taken_out(packet.namespace):
            return
        if socket is None or packet.type is PacketType.CONNECT_ERROR:
            what = f"{packet.type.name} for a namespace that was not joined:"
            self._violated(what, quoted(packet.namespace))
        elif packet.type is _ACK:
            socket.ack_received(packet.id, tuple(packet.data or ()))
        else:
            self.leave(socket, DisconnectReason.CLIENT_NAMESPACE_DISCONNECT, "")

    def _drop_waiting(self) -> None:
        if self._intake is not None:
            self._intake.clear()

    # --- handlers that wait, and events that wait for them ----------------------------------------

    @property
    def intake(self) -> Intake:
        """What bounds its handlers; made with the first one that waits."""
        if self._intake is None:
            server = self.server
            self._intake = Intake(
                self,
                self.driver,
                max_handlers=server.options.max_pending_handlers,
                max_bytes=server.options.max_pending_bytes,
                max_attachments=self._max_attachments,
                account=server.pending,
            )
            self._fresh = self._intake.fresh
        return self._intake

    def handler_started(self, handler: Hashable) -> None:
        """A handler has begun, and waits."""
        self.intake.fresh.append(handler)

    def handler_ended(self, handler: Hashable) -> None:
        """A handler that was waited for has ended."""
        if self._intake is not None:
            self._intake.ended(handler)

    def _charge(self, size: int) -> None:
        self.intake.charge(size)

    @property
    def is_reassembling(self) -> bool:
        """Whether attachments of a packet are missing."""
        return self._reassembler is not None and self._reassembler.is_waiting

    def take_text(self, packet: bytes) -> None:
        """Take a text message that has waited, or may pass."""
        self.text_message(packet)

    def take_binary(self, data: bytes) -> None:
        """Take a binary message that has waited, or may pass."""
        self.binary_message(data)

    def take_packet(self, packet: Packet, size: int) -> None:
        """Take a packet that was decoded when it came."""
        raise NotImplementedError

    def sort_by(self, intake: Intake | None) -> None:
        """Let the intake sort what comes, or nobody."""
        self.session.sink = self if intake is None else intake

    def pause_reading(self) -> None:
        """Take nothing more from the client."""
        self.session.pause_reading()

    def resume_reading(self) -> None:
        """Go on."""
        self.session.resume_reading()

    def reading_stopped(self, why: str) -> None:
        """Say so, in the log."""
        client, id_ = self.session.request.client, self.session.id
        self.server.peer_log.warning(client, "not read from until handlers end:", why, sid=id_)

    def end_now(self) -> None:
        """Wait no longer with the end of a session that is over: the client is back on another."""
        if self._end is not None:
            end, self._end = self._end, None
            self._end_sockets(*end)

    def emptied(self) -> None:
        """No event waits: an end that has waited for that comes behind the last handler's start."""
        if self._end is not None:
            self.driver.call_soon(self.end_now)

    def broken(self, error: PacketError) -> None:
        """The client has broken the protocol."""
        self._invalid(error)

    # --- faults of the client ---------------------------------------------------------------------

    def _invalid(self, error: PacketError) -> None:
        """A packet that cannot be decoded: `error` handlers hear of it, then all sockets end."""
        what = f"{error}:" if error.detail else str(error)
        self._log(what, error.detail)
        self.session.note_cause("packet", what)
        for socket in self.sockets():
            socket.emit_local("error", error)
        self._close(DisconnectReason.FORCED_CLOSE)

    def _violated(self, what: str, detail: str = "") -> None:
        self._log(what, detail)
        self.session.note_cause("violation", f"{what} {detail}")
        self._close(DisconnectReason.FORCED_SERVER_CLOSE)

    def _close(self, reason: DisconnectReason) -> None:
        transport = self.session.transport
        self.session.close()
        if self.session.state is State.CLOSED:
            transport.discard()  # who broke the protocol is not waited for
        # Where the transport could not close at once, the sockets end now all the same.
        self._all_leave(reason, "")

    def _log(self, what: str, detail: str = "", **about: str) -> None:
        session = self.session
        self.server.peer_log.info(session.request.client, what, detail, sid=session.id, **about)
