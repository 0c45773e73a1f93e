"""What others ask of the sockets of this process, and what they are answered.

An acknowledged broadcast of another process is open here until its clients have answered, are gone,
or its time is over. Whoever asked too much gets no answer, and finds out by its own time-out: to be
told that nobody was asked would be wrong.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from sockwave.adapters.events import read_event
from sockwave.adapters.floods import is_worth_a_line
from sockwave.adapters.messages import (
    EMITTER,
    Message,
    MessageType,
    decode_options,
    event_of,
    request_of,
    rooms_of,
    text_of,
)
from sockwave.debug import known, shortened
from sockwave.errors import EncodeError, SockwaveError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sockwave.adapters.members import Members
    from sockwave.adapters.sides import LocalSide
    from sockwave.socketio.core.acks import AckResult
    from sockwave.types import SocketId

__all__ = ["MAX_NAMED", "Answering"]

_logger: Final = logging.getLogger("sockwave.adapters")

DEFAULT_TIMEOUT: Final = 60.0
"""Seconds that answers are waited for where the question does not say: as `ack_timeout`."""

MAX_NAMED: Final = 64
"""Other servers up to which an emitter is told who they are; of more, only how many. All answer."""


class _Asked:
    """Clients here that another process waits for."""

    __slots__ = ("count", "deadline", "forget", "heard")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.count: int | None = None
        self.heard = 0
        self.forget: Callable[[], None] = _nothing


def _nothing() -> None:
    """There is nothing to be forgotten yet."""


class Answering:
    """Does what messages of others say.

    Args:
        local: The sockets here.
        respond: Sends type and data to one member.
        most: Questions of others that may be open.
        members: The others; emitters, which hear no heartbeats, are told of them.
    """

    def __init__(
        self,
        local: LocalSide,
        respond: Callable[[MessageType, dict[str, Any], str], None],
        most: int,
        members: Members,
    ) -> None:
        self._local = local
        self._respond = respond
        self._most = most
        self._members = members
        self._open: dict[tuple[str, str], _Asked] = {}
        self._refused = 0
        self._unsendable = 0
        self._acts: dict[int, Callable[[Message, float], None]] = {
            MessageType.BROADCAST: self._broadcast,
            MessageType.ENCODED_BROADCAST: self._broadcast,
            MessageType.SOCKETS_JOIN: self._join,
            MessageType.SOCKETS_LEAVE: self._leave,
            MessageType.DISCONNECT_SOCKETS: self._disconnect,
            MessageType.FETCH_SOCKETS: self._fetch,
            MessageType.SERVER_SIDE_EMIT: self._server_event,
        }

    def __len__(self) -> int:
        return len(self._open)

    def received(self, message: Message, now: float) -> None:
        """Act on a message; types that are not about sockets, or unknown, are ignored.

        Raises:
            PacketError: Malformed.
        """
        act = self._acts.get(message.type)
        if act is not None:
            act(message, now)

    def _broadcast(self, message: Message, now: float) -> None:
        data = message.data
        options, request = decode_options(data), request_of(data)
        event = read_event(data, message.namespace, self._local.parser)
        if request is None:
            self._local.deliver(event, options)
        else:
            self._ask(message, event, request, now)

    def _ask(self, message: Message, event: Sequence[Any], request: str, now: float) -> None:
        options = decode_options(message.data)
        key = message.sender, request
        if key in self._open:
            return  # it came twice
        if len(self._open) >= self._most:
            self._refused += 1
            if is_worth_a_line(self._refused):
                _logger.warning(
                    "%d questions of other servers are open here: one of %s gets no answer",
                    self._most,
                    shortened(message.sender),
                    extra=known(node=message.sender),
                )
            return
        wants_ids = message.data.get("ids") is True
        timeout = options.flags.timeout
        asked = _Asked(now + (DEFAULT_TIMEOUT if timeout is None else timeout))
        self._open[key] = asked

        def answered(id_: SocketId, result: AckResult) -> None:
            if self._open.get(key) is not asked:
                return
            asked.heard += 1
            self._answer(key, id_, result, wants_ids=wants_ids)
            self._look(key)

        ids, asked.forget = self._local.ask(event, options, answered)
        asked.count = len(ids)
        counted: dict[str, Any] = {"requestId": request, "clientCount": len(ids)}
        if wants_ids:
            counted["ids"] = list(ids)
        counted |= self._census(message)
        self._respond(MessageType.BROADCAST_CLIENT_COUNT, counted, message.sender)
        self._look(key)

    def _answer(
        self, key: tuple[str, str], id_: SocketId, result: AckResult, *, wants_ids: bool
    ) -> None:
        sender, request = key
        data: dict[str, Any] = {"requestId": request}
        if wants_ids:
            data["id"] = id_
        if isinstance(result, SockwaveError):
            if wants_ids:  # others have no word for it
                self._respond(MessageType.ACK_LOST, data, sender)
            return
        if result:
            data["packet"] = result[0]
        if len(result) > 1 and wants_ids:
            data["args"] = list(result)
        try:
            self._respond(MessageType.BROADCAST_ACK, data, sender)
        except EncodeError as error:
            self._warn_unsendable("an acknowledgement of %s: %s", id_, error)

    def _look(self, key: tuple[str, str]) -> None:
        asked = self._open.get(key)
        if asked is not None and asked.count is not None and asked.heard >= asked.count:
            del self._open[key]

    def _join(self, message: Message, now: float) -> None:
        self._local.join(decode_options(message.data), rooms_of(message.data.get("rooms")))

    def _leave(self, message: Message, now: float) -> None:
        self._local.leave(decode_options(message.data), rooms_of(message.data.get("rooms")))

    def _disconnect(self, message: Message, now: float) -> None:
        close = message.data.get("close") is True
        self._local.disconnect(decode_options(message.data), close=close)

    def _fetch(self, message: Message, now: float) -> None:
        options = decode_options(message.data)
        request = text_of(message.data, "requestId")
        data: dict[str, Any] = {"requestId": request} | self._census(message)
        if message.data.get("count") is True:
            data["count"] = self._local.count(options)
            self._respond(MessageType.COUNT_RESPONSE, data, message.sender)
            return
        data["sockets"] = described = self._local.describe(options)
        try:
            self._respond(MessageType.FETCH_SOCKETS_RESPONSE, data, message.sender)
        except EncodeError as error:
            text = "`data` of a socket cannot be sent, so others get it empty: %s"
            self._warn_unsendable(text, error)
            data["sockets"] = [{**socket, "data": {}} for socket in described]
            self._respond(MessageType.FETCH_SOCKETS_RESPONSE, data, message.sender)

    def _census(self, message: Message) -> dict[str, Any]:
        """What an emitter is told besides: how many servers there are, and which others."""
        if message.sender != EMITTER:
            return {}
        told: dict[str, Any] = {"servers": len(self._members) + 1}
        if len(self._members) <= MAX_NAMED:
            told["others"] = [member.id for member in self._members]
        return told

    def _server_event(self, message: Message, now: float) -> None:
        args, request, sender = event_of(message.data), request_of(message.data), message.sender
        if request is None:
            self._local.server_event(args, None)
            return
        response = MessageType.SERVER_SIDE_EMIT_RESPONSE

        def reply(value: Any) -> None:
            try:
                self._respond(response, {"requestId": request, "packet": value}, sender)
            except EncodeError as error:
                text = "the answer to %r of another server: %s"
                self._warn_unsendable(text, shortened(args[0]), error)
                self._respond(response, {"requestId": request, "packet": None}, sender)

        self._local.server_event(args, reply)

    def _warn_unsendable(self, text: str, *args: object) -> None:
        self._unsendable += 1
        if is_worth_a_line(self._unsendable):
            _logger.warning(text, *args)

    # --- their ends -------------------------------------------------------------------------------

    def member_left(self, member: str) -> None:
        """Who asked is gone: its answers need not be waited for."""
        for key, asked in list(self._open.items()):
            if key[0] == member:
                del self._open[key]
                asked.forget()

    def expire(self, now: float) -> None:
        """Forget those whose time is over."""
        for key, asked in list(self._open.items()):
            if asked.deadline <= now:
                del self._open[key]
                asked.forget()

    def close(self) -> None:
        """Forget all."""
        for asked in self._open.values():
            asked.forget()
        self._open.clear()
