"""The way of a client's socket: in, refused, lost, and out (docs/protocol/client-sockets.md).

Theory: `states.py` says what may follow what; here stands what is done on the way. The user's calls
(`connect`, `disconnect`) come from the socket, what happens to the connection from its manager, and
packets from the connection. All of it is in the loop's thread, and nothing waits: each input moves
the state first and acts afterwards, because what it does may run handlers of the user, who may do
anything, such as to connect again. So whoever goes on after a handler looks at the state anew.

The order at an end is fixed. The socket is disconnected before anybody hears of it; `disconnect`
handlers come next, in their turn where ends cause ends (`InTurn`); then acknowledgements that
cannot come any more. Those of events that wait in the buffer can: they live on. Who waits for the
connection, for the buffer or for events is told last, and only if nothing will happen by itself.

What a server sends before it lets the socket in is kept (`early.py`) and takes its turn then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from sockwave.codec.socketio import Packet, PacketType
from sockwave.errors import ConnectError, Disconnected, FailureCause, SockwaveError, TransportError
from sockwave.socketio.client.early import EarlyEvents
from sockwave.socketio.client.joining import Joining
from sockwave.socketio.client.offsets import Offsets
from sockwave.socketio.client.states import TRANSITIONS, Input, State
from sockwave.socketio.client.waiting import Waiters
from sockwave.socketio.core.outgoing import encode
from sockwave.types import DisconnectReason, SocketId

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine

    from sockwave.engine.client.runtime import Runtime
    from sockwave.engine.core.client_session import ClientSession
    from sockwave.engine.core.in_turn import InTurn
    from sockwave.socketio.client.options import Auth, ManagerOptions
    from sockwave.socketio.client.outbox import Outbox
    from sockwave.socketio.core.parser import Parser
    from sockwave.types import NamespaceName

__all__ = ["Life", "LifeHost", "LivingSocket"]


class LivingSocket(Protocol):
    """The socket whose life it is: what the user has told it, and what it tells the user."""

    auth: Auth | None

    def emit_local(self, event: str, *args: Any) -> None:
        """Run this side's handlers of a life-cycle event."""

    def dispatch(self, args: list[Any], id_: int | None) -> None:
        """An event of the server, its name first, has its turn."""

    def began(self) -> None:
        """Events may come again."""

    def ended(self, error: SockwaveError) -> None:
        """No events will come until somebody connects."""


class LifeHost(Protocol):
    """The manager, which shares one connection among sockets."""

    runtime: Runtime
    options: ManagerOptions
    parser: Parser | None
    ends: InTurn

    def socket_activated(self, life: Life) -> None:
        """It wants to be connected."""

    def socket_deactivated(self, life: Life) -> None:
        """It does not any more."""

    def answer_unwanted(self, namespace: NamespaceName) -> None:
        """It has left before the server has answered whether it is let in."""

    def socket_refused(self, namespace: NamespaceName, error: SockwaveError) -> None:
        """The server does not let it in."""

    def early_event(self, life: Life, args: list[Any], id_: int | None) -> None:
        """Let an event that came too early have its turn."""


