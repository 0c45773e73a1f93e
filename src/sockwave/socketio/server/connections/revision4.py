"""Connections of Socket.IO revision 4, on Engine.IO 3 (docs/protocol/revision-3.md#old-clients).

Events and acknowledgements are those of revision 5. What differs is how a client gets into a
namespace, and what it is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sockwave.codec.engineio import check_utf8
from sockwave.codec.socketio import Packet, PacketType, decode_packet
from sockwave.engine.core.request import parse_query
from sockwave.errors import ConnectError, PacketError, TextEncodingError
from sockwave.socketio.core.outgoing import EncodedPacket, encode
from sockwave.socketio.server.connections.connection import Connection
from sockwave.types import NamespaceName, SocketId

if TYPE_CHECKING:
    from sockwave.engine.server.sessions.session import ServerSession
    from sockwave.socketio.server.contracts import MemberServer, MemberSocket

__all__ = ["Revision4Connection", "decode_connect", "split_query"]

_BINARY: Final = (b"5", b"6")


def decode_connect(packet: bytes) -> tuple[NamespaceName, dict[str, str]]:
    """Decode a CONNECT of revision 4: a namespace, and what stands in a query string behind it.

    Raises:
        PacketError: Malformed.
        TextEncodingError: Not UTF-8.
    """
    packet, query = split_query(packet)
    name = decode_packet(packet).namespace
    try:
        return name, parse_query(query.decode())
    except UnicodeDecodeError:
        raise TextEncodingError("invalid UTF-8") from None


def split_query(packet: bytes) -> tuple[bytes, bytes]:
    """Part a packet from the query string that its namespace has: clients may repeat it in each."""
    begin = packet.find(b"-") + 1 if packet[1:2] in _BINARY else 2
    if packet[begin : begin + 1] == b"/":
        comma = packet.find(b",", begin)
        end = len(packet) if comma == -1 else comma
        mark = packet.find(b"?", begin, end)
        if mark != -1:
            return packet[:mark] + packet[end:], packet[mark + 1 : end]
    return packet, b""


class Revision4Connection(Connection):
    """The sockets of an old client.

    It is in the main namespace without having asked. The ids of its sockets are made of its session
    id, as the client makes them too: they are as secret as that one.
    """

    __slots__ = ()

    _can_recover = False

    def __init__(self, server: MemberServer, session: ServerSession) -> None:
        super().__init__(server, session)
        self._connect_received("/", None, 0)

    def text_message(self, packet: bytes) -> None:
        """Decode a packet and hand it to its socket."""
        waits = self._reassembler is not None and self._reassembler.is_waiting
        if packet[:2] != b"40" or waits:
            super().text_message(split_query(packet)[0])
            return
        try:
            name, auth = decode_connect(packet)
        except TextEncodingError:
            raise
        except PacketError as error:
            check_utf8(packet)
            self._invalid(error)
        else:
            self._connect_received(name, auth, len(packet))

    def _new_id(self, name: NamespaceName) -> SocketId:
        """The session's id, with the namespace before it unless that is the main one."""
        sid = self.session.id
        return SocketId(sid if name == "/" else f"{name}#{sid}")

    def _connect_reply(self, socket: MemberSocket) -> EncodedPacket:
        """The client knows its id."""
        return encode(Packet(PacketType.CONNECT, socket.namespace.name, None, None))

    def _error_data(self, error: ConnectError) -> Any:
        """Either of the two, alone."""
        return error.message if error.data is None else error.data

    def _refuse(self, name: NamespaceName, message: str) -> None:
        self._send_connect_error(name, ConnectError(message, data={"message": message}))
