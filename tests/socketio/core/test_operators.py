"""Broadcast operators: each step is a new value, and what it reaches is what was said."""

from __future__ import annotations

import asyncio
from dataclasses import FrozenInstanceError
from typing import TYPE_CHECKING, Any

import pytest

from sockwave.socketio.core.adapter import BroadcastFlags, BroadcastOptions
from sockwave.socketio.core.broadcast_answers import BroadcastAnswers
from sockwave.socketio.core.operators import BroadcastOperator
from sockwave.socketio.core.rooms import as_rooms
from sockwave.types import SocketId

if TYPE_CHECKING:
    from sockwave.types import Room


class FakeTarget:
    """Keeps what operators ask of a namespace."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    @property
    def options(self) -> BroadcastOptions:
        """Of the last call."""
        options = self.calls[-1][-1]
        assert isinstance(options, BroadcastOptions)
        return options

    def broadcast(self, args: tuple[Any, ...], options: BroadcastOptions) -> None:
        self.calls.append(("broadcast", args, options))

    async def broadcast_with_ack(
        self, args: tuple[Any, ...], options: BroadcastOptions
    ) -> BroadcastAnswers:
        self.calls.append(("ack", args, options))
        answers = BroadcastAnswers()
        answers.take(SocketId("socket"), "answer")
        return answers

    async def fetch_selected(self, options: BroadcastOptions) -> list[str]:
        self.calls.append(("fetch", options))
        return ["socket"]

    async def count_selected(self, options: BroadcastOptions) -> int:
        self.calls.append(("count", options))
        return 5

    def join_selected(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        self.calls.append(("join", rooms, options))

    def leave_selected(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        self.calls.append(("leave", rooms, options))

    def disconnect_selected(self, options: BroadcastOptions, *, close: bool) -> None:
        self.calls.append(("disconnect", close, options))


@pytest.fixture
def target() -> FakeTarget:
    """What the operator acts on."""
    return FakeTarget()


@pytest.fixture
def everybody(target: FakeTarget) -> BroadcastOperator[str]:
    """An operator that nothing was said to yet."""
    return BroadcastOperator(target)


def reached(operator: BroadcastOperator[str], target: FakeTarget) -> BroadcastOptions:
    operator.emit("x")
    return target.options


def test_operator_reaches_everybody_at_first(
    everybody: BroadcastOperator[str], target: FakeTarget
) -> None:
    everybody.emit("x", 1, [2])
    assert target.calls == [("broadcast", ("x", 1, [2]), BroadcastOptions())]


def test_rooms_add_up(everybody: BroadcastOperator[str], target: FakeTarget) -> None:
    operator = everybody.to("a").in_("b", "c").to(["d", "e"])
    assert reached(operator, target).rooms == ("a", "b", "c", "d", "e")


def test_exceptions_add_up(everybody: BroadcastOperator[str], target: FakeTarget) -> None:
    operator = everybody.except_("a").to("r").except_(["b"], "c")
    assert reached(operator, target) == BroadcastOptions(("r",), ("a", "b", "c"))


def test_flags_add_up(everybody: BroadcastOperator[str], target: FakeTarget) -> None:
    operator = everybody.volatile.compress(False).local.timeout(2.5)
    flags = BroadcastFlags(volatile=True, compress=False, local=True, timeout=2.5)
    assert reached(operator, target).flags == flags


def test_each_step_leaves_the_operator_before_it_as_it_was(
    everybody: BroadcastOperator[str], target: FakeTarget
) -> None:
    room = everybody.to("r")
    room.to("s"), room.except_("t"), room.volatile, room.local, room.compress(False)
    room.timeout(1)
    assert reached(room, target) == BroadcastOptions(("r",))
    assert reached(everybody, target) == BroadcastOptions()


def test_operator_cannot_be_changed(everybody: BroadcastOperator[str]) -> None:
    with pytest.raises(FrozenInstanceError):
        everybody._options = BroadcastOptions()  # type: ignore[misc] # the mistake under test


def test_answers_are_awaited_with_the_time_of_the_operator_or_of_the_call(
    everybody: BroadcastOperator[str], target: FakeTarget
) -> None:
    assert asyncio.run(everybody.timeout(1).emit_with_ack("x", 5)) == ["answer"]
    assert target.calls[-1][:2] == ("ack", ("x", 5))
    assert target.options.flags.timeout == 1
    asyncio.run(everybody.timeout(1).emit_with_ack("x", timeout=2))
    assert target.options.flags.timeout == 2


def test_sockets_are_fetched(everybody: BroadcastOperator[str], target: FakeTarget) -> None:
    assert asyncio.run(everybody.to("r").fetch_sockets()) == ["socket"]
    assert target.options.rooms == ("r",)


def test_sockets_are_counted(everybody: BroadcastOperator[str], target: FakeTarget) -> None:
    assert asyncio.run(everybody.to("r").local.count()) == 5
    assert target.options.rooms == ("r",) and target.options.flags.local


def test_sockets_join_leave_and_disconnect(
    everybody: BroadcastOperator[str], target: FakeTarget
) -> None:
    room = everybody.to("r")
    room.sockets_join("a", ["b"])
    room.sockets_leave("a")
    room.disconnect_sockets()
    room.disconnect_sockets(close=True)
    assert [call[:2] for call in target.calls] == [
        ("join", ("a", "b")),
        ("leave", ("a",)),
        ("disconnect", False),
        ("disconnect", True),
    ]
    assert {call[2] for call in target.calls} == {BroadcastOptions(("r",))}


@pytest.mark.parametrize("name", ["connect", "disconnect", "connect_error", "newListener"])
def test_reserved_name_cannot_be_emitted(everybody: BroadcastOperator[str], name: str) -> None:
    with pytest.raises(ValueError, match=f'"{name}" is a reserved event name'):
        everybody.emit(name)
    with pytest.raises(ValueError, match="reserved"):
        asyncio.run(everybody.emit_with_ack(name))


def test_event_name_must_be_text(everybody: BroadcastOperator[str], target: FakeTarget) -> None:
    with pytest.raises(TypeError, match="must be text, not int"):
        everybody.emit(5)  # type: ignore[call-overload] # the mistake under test
    assert target.calls == []


@pytest.mark.parametrize(
    ("given", "rooms"),
    [((), ()), (("a",), ("a",)), ((["a", "b"],), ("a", "b")), (("a", {"b"}), ("a", "b"))],
)
def test_rooms_are_given_one_by_one_or_in_a_collection(given: Any, rooms: tuple[str]) -> None:
    assert as_rooms(given) == rooms


@pytest.mark.parametrize("given", [(5,), ("a", None), ([5],), (b"ab",)])
def test_room_must_be_text(given: Any) -> None:
    with pytest.raises(TypeError, match="a room must be text, not"):
        as_rooms(given)
