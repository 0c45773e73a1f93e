"""What happens in a server, told to whoever wants to know.

    from sockwave.observe import HandlerFailed, SocketDisconnected

    @io.observe(SocketDisconnected)
    def left(seen: SocketDisconnected) -> None:
        print(seen.socket, "left:", seen.reason)

Each kind of thing that happens is a class here, and each time that it does an observer of that kind
is called, at once and in the event loop, with a small frozen value. What nobody observes is not
made. An observer must be a plain function that is quick: everybody waits for it. One that raises is
logged, and taken off.

Sizes are those of the packets, in bytes as they stand on the connection before compression and
framing, attachments included; where lost sockets may come back, without the offset that follows
what each is sent. Seconds are real ones. Names of events and of namespaces are what
clients send, of any number and length: whoever keeps them has to bound that. A session id is a
credential of its client: it belongs in no log.
"""

from sockwave.observe.kinds import (
    AckReceived,
    AckSent,
    AckTimedOut,
    BacklogGrew,
    Broadcast,
    ClusterFailed,
    ClusterMessageReceived,
    ClusterMessageSent,
    EventReceived,
    EventRefused,
    EventSent,
    HandlerEnded,
    HandlerFailed,
    HandlerStarted,
    LoopLag,
    NodeJoined,
    NodeLeft,
    RateLimited,
    RequestRefused,
    Seen,
    SessionClosed,
    SessionOpened,
    SessionUpgraded,
    SocketConnected,
    SocketDisconnected,
    SocketRefused,
    UpgradeFailed,
)
from sockwave.observe.observers import Observers

__all__ = [
    "AckReceived",
    "AckSent",
    "AckTimedOut",
    "BacklogGrew",
    "Broadcast",
    "ClusterFailed",
    "ClusterMessageReceived",
    "ClusterMessageSent",
    "EventReceived",
    "EventRefused",
    "EventSent",
    "HandlerEnded",
    "HandlerFailed",
    "HandlerStarted",
    "LoopLag",
    "NodeJoined",
    "NodeLeft",
    "Observers",
    "RateLimited",
    "RequestRefused",
    "Seen",
    "SessionClosed",
    "SessionOpened",
    "SessionUpgraded",
    "SocketConnected",
    "SocketDisconnected",
    "SocketRefused",
    "UpgradeFailed",
]
