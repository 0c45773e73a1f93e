"""A socket of another process: what it asks of its namespace."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import BroadcastAnswers, Disconnected, RemoteSocket, SocketId
from sockwave.socketio.core.adapter import BroadcastFlags, BroadcastOptions
from sockwave.socketio.core.cluster_contract import RemoteDetails

if TYPE_CHECKING:
    from sockwave.types import Room

HERSELF = BroadcastOptions(("ann",))


class FakeTarget:
    """A namespace that keeps what it is asked, and answers as it is told."""

    def __init__(self, *answers: object) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self._answers = BroadcastAnswers()
        for answer in answers:
            self._answers.take(SocketId("ann"), answer)

    def broadcast(self, args: tuple[Any, ...], options: BroadcastOptions) -> None:
        self.calls.append((args, options))

    async def broadcast_with_ack(
        self, args: tuple[Any, ...], options: BroadcastOptions
    ) -> BroadcastAnswers:
        self.calls.append((args, options))
        return self._answers

    def join_selected(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        self.calls.append(("join", rooms, options))

    def leave_selected(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        self.calls.append(("leave", rooms, options))

    def disconnect_selected(self, options: BroadcastOptions, *, close: bool) -> None:
        self.calls.append(("disconnect", close, options))


def remote(target: FakeTarget) -> RemoteSocket:
    details = RemoteDetails(
        id=SocketId("ann"),
        member="node",
        handshake={"url": "/socket.io/?EIO=4"},
        rooms=frozenset({"ann", "r"}),
        data={"n": 1},
    )
    return RemoteSocket(target, details)


def test_it_tells_what_its_process_has_told() -> None:
    socket = remote(FakeTarget())
    assert (socket.id, socket.node, socket.rooms) == ("ann", "node", {"ann", "r"})
    assert socket.data == {"n": 1}
    assert socket.handshake.query == {"EIO": "4"}


def test_what_is_done_to_it_is_done_to_all_of_its_room() -> None:
    target = FakeTarget()
    socket = remote(target)
    socket.emit("x", 1)
    socket.timeout(2).emit("y")
    socket.join("a", ["b"])
    socket.leave(["a"], "b")
    socket.disconnect()
    socket.disconnect(close=True)
    assert target.calls == [
        (("x", 1), HERSELF),
        (("y",), HERSELF),
        ("join", ("a", "b"), HERSELF),
        ("leave", ("a", "b"), HERSELF),
        ("disconnect", False, HERSELF),
        ("disconnect", True, HERSELF),
    ]


def test_its_answer_comes_alone_and_in_the_time_that_was_given() -> None:
    target = FakeTarget("yes")
    socket = remote(target)
    assert asyncio.run(socket.emit_with_ack("q", 1)) == "yes"
    asyncio.run(socket.emit_with_ack("q", timeout=1))
    asyncio.run(socket.timeout(2).emit_with_ack("q"))
    asyncio.run(socket.timeout(2).emit_with_ack("q", timeout=3))
    assert target.calls[0] == (("q", 1), HERSELF)
    flags = [BroadcastFlags(timeout=seconds) for seconds in (None, 1, 2, 3)]
    assert [options.flags for _, options in target.calls] == flags


def test_one_that_is_gone_is_an_error() -> None:
    with pytest.raises(Disconnected):
        asyncio.run(remote(FakeTarget()).emit_with_ack("q"))


@pytest.mark.parametrize("name", ["connect", "disconnect"])
def test_reserved_name_cannot_be_emitted(name: str) -> None:
    target = FakeTarget()
    for emit in (remote(target).emit, remote(target).emit_with_ack, remote(target).timeout(1).emit):
        with pytest.raises(ValueError, match="reserved"):
            emit(name)
    assert target.calls == []
