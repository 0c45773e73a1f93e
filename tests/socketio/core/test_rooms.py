"""Rooms, against a dict of sets."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sockwave.socketio.core.rooms import RoomTable
from sockwave.types import SocketId

A, B, C = SocketId("A"), SocketId("B"), SocketId("C")


def test_members_are_in_the_order_of_joining() -> None:
    rooms = RoomTable()
    for id_ in (C, A, B, A):
        rooms.add(id_, ["r"])
    assert list(rooms.members("r")) == [C, A, B]


def test_own_room_is_implied() -> None:
    rooms = RoomTable()
    assert rooms.of(A) == {"A"}
    rooms.add(A, ["A"])
    assert rooms.of(A) == {"A"}
    assert len(rooms) == 0, "it takes no space"


def test_own_room_cannot_be_left() -> None:
    rooms = RoomTable()
    rooms.remove(A, "A")
    assert rooms.of(A) == {"A"}


def test_room_goes_with_its_last_member() -> None:
    rooms = RoomTable()
    rooms.add(A, ["r"])
    rooms.add(B, ["r"])
    rooms.remove(A, "r")
    assert list(rooms) == ["r"]
    rooms.remove_all(B)
    assert (list(rooms), list(rooms.members("r"))) == ([], [])


def test_leaving_what_one_is_not_in_is_harmless() -> None:
    rooms = RoomTable()
    rooms.add(A, ["r"])
    rooms.remove(B, "r")
    rooms.remove(A, "s")
    rooms.remove_all(C)
    assert list(rooms.members("r")) == [A]


ids = st.sampled_from([A, B, C, SocketId("D")])
names = st.sampled_from(["r", "s", "t", "A", "B", ""])


class RoomsAgainstModel(RuleBasedStateMachine):
    """The model: a set of rooms for each socket."""

    def __init__(self) -> None:
        super().__init__()
        self.table = RoomTable()
        self.model: dict[SocketId, set[str]] = {}

    @rule(id_=ids, rooms=st.lists(names))
    def add(self, id_: SocketId, rooms: list[str]) -> None:
        self.table.add(id_, rooms)
        self.model.setdefault(id_, set()).update(rooms)
        self.model[id_].discard(id_)

    @rule(id_=ids, room=names)
    def remove(self, id_: SocketId, room: str) -> None:
        self.table.remove(id_, room)
        self.model.get(id_, set()).discard(room)

    @rule(id_=ids)
    def remove_all(self, id_: SocketId) -> None:
        self.table.remove_all(id_)
        self.model.pop(id_, None)

    @invariant()
    def both_directions_agree_with_the_model(self) -> None:
        for id_, rooms in self.model.items():
            assert self.table.of(id_) == rooms | {id_}
        expected = {room for rooms in self.model.values() for room in rooms}
        assert set(self.table) == expected
        assert len(self.table) == len(expected)
        for room in expected:
            members = list(self.table.members(room))
            assert len(members) == len(set(members))
            assert set(members) == {id_ for id_, rooms in self.model.items() if room in rooms}

    @invariant()
    def nothing_empty_is_kept(self) -> None:
        assert all(self.table._rooms.values())
        assert all(self.table._members.values())


TestRoomsAgainstModel = RoomsAgainstModel.TestCase
