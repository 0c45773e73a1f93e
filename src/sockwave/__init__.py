"""Socket.IO for Python.

from sockwave import Server, Socket

io = Server()

@io.on("connection")
def connection(socket: Socket) -> None:
    socket.on("echo", lambda text: text)

io.run(port=3000)
"""

from sockwave.engine import (
    Cookie,
    Cors,
    Deflate,
    Engine,
    HandshakeFailure,
    HttpCompression,
    Limits,
    Listener,
    Request,
)
from sockwave.errors import (
    AckTimeout,
    ConnectError,
    Disconnected,
    EncodeError,
    LimitExceeded,
    PacketError,
    ProtocolError,
    SockwaveError,
    TextEncodingError,
    TransportError,
    WebSocketError,
)
from sockwave.socketio.core.adapter import Adapter, InMemoryAdapter
from sockwave.socketio.core.operators import BroadcastOperator
from sockwave.socketio.server.handshake import Handshake
from sockwave.socketio.server.namespace import Namespace
from sockwave.socketio.server.options import ServerOptions
from sockwave.socketio.server.server import HandlerFailure, Server
from sockwave.socketio.server.socket import Socket, SocketOperator
from sockwave.types import DisconnectReason, Room, SessionId, SocketId

__all__ = [
    "AckTimeout",
    "Adapter",
    "BroadcastOperator",
    "ConnectError",
    "Cookie",
    "Cors",
    "Deflate",
    "DisconnectReason",
    "Disconnected",
    "EncodeError",
    "Engine",
    "HandlerFailure",
    "Handshake",
    "HandshakeFailure",
    "HttpCompression",
    "InMemoryAdapter",
    "LimitExceeded",
    "Limits",
    "Listener",
    "Namespace",
    "PacketError",
    "ProtocolError",
    "Request",
    "Room",
    "Server",
    "ServerOptions",
    "SessionId",
    "Socket",
    "SocketId",
    "SocketOperator",
    "SockwaveError",
    "TextEncodingError",
    "TransportError",
    "WebSocketError",
]
__version__ = "0.1.0"
