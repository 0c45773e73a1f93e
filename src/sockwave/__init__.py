"""Socket.IO for Python.

from sockwave import Server, Socket

io = Server()

@io.on("connection")
def connection(socket: Socket) -> None:
    socket.on("echo", lambda text: text)

io.run(port=3000)
"""

from typing import TYPE_CHECKING, Any, Final

from sockwave import debug as _debug
from sockwave.engine import (
    Cookie,
    Cors,
    Deflate,
    Engine,
    HandshakeFailure,
    HttpCompression,
    Limits,
    Listener,
    RateLimits,
    Request,
    WebTransport,
)
from sockwave.errors import (
    AckTimeout,
    ClusterTimeout,
    ConnectError,
    ConnectTimeout,
    Disconnected,
    EncodeError,
    EventError,
    FailureCause,
    InvalidEvent,
    LimitExceeded,
    PacketError,
    ProtocolError,
    SockwaveError,
    TextEncodingError,
    TransportError,
    WebSocketError,
    failure_of,
    raise_failure,
)
from sockwave.socketio.core.adapter import Adapter, InMemoryAdapter
from sockwave.socketio.core.answers import Ack
from sockwave.socketio.core.broadcast_answers import BroadcastAnswers
from sockwave.socketio.core.cluster_contract import ClusterMember
from sockwave.socketio.core.events import AckEvent, Event
from sockwave.socketio.core.handshake import Handshake
from sockwave.socketio.core.operators import BroadcastOperator
from sockwave.socketio.core.parser import MsgpackParser, Parser
from sockwave.socketio.core.record_options import ConnectionRecords
from sockwave.socketio.core.recovery import Recovery
from sockwave.socketio.core.remote_socket import RemoteSocket
from sockwave.socketio.server.class_handlers import Handlers
from sockwave.socketio.server.cluster import Cluster
from sockwave.socketio.server.extensions import Extension as _Extension
from sockwave.socketio.server.extensions import register as _register
from sockwave.socketio.server.failures import HandlerFailure
from sockwave.socketio.server.health_values import Health, HealthOptions, HealthReason
from sockwave.socketio.server.namespace import Namespace
from sockwave.socketio.server.options import ServerOptions
from sockwave.socketio.server.parent import ParentNamespace
from sockwave.socketio.server.router import Router
from sockwave.socketio.server.server import Server
from sockwave.socketio.server.socket import Socket, SocketOperator
from sockwave.types import DisconnectReason, Room, SessionId, SocketId

if TYPE_CHECKING:
    from sockwave import sync as sync
    from sockwave.contract.dependencies import Depends, EventName, FromData
    from sockwave.contract.events import Events
    from sockwave.socketio.client.manager import Manager, connect
    from sockwave.socketio.client.socket import ClientSocket
    from sockwave.socketio.client.stream import EventStream

__all__ = [
    "Ack",
    "AckEvent",
    "AckTimeout",
    "Adapter",
    "BroadcastAnswers",
    "BroadcastOperator",
    "ClientSocket",
    "Cluster",
    "ClusterMember",
    "ClusterTimeout",
    "ConnectError",
    "ConnectTimeout",
    "ConnectionRecords",
    "Cookie",
    "Cors",
    "Deflate",
    "Depends",
    "DisconnectReason",
    "Disconnected",
    "EncodeError",
    "Engine",
    "Event",
    "EventError",
    "EventName",
    "EventStream",
    "Events",
    "FailureCause",
    "FromData",
    "HandlerFailure",
    "Handlers",
    "Handshake",
    "HandshakeFailure",
    "Health",
    "HealthOptions",
    "HealthReason",
    "HttpCompression",
    "InMemoryAdapter",
    "InvalidEvent",
    "LimitExceeded",
    "Limits",
    "Listener",
    "Manager",
    "MsgpackParser",
    "Namespace",
    "PacketError",
    "ParentNamespace",
    "Parser",
    "ProtocolError",
    "RateLimits",
    "Recovery",
    "RemoteSocket",
    "Request",
    "Room",
    "Router",
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
    "WebTransport",
    "connect",
    "failure_of",
    "raise_failure",
]
__version__ = "0.1.0"

_LATE: Final = {
    "Depends": "sockwave.contract.dependencies",
    "EventName": "sockwave.contract.dependencies",
    "FromData": "sockwave.contract.dependencies",
    "ClientSocket": "sockwave.socketio.client.socket",
    "EventStream": "sockwave.socketio.client.stream",
    "Events": "sockwave.contract.events",
    "Manager": "sockwave.socketio.client.manager",
    "connect": "sockwave.socketio.client.manager",
}


def __getattr__(name: str) -> Any:
    """Import the client when it is first used: it needs `sockwave[client]`; and `Events`."""
    from importlib import import_module

    if name == "sync":
        return import_module("sockwave.sync")
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LATE[name]), name)
    return value


_register("check_handlers", _Extension("sockwave.contract.handlers", "checking"))
_register("contract_page", _Extension("sockwave.contract.page.serving", "contract_page"))
_register("convert_results", _Extension("sockwave.contract.handlers", "converted"))
_register("health", _Extension("sockwave.health", "watch"))
_register("health_app", _Extension("sockwave.health", "HealthApp"))
_register("instrument", _Extension("sockwave.admin.instrumenting", "instrument", extra="admin"))
_register("join_neighbours", _Extension("sockwave.workers.neighbours", "join_neighbours"))
_register("inspect", _Extension("sockwave.records.inspecting", "inspect"))
_register("join_relay", _Extension("sockwave.relaying.joining", "join_relay"))
_register("join_workers", _Extension("sockwave.workers.cluster", "join_workers"))
_register("keep_records", _Extension("sockwave.records.keeper", "keep_records"))
_register("name_params", _Extension("sockwave.contract.params", "name_params"))
_register("to_wire", _Extension("sockwave.contract.results", "to_wire"))
_register("workers", _Extension("sockwave.workers.running", "run_workers"))
_debug.enable()
