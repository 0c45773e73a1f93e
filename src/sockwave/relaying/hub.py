"""All that one server does for others, and has others do for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sockwave.engine.server.exchange import HttpExchange
from sockwave.engine.server.rules.verification import revision
from sockwave.relaying.node import Outcome
from sockwave.relaying.owner import OwnedSessions
from sockwave.relaying.relayed import RelayedPoll, RelayedPost, refuse
from sockwave.relaying.relayed_websocket import RelayedWebSocket
from sockwave.relaying.wire import (
    MAX_SID,
    RelayMessage,
    RelayType,
    is_ours,
    number_in,
    sid_in,
)

if TYPE_CHECKING:
    from sockwave.engine.server.engine import EngineServer
    from sockwave.engine.server.exchange import UpgradeExchange
    from sockwave.relaying.node import RelayNode

__all__ = ["RelayHub"]


MAX_DELIVERED: Final = 10_000
"""Sessions of which it is remembered which poll was answered last."""


class RelayHub:
    """Takes requests for sessions of other servers, and messages of these servers.

    Args:
        engine: Bound to the running loop.
        node: Reaches the others; it is started here.

    Attributes:
        engine: The same.
        node: The same.
        relayed: How many requests were given to other servers.
    """

    def __init__(self, engine: EngineServer, node: RelayNode) -> None:
        self.engine = engine
        self.node = node
        self.relayed: int = 0
        self._owned = OwnedSessions(engine, node)
        self._polls: dict[str, RelayedPoll] = {}
        self._websockets: dict[str, RelayedWebSocket] = {}
        self._delivered: dict[str, int] = {}
        node.listener = self

    # --- from the engine --------------------------------------------------------------------------

    def takes(self, exchange: HttpExchange | UpgradeExchange) -> bool:
        """Take a request for a session that is not here.

        Returns:
            False where nobody else could have it.
        """
        request = exchange.request
        sid, transport = request.query.get("sid", ""), request.query.get("transport")
        if revision(request.query) != 4 or not 0 < len(sid) <= MAX_SID:
            return False
        relayed: RelayedPoll | RelayedPost | RelayedWebSocket
        if not isinstance(exchange, HttpExchange):
            if transport != "websocket":
                return False
            if self.engine.is_stopping:  # its client goes on polling, elsewhere
                refuse(self.engine, exchange, sid, Outcome.BUSY)
                return True
            relayed = RelayedWebSocket(self, exchange, sid)
        elif transport != "polling" or request.method not in ("GET", "POST"):
            return False
        elif request.method == "GET":
            relayed = RelayedPoll(self, exchange, sid)
        else:
            relayed = RelayedPost(self, exchange, sid)
        self.relayed += 1
        relayed.ask()
        return True

    async def wait_joined(self) -> None:
        """Wait until others find the sessions of this server; for a few seconds at most."""
        await self.node.wait_joined()

    def stopping(self) -> None:
        """The server stops: clients that poll here, for others, go on elsewhere."""
        for poll in list(self._polls.values()):
            poll.release()

    # --- what is open here, of others -------------------------------------------------------------

    def poll_opened(self, poll: RelayedPoll) -> None:
        """A poll waits for packets."""
        self._polls[poll.sid] = poll

    def poll_closed(self, poll: RelayedPoll) -> None:
        """It waits no longer."""
        if self._polls.get(poll.sid) is poll:
            del self._polls[poll.sid]

    def websocket_opened(self, websocket: RelayedWebSocket) -> None:
        """A WebSocket carries a session, or is on trial for it."""
        self._websockets[websocket.sid] = websocket

    def websocket_closed(self, websocket: RelayedWebSocket) -> None:
        """It does no longer."""
        if self._websockets.get(websocket.sid) is websocket:
            del self._websockets[websocket.sid]

    # --- from the others --------------------------------------------------------------------------

    def relayed_message(self, message: RelayMessage) -> None:
        """A message of another server.

        Raises:
            PacketError: It is malformed.
        """
        match message.type:
            case RelayType.DRAIN:
                self._drained(message)
            case RelayType.ENDED:
                self._ended(message)
            case RelayType.CONFIRM:
                is_known = self._poll(message) is not None or self._has_delivered(message)
                to, request = message.sender, message.request
                self.node.send(RelayType.CONFIRM_RESPONSE, {"success": is_known}, to, request)
            case RelayType.SIGN | RelayType.ECHO:
                pass
            case _:
                if not self._owned.received(message) and message.type == RelayType.TAKEN:
                    websocket = self._websocket(message)
                    if websocket is not None:
                        websocket.taken(message)

    def _poll(self, message: RelayMessage) -> RelayedPoll | None:
        poll = self._polls.get(sid_in(message.data))
        return poll if poll is not None and poll.owner == message.sender else None

    def _websocket(self, message: RelayMessage) -> RelayedWebSocket | None:
        websocket = self._websockets.get(sid_in(message.data))
        is_its = websocket is not None and websocket.owner == message.sender
        return websocket if is_its else None

    def _drained(self, message: RelayMessage) -> None:
        poll = self._poll(message)
        if poll is not None:  # one that waits: after a move there is none
            poll.drained(message)
            if is_ours(poll.owner):
                self._tell_delivered(poll, number_in(message.data, "n"))
        elif (websocket := self._websocket(message)) is not None:
            websocket.drained(message)

    def _tell_delivered(self, poll: RelayedPoll, number: int) -> None:
        self._delivered.pop(poll.sid, None)
        self._delivered[poll.sid] = number
        if len(self._delivered) > MAX_DELIVERED:
            del self._delivered[next(iter(self._delivered))]
        data = {"sid": poll.sid, "n": number}
        self.node.send(RelayType.DELIVERED, data, poll.owner)

    def _has_delivered(self, message: RelayMessage) -> bool:
        return self._delivered.get(sid_in(message.data)) == message.data.get("n")

    def _ended(self, message: RelayMessage) -> None:
        if message.data.get("transport") == "websocket":
            if (websocket := self._websocket(message)) is not None:
                websocket.ended()
        elif (poll := self._poll(message)) is not None:
            poll.ended(message)

    def messages_lost(self) -> None:
        """Some to or from this server were lost."""
        self._owned.messages_lost()