class Life:
    """How one socket comes to be connected, and how that ends.

    Attributes:
        namespace: Whose.
        outbox: Of the socket.
        arrivals: Tasks that wait until the server lets it in.
        state: See `states.py`.
        id: The server's id for the socket; None unless it is CONNECTED.
        recovered: Whether the latest connection continues the one before it.
        last_error: Why there was no connection at the latest attempt; None since there was one.
    """

    __slots__ = (
        "_dispatch",
        "_early",
        "_host",
        "_joining",
        "_offsets",
        "_socket",
        "arrivals",
        "id",
        "last_error",
        "namespace",
        "outbox",
        "recovered",
        "state",
    )

    def __init__(
        self, socket: LivingSocket, namespace: NamespaceName, host: LifeHost, outbox: Outbox
    ) -> None:
        self.namespace: NamespaceName = namespace
        self.outbox: Outbox = outbox
        self.arrivals: Waiters = Waiters()
        self.state: State = State.INACTIVE
        self.id: SocketId | None = None
        self.recovered: bool = False
        self.last_error: SockwaveError | None = None
        self._socket = socket
        self._dispatch = socket.dispatch
        self._host = host
        self._joining = Joining(self, host.options)
        self._offsets = Offsets()
        self._early = EarlyEvents()

    @property
    def is_active(self) -> bool:
        """Whether it wants to be connected."""
        return self.state is not State.INACTIVE

    @property
    def may_connect(self) -> bool:
        """Whether it is connected, or may come to be without another call."""
        return self.state is not State.INACTIVE and self.state is not State.GIVEN_UP

    @property
    def _is_outside(self) -> bool:
        """Whether it wants to be connected, and is not."""
        return self.state is not State.INACTIVE and self.state is not State.CONNECTED

    def _move(self, happened: Input) -> State:
        """Change the state; returns that of before."""
        before, self.state = self.state, TRANSITIONS[self.state, happened]
        return before

    # --- to the server ----------------------------------------------------------------------------

    def connect(self) -> None:
        """Want to be connected."""
        if self._move(Input.CONNECT) is not State.CONNECTED:
            self._socket.began()
            self._host.socket_activated(self)

    def opened(self, session: ClientSession) -> None:
        """A connection stands: join the namespace, once per connection."""
        self._move(Input.OPENED)
        if self.state is State.JOINING:
            self._socket.began()
            self._joining.begin(session)

    @property
    def auth(self) -> Auth | None:
        """What the server is to be told."""
        return self._socket.auth

    def send_connect(self, session: ClientSession, auth: Any) -> None:
        """Send the CONNECT packet.

        Raises:
            SockwaveError, TypeError, ValueError: `auth` is no mapping, or cannot be encoded.
        """
        payload = auth
        offsets = self._offsets
        if offsets.pid is not None:
            recovery = {"pid": offsets.pid}
            if offsets.last is not None:
                recovery["offset"] = offsets.last
            payload = {**recovery, **(auth or {})}
        elif auth is not None:
            payload = dict(auth)
        join = Packet(PacketType.CONNECT, self.namespace, None, payload)
        encode(join, parser=self._host.parser).queue_on(session)

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine in the loop, until the manager is closed."""
        return self._host.runtime.start(coroutine)

    # --- it comes to nothing, for now or for good -------------------------------------------------

    def joining_failed(self, error: SockwaveError, *, is_last: bool) -> None:
        """`auth` failed: of this namespace alone."""
        self.attempt_failed(error)
        if is_last and self._is_outside:
            self.attempts_ended(error)

    def attempt_failed(self, error: SockwaveError) -> None:
        """An attempt failed; the manager says whether there will be another."""
        if self._is_outside:
            self.last_error = error
            self._socket.emit_local("connect_error", error)

    def attempts_ended(self, error: SockwaveError) -> None:
        """There will be no other attempt."""
        self._move(Input.EXHAUSTED)
        self.last_error = error
        self._give_up(error)

    # --- in ---------------------------------------------------------------------------------------

    def accepted(self, data: dict[str, Any] | None, session: ClientSession) -> None:
        """The server's CONNECT (docs/protocol/client-sockets.md#let-in)."""
        sid = data.get("sid") if data else None
        if not isinstance(sid, str):
            self.attempt_failed(_old_revision())
            return
        if not self._is_outside:
            return
        self._move(Input.ACCEPTED)
        pid = data.get("pid") if data else None
        self.id = SocketId(sid)
        self.recovered = self._offsets.accepted(pid if isinstance(pid, str) else None)
        self.last_error = None
        self._joining.accepted()
        self.outbox.open(session)
        for args, id_ in self._early.take():
            self._host.early_event(self, args, id_)
        self.outbox.resume()
        if self.outbox.session is session:
            self.arrivals.wake()
            self._socket.emit_local("connect")

    def event_received(self, args: list[Any], id_: int | None) -> None:
        """An event of the server.

        Raises:
            LimitExceeded: It is one too many before the server's CONNECT.
        """
        if self.state is State.CONNECTED:
            if self._offsets.pid is not None and id_ is None:
                args = self._offsets.without(args)
            self._dispatch(args, id_)
        elif self.state is not State.INACTIVE:
            self._early.add(args, id_)

    def ack_received(self, id_: int | None, args: tuple[Any, ...]) -> None:
        """The server answers."""
        self.outbox.acks.received(id_, args)

    # --- out, by the server or by this side -------------------------------------------------------

    def refused(self, data: Any) -> None:
        """The server's CONNECT_ERROR: no further attempts."""
        before = self._move(Input.REFUSED)
        if before is State.INACTIVE:
            return
        error = _refusal(data, self.namespace)
        self._withdraw()
        self._joining.forget()  # `connect()` asks once more, on the same connection too
        if before is State.CONNECTED:
            self._left(DisconnectReason.IO_SERVER_DISCONNECT, None)
        self.last_error = error
        self._host.socket_refused(self.namespace, error)
        self._socket.emit_local("connect_error", error)
        if not self.is_active:
            self._give_up(error)

    def removed(self) -> None:
        """The server's DISCONNECT: no reconnection."""
        if self._move(Input.REMOVED) is State.INACTIVE:
            return
        self._withdraw()
        self._left(DisconnectReason.IO_SERVER_DISCONNECT, None)
        if not self.is_active:
            self._give_up(Disconnected(DisconnectReason.IO_SERVER_DISCONNECT))

    def disconnect(self) -> None:
        """Leave the namespace and stay away; what was emitted goes out first."""
        before = self._move(Input.DISCONNECT)
        if before is State.INACTIVE:
            return
        if before is State.CONNECTED:
            self.outbox.say_goodbye()
        elif before is State.JOINING and self._joining.abandon():
            self._host.answer_unwanted(self.namespace)
        self._withdraw()
        if before is State.CONNECTED:
            self._left(DisconnectReason.IO_CLIENT_DISCONNECT, None)
        self._give_up(Disconnected(DisconnectReason.IO_CLIENT_DISCONNECT))

    def _withdraw(self) -> None:
        """It does not want to be connected; when it was the last, nobody does."""
        self._joining.withdraw()
        self._host.socket_deactivated(self)

    # --- the connection is lost -------------------------------------------------------------------

    def unreachable(self, reason: DisconnectReason) -> None:
        """The connection is gone, while events that came before wait: nobody answers any more."""
        self.outbox.acks.disconnected(reason, keep=self.outbox.unsent())

    def lost(self, reason: DisconnectReason, error: SockwaveError | None) -> None:
        """The connection is gone; the socket wants the next one."""
        if self._move(Input.LOST) is not State.INACTIVE:
            self._left(reason, error)

    def loop_ends(self) -> None:
        """The loop cancels its tasks, and with them the connection; handlers would not end."""
        self._move(Input.LOST)
        self.outbox.shut()
        self.id = None
        self._joining.forget()
        self.outbox.acks.disconnected(DisconnectReason.FORCED_CLOSE)

    def loop_changed(self) -> None:
        """Another loop runs: what waited in the one before cannot be told any more."""
        self.outbox.loop_changed()
        self.arrivals.forget()
        self._joining = Joining(self, self._host.options)
        if self._move(Input.LOST) is State.CONNECTED:
            self._left(DisconnectReason.FORCED_CLOSE, None)

    # --- what every end has -----------------------------------------------------------------------

    def _left(self, reason: DisconnectReason, error: SockwaveError | None) -> None:
        """Not connected any more: handlers hear of it, then those who wait for answers."""
        self.outbox.shut()
        self.id = None
        self._early.take()
        self._joining.forget()
        self._host.ends.run(self._tell_left, reason, error)

    def _tell_left(self, reason: DisconnectReason, error: SockwaveError | None) -> None:
        outbox = self.outbox
        waiting = outbox.unsent()
        before = outbox.next_ack_id
        self._socket.emit_local("disconnect", reason, error)
        # What handlers have emitted meanwhile waits in the buffer, too.
        waiting.update(range(before, outbox.next_ack_id))
        outbox.acks.disconnected(reason, error, keep=waiting)

    def _give_up(self, error: SockwaveError) -> None:
        """Nothing will happen until `connect`: tell all who wait."""
        self.arrivals.fail(error)
        self.outbox.drained()
        self._socket.ended(error)


def _old_revision() -> TransportError:
    return TransportError(
        "the server speaks an older protocol, Socket.IO 1 or 2",
        cause=FailureCause.OLD_REVISION,
        advice="this client needs Socket.IO 3 or later there",
    )


def _refusal(data: Any, namespace: NamespaceName) -> ConnectError:
    message = data.get("message") if isinstance(data, dict) else data
    details = data.get("data") if isinstance(data, dict) else None
    error = ConnectError(message if isinstance(message, str) else "refused", details)
    if message == "Invalid namespace" and namespace.strip("/") == "socket.io":
        # `message` stays the server's own.
        error.args = (
            f"{message}: {namespace} (the path of the URL is the namespace: leave it out)",
        )
    return error
