"""Connections of Socket.IO revision 4: clients 1 and 2, on Engine.IO 3 (protocol.md section 17).

Events and acknowledgements are those of revision 5. What differs is how a client gets into a
namespace, and what it is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sockwave.codec.socketio import Packet, PacketType, decode_packet
from sockwave.engine.core.request import parse_query
from sockwave.errors import ConnectError, PacketError, TextEncodingError
from sockwave.socketio.core.outgoing import EncodedPacket, encode
from sockwave.socketio.server.connection import Connection
from sockwave.types import NamespaceName, SocketId

if TYPE_CHECKING:
    from sockwave.engine.server.session import ServerSession
    from sockwave.socketio.server.namespace import Namespace
    from sockwave.socketio.server.server import Server
    from sockwave.socketio.server.socket import Socket

__all__ = ["Revision4Connection", "decode_connect"]


def decode_connect(packet: bytes) -> tuple[NamespaceName, dict[str, str]]:
    """Decode a CONNECT of revision 4: a namespace, and what stands in a query string behind it.

    Raises:
        PacketError: Malformed.
        TextEncodingError: Not UTF-8.
    """
    head, _, rest = packet.partition(b"?")
    query, comma, rest = rest.partition(b",")
    name = decode_packet(head + comma + rest).namespace
    try:
        return name, parse_query(query.decode())
    except UnicodeDecodeError:
        raise TextEncodingError("invalid UTF-8") from None


class Revision4Connection(Connection):
    """The sockets of an old client.

    It is in the main namespace without having asked. The ids of its sockets are made of its session
    id, as the client makes them too: they are as secret as that one.
    """

    __slots__ = ()

    _can_recover = False

    def __init__(self, server: Server, session: ServerSession) -> None:
        super().__init__(server, session)
        self._connect_received("/", None)

    def text_message(self, packet: bytes) -> None:
        """Decode a packet and hand it to its socket."""
        waits = self._reassembler is not None and self._reassembler.is_waiting
        if packet[:2] != b"40" or waits:
            super().text_message(packet)
            return
        try:
            name, auth = decode_connect(packet)
        except TextEncodingError:
            raise
        except PacketError as error:
            self._invalid(error)
        else:
            self._connect_received(name, auth)

    def new_socket_id(self, namespace: Namespace) -> SocketId:
        """The session's id, with the namespace before it unless that is the main one."""
        sid = self.session.id
        return SocketId(sid if namespace.name == "/" else f"{namespace.name}#{sid}")

    def connect_reply(self, socket: Socket) -> EncodedPacket:
        """The client knows its id."""
        return encode(Packet(PacketType.CONNECT, socket.namespace.name, None, None))

    def _error_data(self, error: ConnectError) -> Any:
        """Either of the two, alone."""
        return error.message if error.data is None else error.data

    def _refuse(self, name: NamespaceName, message: str) -> None:
        self.send_connect_error(name, ConnectError(message, data={"message": message}))
