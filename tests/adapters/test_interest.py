"""Which rooms others have: never taken for absent where they are there and were announced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockwave.adapters.bloom import MAX_BYTES, RoomFilter
from sockwave.adapters.interest import MAX_ASSUMED, OwnInterest, PeerInterest, is_private
from sockwave.errors import PacketError

if TYPE_CHECKING:
    from collections.abc import Iterable


class Rooms:
    """Rooms of one process, and what another one is told of them."""

    def __init__(self, most: int = 100) -> None:
        self.own = OwnInterest(most)
        self.peer = PeerInterest()
        self.rooms: set[str] = set()
        self.told: list[dict[str, Any]] = []

    def add(self, *rooms: str) -> None:
        for room in rooms:
            self.rooms.add(room)
            self.own.added(room)

    def drop(self, *rooms: str) -> None:
        for room in rooms:
            self.rooms.discard(room)
            self.own.dropped(room)

    def tell(self) -> dict[str, Any] | None:
        told = self.own.changes(self.rooms)
        if told is not None:
            assert self.peer.told(told)
        return told

    def has(self, *rooms: str) -> bool:
        return self.peer.may_have(rooms, 0.0)


def numbered(numbers: Iterable[int]) -> list[str]:
    return [f"room {number}" for number in numbers]


def known(rooms: Rooms) -> Rooms:
    assert rooms.peer.is_at(0)
    return rooms


def test_changes_are_told_as_differences() -> None:
    rooms = known(Rooms())
    rooms.add("a", "b")
    assert rooms.tell() == {"version": 1, "since": 0, "add": ["a", "b"]}
    rooms.drop("a")
    rooms.add("c")
    assert rooms.tell() == {"version": 2, "since": 1, "add": ["c"], "drop": ["a"]}
    assert [rooms.has(room) for room in "abc"] == [False, True, True]


def test_room_that_comes_and_goes_at_once_is_not_told() -> None:
    rooms = known(Rooms())
    rooms.add("a")
    rooms.drop("a")
    assert not rooms.own.has_changed
    assert rooms.tell() is None
    rooms.add("b")
    rooms.tell()
    rooms.drop("b")
    rooms.add("b")
    assert (rooms.tell(), rooms.own.version) == (None, 1)


def test_nothing_is_known_until_all_is_told() -> None:
    rooms = Rooms()
    rooms.add("a")
    assert rooms.has("nowhere")
    assert not rooms.peer.told({"version": 2, "since": 1, "add": ["a"]})
    assert rooms.has("nowhere")
    rooms.own.changes(rooms.rooms)
    assert rooms.peer.told(rooms.own.whole(rooms.rooms))
    assert rooms.peer.is_known
    assert [rooms.has("a"), rooms.has("nowhere")] == [True, False]


def test_gap_is_noticed() -> None:
    rooms = known(Rooms())
    rooms.add("a")
    rooms.own.changes(rooms.rooms)
    rooms.add("b")
    told = rooms.own.changes(rooms.rooms)
    assert told is not None
    assert not rooms.peer.told(told)
    assert not rooms.peer.is_at(2)
    assert rooms.has("nowhere")


def test_late_and_repeated_changes_do_no_harm() -> None:
    rooms = known(Rooms())
    rooms.add("a")
    first = rooms.tell()
    rooms.drop("a")
    second = rooms.tell()
    assert first is not None
    assert second is not None
    assert rooms.peer.told(first)
    assert rooms.peer.told(second)
    assert rooms.peer.told({"version": 1, "rooms": ["a"]})
    assert not rooms.has("a")


def test_heartbeat_shows_what_is_missing() -> None:
    peer = PeerInterest()
    assert not peer.is_at(3)
    assert peer.told({"version": 3, "rooms": []})
    assert peer.is_at(3)
    assert peer.is_at(2)
    assert not peer.is_at(4)


def test_member_without_rooms_need_not_be_asked() -> None:
    peer = PeerInterest()
    assert peer.is_at(0)
    assert not peer.may_have(("a",), 0.0)


def test_room_like_a_socket_id_may_be_anywhere() -> None:
    rooms = known(Rooms())
    id_ = "OkF0hxdCVCEOQhzgAAAB"
    rooms.add(id_)
    assert rooms.tell() is None
    assert rooms.has(id_)
    assert is_private(id_)
    assert not is_private("a room with a length")
    assert not is_private(id_ + "x")


def test_many_rooms_are_told_as_a_summary_that_misses_none() -> None:
    rooms = known(Rooms(most=50))
    rooms.add(*numbered(range(500)))
    told = rooms.tell()
    assert told is not None
    assert set(told) == {"version", "filter"}
    assert len(told["filter"]) == 1024
    assert all(rooms.has(room) for room in numbered(range(500)))
    assert sum(rooms.has(room) for room in numbered(range(1000, 2000))) < 50


def test_rooms_that_come_are_added_to_a_summary_and_those_that_go_stay_for_a_while() -> None:
    rooms = known(Rooms(most=50))
    rooms.add(*numbered(range(100)))
    rooms.tell()
    rooms.drop("room 0")
    assert rooms.tell() is None
    rooms.add("new")
    assert rooms.tell() == {"version": 2, "since": 1, "add": ["new"]}
    assert rooms.has("new")
    rooms.drop(*numbered(range(1, 60)))
    told = rooms.tell()
    assert told is not None
    assert "filter" in told
    assert not rooms.has("room 0")


def test_summary_ends_when_few_rooms_are_left() -> None:
    rooms = known(Rooms(most=50))
    rooms.add(*numbered(range(100)))
    rooms.tell()
    rooms.drop(*numbered(range(90)))
    told = rooms.tell()
    assert told is not None
    assert sorted(told["rooms"]) == sorted(numbered(range(90, 100)))


def test_newcomer_gets_a_summary_of_many_rooms() -> None:
    rooms = Rooms(most=5)
    rooms.add(*numbered(range(10)))
    rooms.own.changes(rooms.rooms)
    assert "filter" in rooms.own.whole(rooms.rooms)


def test_loss_is_made_good_by_a_new_version() -> None:
    rooms = known(Rooms())
    rooms.add("a")
    rooms.own.changes(rooms.rooms)  # lost
    assert rooms.peer.told(rooms.own.renewed(rooms.rooms))
    assert rooms.has("a")
    assert rooms.own.version == 2


def test_rooms_that_sockets_were_told_to_join_are_believed_for_a_time() -> None:
    peer = PeerInterest()
    assert peer.told({"version": 1, "rooms": ["a"]})
    peer.assume(["b"], 0.0, 10.0)
    assert peer.may_have(["b"], 9.9)
    assert not peer.may_have(["b"], 10.0)
    peer.assume(["c"], 20.0, 30.0)
    assert not peer.may_have(["b"], 20.0)
    assert peer.may_have(["a", "z"], 20.0)


def test_too_many_of_these_stand_for_all() -> None:
    peer = PeerInterest()
    assert peer.told({"version": 1, "rooms": []})
    peer.assume(numbered(range(MAX_ASSUMED + 1)), 0.0, 10.0)
    assert peer.may_have(["anything"], 9.9)
    assert not peer.may_have(["anything"], 10.0)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"version": 1},
        {"version": "1", "rooms": []},
        {"version": 1, "rooms": [None]},
        {"version": 1, "filter": "text"},
        {"version": 1, "filter": b"\x00" * 1000},
        {"version": 1, "filter": b"\x00" * (2 * MAX_BYTES)},
        {"version": 1, "since": 0, "add": "a"},
        {"version": 1, "rooms": [str(number) for number in range(65_537)]},
    ],
)
def test_what_makes_no_sense_is_an_error(data: dict[str, Any]) -> None:
    peer = PeerInterest()
    assert peer.is_at(0)
    with pytest.raises(PacketError):
        peer.told(data)


def test_names_without_end_are_not_kept() -> None:
    peer = PeerInterest()
    assert peer.told({"version": 0, "rooms": [str(number) for number in range(65_536)]})
    assert not peer.told({"version": 1, "since": 0, "add": ["one more"]})
    assert peer.may_have(["anything"], 0.0)


steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "drop", "tell", "lose", "ask", "renew"]),
        st.lists(st.sampled_from(numbered(range(30))), max_size=12),
    ),
    max_size=30,
)


@given(steps, st.sampled_from([0, 3, 10, 100]))
def test_room_that_was_told_is_never_taken_for_absent(
    steps: list[tuple[str, list[str]]], most: int
) -> None:
    rooms = known(Rooms(most))
    for kind, names in steps:
        told: dict[str, Any] | None = None
        if kind == "add":
            rooms.add(*(set(names) - rooms.rooms))
        elif kind == "drop":
            rooms.drop(*(set(names) & rooms.rooms))
        elif kind == "ask":
            told = rooms.own.whole(rooms.rooms)
        elif kind == "renew":
            told = rooms.own.renewed(rooms.rooms)
        else:
            told = rooms.own.changes(rooms.rooms)
        if told is not None and kind != "lose":
            rooms.peer.told(told)
        if not rooms.own.has_changed and rooms.peer.is_at(rooms.own.version):
            assert all(rooms.has(room) for room in rooms.rooms)
            if most == 100:
                assert not any(rooms.has(room) for room in set(numbered(range(30))) - rooms.rooms)


@given(st.sets(st.text(), max_size=200))
def test_filter_has_all_that_was_put_into_it(rooms: set[str]) -> None:
    made = RoomFilter.of(rooms, len(rooms))
    assert all(room in RoomFilter(made.data) for room in rooms)


def test_places_in_a_filter_are_part_of_the_wire() -> None:
    made = RoomFilter.of(["r", "lobby"], 2)
    ones = [
        at * 8 + bit for at, byte in enumerate(made.data) for bit in range(8) if byte >> bit & 1
    ]
    assert ones == [
        354,
        1297,
        1476,
        3399,
        3489,
        3629,
        4342,
        5501,
        5502,
        5642,
        6444,
        7387,
        7515,
        7655,
    ]


def test_filter_is_bounded_and_then_less_sharp() -> None:
    assert len(RoomFilter.of([], 10_000_000).data) == MAX_BYTES
    assert len(RoomFilter.of([], 100_000).data) == MAX_BYTES
    assert len(RoomFilter.of([], 10_000).data) == 16 * 1024


def test_all_that_was_told_leaves_out_what_may_still_be_taken_back() -> None:
    rooms = known(Rooms())
    rooms.add("a")
    rooms.tell()
    rooms.drop("a")
    rooms.add("b")
    assert rooms.own.whole(rooms.rooms) == {"version": 1, "rooms": ["a"]}
    rooms.add("a")
    rooms.drop("b")
    assert rooms.tell() is None
    assert [rooms.has("a"), rooms.has("b")] == [True, False]
