"""What other servers want of sessions that are here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sockwave.engine.core.upgrade import UpgradeProbe
from sockwave.relaying.polling import RemotePoll, RemotePost, SharedPolling
from sockwave.relaying.remote_websocket import RemoteWebSocket
from sockwave.relaying.wire import (
    RelayMessage,
    RelayType,
    incoming,
    is_ours,
    number_in,
    packets_in,
    sid_in,
)
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    from sockwave.engine.server.engine import EngineServer
    from sockwave.engine.server.sessions.session import ServerSession
    from sockwave.relaying.node import RelayNode

__all__ = ["OwnedSessions"]

_REASONS: Final = {each.value: each for each in DisconnectReason}


class OwnedSessions:
    """Serves requests at other servers for sessions of this one.

    Args:
        engine: Has the sessions.
        node: Brings messages.
    """

    def __init__(self, engine: EngineServer, node: RelayNode) -> None:
        self._engine = engine
        self._node = node
        self._streams: dict[str, RemoteWebSocket] = {}

    def received(self, message: RelayMessage) -> bool:
        """Act on a message; False if it is about no session of this server.

        Raises:
            PacketError: It is malformed.
        """
        session = self._session(sid_in(message.data))
        if session is None:
            return self._unknown(message)
        transport = session.transport
        stream = self._streams.get(session.id)
        if stream is not None and stream.peer != message.sender:
            stream = None
        match message.type:
            case RelayType.ACQUIRE_LOCK:
                self._lock_wanted(session, message)
            case RelayType.UPGRADE:
                if stream is not None:
                    self._moved(session, stream, message)
            case RelayType.POST:
                if isinstance(transport, SharedPolling):
                    self._post(session, transport, message)
                else:
                    self._refuse_post(message)
            case RelayType.PACKET:
                self._packet(session, stream, message)
            case RelayType.TAKEN:
                if stream is not None:
                    stream.taken(message.data)
            case RelayType.RELEASE:
                if isinstance(transport, SharedPolling):
                    transport.release(message.sender)
            case RelayType.DELIVERED:
                if isinstance(transport, SharedPolling):
                    transport.delivered(message.sender, number_in(message.data, "n"))
            case RelayType.CLOSE:
                self._closed(session, stream, message)
            case _:
                return False
        return True

    def _unknown(self, message: RelayMessage) -> bool:
        """A session is not here; who asks only this server takes it for ours, so it has ended."""
        if message.type == RelayType.ACQUIRE_LOCK and message.recipient is not None:
            self._refuse_lock(message)
        elif message.type == RelayType.POST:
            self._refuse_post(message)
        else:
            return False
        return True

    def _refuse_lock(self, message: RelayMessage) -> None:
        to, request = message.sender, message.request
        self._node.send(RelayType.ACQUIRE_LOCK_RESPONSE, {"success": False}, to, request)

    def _refuse_post(self, message: RelayMessage) -> None:
        data = {"sid": message.data.get("sid"), "status": 400}
        self._node.send(RelayType.POST_RESPONSE, data, message.sender, message.request)

    def _session(self, sid: str) -> ServerSession | None:
        session = self._engine.sessions.get(sid)
        if session is None or session.protocol != 4 or session.is_over_by_now():
            return None
        return session

    # --- locks ------------------------------------------------------------------------------------

    def _lock_wanted(
        self, session: ServerSession, message: RelayMessage, *, is_confirmed: bool = False
    ) -> None:
        """Whether a request may be served: the rules of the reference.

        Args:
            is_confirmed: It is known what became of the poll before it.
        """
        peer, transport = message.sender, session.transport
        name = message.data.get("transportName")
        is_read = message.data.get("type") == "read"
        is_granted = False
        if isinstance(transport, SharedPolling):
            if not is_confirmed and transport.is_repeated(peer, message.request or 0):
                return
            if name == "polling" and is_read and not is_confirmed and transport.is_unsure:
                transport.settle(lambda: self._lock_wanted_again(session.id, message))
                return
            if name == "polling":
                is_granted = not (is_read and transport.has_poll)
            elif name == "websocket":
                is_granted = session.may_upgrade
        data = {"success": is_granted}
        self._node.send(RelayType.ACQUIRE_LOCK_RESPONSE, data, peer, message.request)
        if not is_granted or not isinstance(transport, SharedPolling):
            return
        transport.grant(peer)
        if name == "websocket":
            self._try_websocket(session, peer)
        elif is_read:
            transport.poll_received(RemotePoll(session.request, self._node, session.id, peer))

    def _lock_wanted_again(self, sid: str, message: RelayMessage) -> None:
        session = self._session(sid)
        if session is not None:
            self._lock_wanted(session, message, is_confirmed=True)
        else:
            self._refuse_lock(message)

    def _try_websocket(self, session: ServerSession, peer: str) -> None:
        """The client has a WebSocket there: let it leave polling.

        The other server answers its `2probe`; here the poll that it waits for is answered.
        """
        stream = RemoteWebSocket(
            self._node, self._engine.driver, session.id, peer, self._stream_ended
        )
        self._streams[session.id] = stream
        session.begin_upgrade(stream).text_received(b"2probe")

    def _stream_ended(self, stream: RemoteWebSocket) -> None:
        if self._streams.get(stream.sid) is stream:
            del self._streams[stream.sid]

    def _moved(
        self, session: ServerSession, stream: RemoteWebSocket, message: RelayMessage
    ) -> None:
        """The client is there, or could not get there."""
        probe = stream.receiver
        if stream.has_moved or not isinstance(probe, UpgradeProbe):
            return
        if message.data.get("success") is not True:
            stream.closed(DisconnectReason.TRANSPORT_CLOSE)
            return
        data = {"takeOver": False, "packets": []}
        self._node.send(RelayType.UPGRADE_RESPONSE, data, message.sender, message.request)
        stream.has_moved = True
        probe.text_received(b"5")

    # --- what clients send ------------------------------------------------------------------------

    def _post(
        self, session: ServerSession, transport: SharedPolling, message: RelayMessage
    ) -> None:
        number = message.request
        if number is None or transport.is_repeated(message.sender, number):
            return
        packets = [incoming(each) for each in packets_in(message.data)]
        post = RemotePost(session.request, self._node, session.id, message.sender, number)
        transport.remote_post(post, iter(packets))

    def _packet(
        self, session: ServerSession, stream: RemoteWebSocket | None, message: RelayMessage
    ) -> None:
        packet = incoming(message.data.get("packet"))
        transport = session.transport
        if stream is not None and stream.has_moved:
            stream.packet_received(packet, message.data, self._engine.options.max_payload)
        elif isinstance(transport, SharedPolling) and message.sender in transport.grants:
            transport.strewn(packet, session.request)

    def _closed(
        self, session: ServerSession, stream: RemoteWebSocket | None, message: RelayMessage
    ) -> None:
        reason = _REASONS.get(str(message.data.get("reason")), DisconnectReason.TRANSPORT_CLOSE)
        transport = session.transport
        if stream is not None and stream.has_moved:
            if message.data.get("transport") != "polling":
                stream.closed(reason)
        elif isinstance(transport, SharedPolling) and message.sender in transport.grants:
            transport.remote_closed(reason)

    def messages_lost(self) -> None:
        """Streams of servers in JavaScript have no numbers: nobody could see a hole in them."""
        for stream in list(self._streams.values()):
            if not is_ours(stream.peer):
                stream.lose(DisconnectReason.TRANSPORT_ERROR, "messages between servers were lost")
