"""The log of a namespace and what is replayed from it, on a made-up clock."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from sockwave.socketio.core import membership
from sockwave.socketio.core.adapter import BroadcastFlags, BroadcastOptions
from sockwave.socketio.core.recovery import (
    Recovery,
    RecoveryAdapter,
    SavedSession,
    SupportsRecovery,
)
from sockwave.types import SocketId
from tests.engine.core.fakes import wire
from tests.socketio.core.fakes import FakeClock, FakeNamespace, FakeSocket

if TYPE_CHECKING:
    from sockwave.socketio.core.outgoing import EncodedPacket

GRACE = 45.0
DURATION = 120.0
A, B = SocketId("a"), SocketId("b")


class Stage:
    """A namespace with an adapter that recovers; its sockets `a` and `b` are connected."""

    def __init__(self, max_replay: int = 10**9, **options: Any) -> None:
        self.clock = FakeClock()
        self.host = FakeNamespace()
        self.vacated = 0
        self.adapter = RecoveryAdapter(
            self.host,
            self.clock,
            Recovery(**options),
            grace=GRACE,
            max_replay=max_replay,
            vacated=self._vacated,
        )
        for id_ in (A, B):
            self.connect(id_)

    def _vacated(self) -> None:
        self.vacated += 1

    def connect(self, id_: SocketId) -> FakeSocket:
        self.adapter.begin(id_)
        self.host.sockets[id_] = socket = FakeSocket(id_)
        return socket

    def emit(self, event: str, *rooms: str, **options: Any) -> None:
        self.adapter.broadcast((event,), BroadcastOptions(rooms=rooms or None, **options))

    def lose(self, id_: SocketId = A) -> None:
        session = SavedSession(id_, f"pid-{id_}", self.rooms(id_), {})
        del self.host.sockets[id_]
        self.adapter.save(session)
        self.adapter.remove_all(id_)

    def rooms(self, id_: SocketId) -> tuple[str, ...]:
        return tuple(self.adapter.rooms_of(id_) - {id_})

    def offset(self, id_: SocketId = A, at: int = -1) -> str:
        """The offset of an event that a socket got."""
        return offset_of(self.host.sockets[id_].packets[at])

    def restore(self, id_: SocketId, offset: str | None) -> SavedSession | None:
        """A client asks for its session."""
        session = self.adapter.restore(f"pid-{id_}", offset)
        assert session is None or isinstance(session, SavedSession)
        return session

    def back(self, offset: str | None, id_: SocketId = A) -> list[str] | None:
        """Come back; the names of the events that are replayed."""
        if self.restore(id_, offset) is None:
            return None
        missed = self.adapter.replay(id_)
        assert missed is not None
        self.host.sockets[id_] = FakeSocket(id_)
        return [name_of(packet) for packet in missed]


def offset_of(packet: list[str]) -> str:
    return packet[0].removesuffix('"]').rpartition('"')[2]


def name_of(packet: EncodedPacket) -> str:
    return wire([packet.text])[0].split('"')[1]


def test_in_memory_adapter_offers_recovery_only_where_it_is_on() -> None:
    from sockwave import InMemoryAdapter

    assert isinstance(Stage().adapter, SupportsRecovery)
    assert not isinstance(InMemoryAdapter(FakeNamespace()), SupportsRecovery)


# --- what carries an offset -----------------------------------------------------------------------


def test_offset_is_the_last_argument_of_an_event() -> None:
    stage = Stage()
    stage.adapter.broadcast(("x", 1, b"\x02"), BroadcastOptions())
    (text, attachment) = stage.host["a"].packets[0]
    offset = offset_of([text])
    assert text == f'451-["x",1,{{"_placeholder":true,"num":0}},"{offset}"]'
    assert attachment is not None
    assert stage.host["a"].args == [("x", 1, b"\x02")], "hooks see what was sent"


def test_volatile_event_and_one_with_an_ack_have_none() -> None:
    stage = Stage()
    stage.emit("x", flags=BroadcastFlags(volatile=True))
    stage.adapter.broadcast_with_ack(("y",), BroadcastOptions(), 7, lambda socket, result: None)
    assert stage.host["a"].packets == [['42["x"]'], ['427["y"]']]


def test_nothing_is_logged_while_nobody_is_or_was_there() -> None:
    stage = Stage()
    for id_ in (A, B):
        del stage.host.sockets[id_]
        stage.adapter.remove_all(id_)
    stage.emit("x")
    assert len(stage.adapter._store.log) == 0


# --- what is replayed -----------------------------------------------------------------------------


def test_events_after_the_offset_are_replayed_in_order() -> None:
    stage = Stage()
    for event in ("1", "2", "3"):
        stage.emit(event)
    offset = stage.offset(at=0)
    stage.lose()
    stage.emit("4")
    stage.emit("5")
    assert stage.back(offset) == ["2", "3", "4", "5"]


def test_rooms_are_restored_and_events_of_other_rooms_are_not_replayed() -> None:
    stage = Stage()
    stage.adapter.add(A, ["r", "s"])
    stage.emit("1")
    offset = stage.offset()
    stage.lose()
    stage.emit("to r and s", "r", "s")
    stage.emit("to t", "t")
    stage.emit("to a", "a")
    stage.emit("to b", "b")
    stage.emit("not to s", excluded=("s",))
    stage.emit("not to b", excluded=("b",))
    assert stage.back(offset) == ["to r and s", "to a", "not to b"]
    assert stage.adapter.rooms_of(A) == {"a", "r", "s"}


def test_event_is_judged_by_the_rooms_at_its_moment() -> None:
    stage = Stage()
    stage.emit("1")
    offset = stage.offset()
    stage.emit("before it joined", "r")
    stage.adapter.add(A, ["r"])
    stage.emit("while it was in", "r")
    stage.adapter.remove(A, "r")
    stage.emit("after it left", "r")
    stage.emit("for those outside", excluded=("r",))
    stage.adapter.add(A, ["r"])
    stage.adapter.add(A, ["r"])
    stage.emit("in again", "r")
    stage.lose()
    assert stage.back(offset) == ["while it was in", "for those outside", "in again"]


def test_offset_from_before_the_socket_says_that_nothing_has_arrived() -> None:
    stage = Stage()
    stage.emit("1")
    offset = stage.offset()
    stage.lose()
    stage.adapter.restore("pid-a", "wrong")
    stage.emit("nobody hears")
    stage.connect(A)
    stage.emit("2")
    stage.lose()
    stage.emit("3")
    assert stage.back(offset) == ["2", "3"]


def test_second_loss_before_anything_arrived_replays_the_same() -> None:
    stage = Stage()
    stage.emit("1")
    offset = stage.offset()
    stage.lose()
    stage.emit("2")
    assert stage.back(offset) == ["2"]
    stage.emit("3")
    stage.lose()
    stage.emit("4")
    assert stage.back(offset) == ["2", "3", "4"]


def test_events_while_middlewares_run_are_replayed_too() -> None:
    stage = Stage()
    stage.emit("1")
    offset = stage.offset()
    stage.lose()
    stage.emit("2")
    assert stage.adapter.restore("pid-a", offset) is not None
    stage.emit("3")
    stage.adapter.add(A, ["late"])
    stage.emit("4", "late")
    missed = stage.adapter.replay(A)
    assert missed is not None
    assert [name_of(packet) for packet in missed] == ["2", "3", "4"]


def test_socket_that_was_not_let_in_may_try_again_within_the_same_time() -> None:
    stage = Stage()
    stage.emit("1")
    offset = stage.offset()
    stage.lose()
    stage.emit("2")
    stage.clock.advance(DURATION - 1)
    session = stage.restore(A, offset)
    assert session is not None
    stage.adapter.save(session)
    stage.adapter.remove_all(A)
    stage.emit("3")
    stage.clock.advance(0.5)
    assert stage.back(offset) == ["2", "3"]


def test_socket_that_was_not_let_in_has_no_more_time_than_before() -> None:
    stage = Stage()
    stage.emit("1")
    offset = stage.offset()
    stage.lose()
    stage.clock.advance(DURATION - 1)
    session = stage.restore(A, offset)
    assert session is not None
    stage.adapter.save(session)
    stage.clock.advance(2)
    assert stage.back(offset) is None


def test_quiet_socket_is_recovered_though_its_offset_has_left_the_log() -> None:
    stage = Stage(max_packets=5)
    stage.emit("1")
    offset = stage.offset()
    for _ in range(20):
        stage.emit("to others", "b")
    stage.lose()
    stage.emit("2")
    assert stage.back(offset) == ["2"]
    stage.emit("to others", "b")
    stage.lose()
    assert stage.back(offset) == ["2"], "the replay was lost too"


# --- what is not recovered ------------------------------------------------------------------------


def test_session_is_used_up_by_a_restore() -> None:
    stage = Stage()
    stage.emit("1")
    offset = stage.offset()
    stage.lose()
    assert stage.adapter.restore("pid-a", offset) is not None
    assert stage.adapter.restore("pid-a", offset) is None


@pytest.mark.parametrize("seconds", [DURATION - 0.1, DURATION + 0.1])
def test_socket_can_come_back_until_the_time_is_over(seconds: float) -> None:
    stage = Stage()
    stage.emit("1")
    offset = stage.offset()
    stage.lose()
    stage.emit("2")
    stage.clock.now += seconds
    assert stage.back(offset) == (["2"] if seconds < DURATION else None)


def test_event_from_before_the_loss_was_noticed_is_there_for_the_whole_time() -> None:
    stage = Stage()
    stage.emit("1")
    offset = stage.offset()
    stage.emit("2")
    stage.clock.advance(GRACE - 1)
    stage.lose()
    stage.clock.advance(DURATION - 1)
    assert stage.back(offset) == ["2"]


def test_nothing_is_recovered_when_one_event_has_left_the_log() -> None:
    stage = Stage(max_packets=3)
    stage.emit("1")
    offset = stage.offset()
    stage.lose()
    for event in ("2", "3", "4", "5"):
        stage.emit(event)
    assert stage.back(offset) is None


def test_nothing_is_recovered_when_an_event_leaves_the_log_while_middlewares_run() -> None:
    stage = Stage(max_packets=3)
    stage.emit("1")
    offset = stage.offset()
    stage.lose()
    assert stage.adapter.restore("pid-a", offset) is not None
    for event in ("2", "3", "4", "5"):
        stage.emit(event)
    assert stage.adapter.replay(A) is None


def test_nothing_is_recovered_when_it_is_too_much_to_send_at_once() -> None:
    stage = Stage(max_replay=100)
    stage.emit("1")
    offset = stage.offset()
    stage.lose()
    stage.emit("x" * 60)
    stage.emit("x" * 60)
    assert stage.back(offset) is None


@pytest.mark.parametrize("pid", ["pid-", "pid-aa", "", "pid-b"])
def test_secret_is_compared_whole(pid: str) -> None:
    stage = Stage()
    stage.emit("1")
    offset = stage.offset()
    stage.lose()
    assert stage.adapter.restore(pid, offset) is None
    assert stage.back(offset) == []


def test_offset_of_another_namespace_restores_nothing() -> None:
    stage, other = Stage(), Stage()
    stage.emit("1")
    other.emit("1")
    stage.lose()
    assert stage.back(other.offset()) is None


def test_socket_that_may_have_taken_another_text_for_an_offset_is_not_recovered() -> None:
    stage = Stage()
    stage.emit("1")
    stage.emit("2")
    old = stage.offset(at=0)
    stage.adapter.broadcast(
        ("moved", old), BroadcastOptions(rooms=("a",), flags=BroadcastFlags(volatile=True))
    )
    assert stage.host["a"].packets[-1] == [f'42["moved","{old}"]']
    offset = stage.offset(B)
    stage.lose()
    stage.lose(B)
    assert stage.back(offset) is None
    assert stage.back(offset, B) == []


def test_too_many_stays_in_rooms_are_forgotten_and_not_guessed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(membership, "MAX_PAST", 4)
    stage = Stage()
    stage.emit("1")
    early = stage.offset()
    for number in range(6):
        stage.adapter.add(A, [str(number)])
        stage.emit("2", str(number))
        stage.adapter.remove(A, str(number))
    late = stage.offset()
    stage.lose()
    assert stage.adapter.restore("pid-a", early) is None
    stage = Stage(max_packets=2)
    for number in range(30):
        stage.adapter.add(A, [str(number)])
        stage.emit("2", str(number))
        stage.adapter.remove(A, str(number))
    late = stage.offset()
    stage.lose()
    assert stage.back(late) == [], "stays that the log has outlived do not count"


def test_oldest_session_goes_when_there_are_too_many() -> None:
    stage = Stage(max_sessions=1)
    stage.emit("1")
    offset = stage.offset()
    stage.lose(A)
    stage.lose(B)
    assert stage.back(offset, A) is None
    assert stage.back(offset, B) == []


# --- time and memory ------------------------------------------------------------------------------


def test_everything_is_forgotten_in_time_and_nothing_waits_any_more() -> None:
    stage = Stage()
    stage.emit("1")
    stage.lose(A)
    stage.lose(B)
    for _ in range(6):
        stage.clock.advance(60.1)
    assert len(stage.adapter._store.log) == 0
    assert not stage.adapter.has_saved
    assert stage.vacated == 1
    assert len(stage.clock.wheel) == 0


def test_session_that_is_young_enough_outlives_a_sweep() -> None:
    stage = Stage()
    stage.emit("1")
    offset = stage.offset()
    stage.lose(A)
    stage.clock.advance(60.1)
    stage.lose(B)
    stage.clock.advance(60.1)
    assert stage.adapter.has_saved
    assert stage.back(offset, A) is None
    assert stage.back(offset, B) == []


def test_closed_adapter_has_forgotten_all_and_speaks_of_another_epoch() -> None:
    stage = Stage()
    stage.emit("1")
    offset = stage.offset()
    stage.lose()
    stage.adapter.close()
    assert stage.back(offset) is None
    assert len(stage.clock.wheel) == 0
    stage.connect(A)
    stage.emit("1")
    assert stage.offset() != offset


@pytest.mark.parametrize(
    ("option", "value", "error"),
    [
        ("max_disconnection_duration", 0, ValueError),
        ("max_disconnection_duration", "120", TypeError),
        ("skip_middlewares", 1, TypeError),
        ("max_packets", 0, ValueError),
        ("max_bytes", 1.5, TypeError),
        ("max_sessions", 0, ValueError),
    ],
)
def test_wrong_option_is_refused_by_its_name(
    option: str, value: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match=option):
        Recovery(**{option: value})


# --- against a model ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(30))
def test_what_arrives_is_what_was_sent_to_the_socket_at_that_moment(seed: int) -> None:
    """Random events, losses, and rooms, also while it is away: compare with one never lost."""
    chance = random.Random(seed)
    stage = Stage(max_packets=chance.choice([5, 30, 10_000]))
    rooms = ["r", "s", "t"]
    model: set[str] = set()
    expected: list[str] = []
    arrived: list[str] = []
    offset: str | None = None
    failures = 0
    for step in range(400):
        is_here = A in stage.host.sockets
        match chance.choices(["emit", "join", "leave", "lose", "back"], [8, 2, 2, 1, 1])[0]:
            case "join":
                room = chance.choice(rooms)
                stage.adapter.add(A, [room])
                model.add(room)
            case "leave":
                room = chance.choice(rooms)
                stage.adapter.remove(A, room)
                model.discard(room)
            case "emit":
                to = chance.sample([*rooms, "a", "b"], chance.randrange(3))
                excluded = chance.sample([*rooms, "a", "b"], chance.choice([0, 0, 1]))
                stage.emit(f"{step}", *to, excluded=tuple(excluded))
                here = model | {"a"}
                if (not to or here & set(to)) and not here & set(excluded):
                    expected.append(f"{step}")
            case "lose" if is_here:
                got = stage.host.sockets[A].packets
                for packet in got[: chance.randint(0, len(got))]:
                    arrived.append(packet[0].split('"')[1])
                    offset = offset_of(packet)
                stage.lose()
            case "back" if not is_here:
                replay = stage.back(offset)
                if replay is None:
                    failures += 1
                    model, offset = set(), None
                    stage.connect(A)
                    expected, arrived = [], []
                else:
                    assert [*arrived, *replay] == expected
                    assert set(stage.rooms(A)) == model
                    # What is sent from now on is in the new socket; the replay arrived as a whole.
                    arrived += replay
                    if replay:
                        offset = stage.adapter._store.log.offset(
                            stage.adapter._store.members[A].sent
                        )
            case _:
                pass
    if stage.adapter._bounds.max_packets == 10_000:
        assert failures == 0
