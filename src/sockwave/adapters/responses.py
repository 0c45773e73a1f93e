"""Answers of others on their way to the question that they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sockwave.adapters.messages import Message, MessageType, number_of, rooms_of, text_of
from sockwave.adapters.requests import ClientQuestion, MemberQuestion
from sockwave.errors import PacketError
from sockwave.socketio.core.cluster_contract import RemoteDetails
from sockwave.types import SocketId

if TYPE_CHECKING:
    from sockwave.adapters.requests import Requests

__all__ = ["Responses"]

_TO_MEMBERS = frozenset(
    {
        MessageType.FETCH_SOCKETS_RESPONSE,
        MessageType.SERVER_SIDE_EMIT_RESPONSE,
        MessageType.COUNT_RESPONSE,
    }
)
_OF_CLIENTS = frozenset(
    {MessageType.BROADCAST_CLIENT_COUNT, MessageType.BROADCAST_ACK, MessageType.ACK_LOST}
)


class Responses:
    """Tells open questions what is answered.

    Args:
        requests: Open questions.
    """

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    def received(self, message: Message) -> bool:
        """Take a message, if it is an answer; one to a question that is over is ignored.

        Returns:
            Whether it was one.

        Raises:
            PacketError: Malformed.
        """
        if message.type not in _TO_MEMBERS and message.type not in _OF_CLIENTS:
            return False
        id_ = text_of(message.data, "requestId")
        question = self._requests.get(id_)
        try:
            if isinstance(question, ClientQuestion) and message.type in _OF_CLIENTS:
                _of_clients(question, message)
            elif isinstance(question, MemberQuestion) and message.type in _TO_MEMBERS:
                question.answer(message.sender, _of_member(message))
        finally:  # whoever is told may fail: the question ends all the same
            self._requests.look(id_)
        return True


def _of_clients(question: ClientQuestion, message: Message) -> None:
    sender, data = message.sender, message.data
    if message.type == MessageType.BROADCAST_CLIENT_COUNT:
        ids = frozenset(map(SocketId, rooms_of(data["ids"]))) if "ids" in data else frozenset()
        question.asked(sender, number_of(data, "clientCount"), ids)
        return
    socket = SocketId(text_of(data, "id")) if "id" in data else None
    if message.type == MessageType.BROADCAST_ACK:
        question.answer(sender, socket, _ack_value(data))
    elif socket is not None:
        question.lost(sender, socket)


def _ack_value(data: dict[str, Any]) -> Any:
    args = data.get("args")
    return tuple(args) if isinstance(args, list) and len(args) > 1 else data.get("packet")


def _of_member(message: Message) -> Any:
    data = message.data
    if message.type == MessageType.COUNT_RESPONSE:
        return number_of(data, "count")
    if message.type == MessageType.SERVER_SIDE_EMIT_RESPONSE:
        return data.get("packet")
    sockets = data.get("sockets")
    if not isinstance(sockets, list):
        raise PacketError("invalid payload", "sockets are no list")
    return [_details(each, message.sender) for each in sockets]


def _details(socket: Any, member: str) -> RemoteDetails:
    if not isinstance(socket, dict):
        raise PacketError("invalid payload", "a socket that is no map")
    handshake, data = socket.get("handshake"), socket.get("data")
    return RemoteDetails(
        id=SocketId(text_of(socket, "id")),
        member=member,
        handshake=handshake if isinstance(handshake, dict) else {},
        rooms=frozenset(rooms_of(socket.get("rooms"))),
        data=data if isinstance(data, dict) else {},
    )
