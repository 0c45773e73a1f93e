"""The adapter among servers of python-socketio, whose own code is on the other side."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from sockwave.adapters.python_socketio import node as node_module
from sockwave.errors import EncodeError, LimitExceeded
from sockwave.socketio.core.adapter import BroadcastFlags, BroadcastOptions
from sockwave.socketio.core.cluster_contract import (
    RemoteAnswer,
    RemoteOutcome,
    SupportsCluster,
    SupportsHearing,
    SupportsStart,
)
from sockwave.socketio.core.encoded_event import EncodedEvent
from tests.adapters.python_socketio.buses import FakeChannel, Ours, Theirs
from tests.support.patient_loop import run
from tests.support.raw import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

A = "aaaaaaaaaaaaaaaaaaaa"
B = "bbbbbbbbbbbbbbbbbbbb"
ALL = BroadcastOptions()


class Pair:
    """A server of each kind on one channel."""

    def __init__(self) -> None:
        self.channel = FakeChannel()
        self.ours = Ours(self.channel, A, B)
        self.theirs = Theirs(self.channel)
        self.answers: list[RemoteAnswer] = []
        self.outcomes: list[RemoteOutcome] = []

    def ask(self, *rooms: str, timeout: float = 5.0) -> Any:
        event = EncodedEvent(("question", 1), "/", None, 1)
        return self.ours.node.ask_remote(
            event, BroadcastOptions(rooms), timeout, self.answers.append, self.outcomes.append
        )


@asynccontextmanager
async def both() -> AsyncIterator[Pair]:
    pair = Pair()
    pair.theirs.begin()
    try:
        yield pair
    finally:
        await pair.theirs.end()


def test_it_offers_what_a_cluster_does() -> None:
    node = Ours(FakeChannel()).node
    assert isinstance(node, SupportsCluster)
    assert isinstance(node, SupportsStart)
    assert isinstance(node, SupportsHearing)
    assert not node.is_deaf
    assert list(node.members) == []


# --- from us to them ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "packet"),
    [
        (("news",), '2["news"]'),
        (("news", "hi", 1, None), '2["news","hi",1,null]'),
        (("news", [1, 2]), '2["news",[1,2]]'),
        (("news", {"a": "ü"}), '2["news",{"a":"\\u00fc"}]'),
    ],
)
def test_our_event_reaches_their_clients(args: tuple[Any, ...], packet: str) -> None:
    async def play() -> None:
        async with both() as pair:
            sid = await pair.theirs.client()
            pair.ours.node.broadcast(args, ALL)
            await until(lambda: pair.theirs.got[sid])
            assert [
                text.replace(", ", ",").replace(": ", ":") for text in pair.theirs.got[sid]
            ] == [packet]
            assert len(pair.ours.packets(A)) == len(pair.ours.packets(B)) == 1

    asyncio.run(play())


def test_our_binary_reaches_their_clients() -> None:
    async def play() -> None:
        async with both() as pair:
            sid = await pair.theirs.client()
            pair.ours.node.broadcast(("news", {"a": [b"\x00\xff"]}, b"2"), ALL)
            await until(lambda: len(pair.theirs.got[sid]) == 3)
            head, *attachments = pair.theirs.got[sid]
            assert head.startswith('52-["news",{"a":[{"_placeholder"')
            assert attachments == [b"\x00\xff", b"2"]

    asyncio.run(play())


def test_rooms_and_exceptions_of_ours_are_theirs() -> None:
    async def play() -> None:
        async with both() as pair:
            one, two, three = [await pair.theirs.client(*rooms) for rooms in ("rs", "s", "t")]
            pair.ours.put(A, "r")
            pair.ours.put(B, "t")
            node = pair.ours.node
            node.broadcast(("a",), BroadcastOptions(("r",)))
            node.broadcast(("b",), BroadcastOptions(("r", "s")))
            node.broadcast(("c",), BroadcastOptions((three,)))
            node.broadcast(("d",), BroadcastOptions(("r", "s", "t"), (two, A)))
            node.broadcast(("e",), BroadcastOptions(None, (one, three, B)))
            await until(lambda: len(pair.theirs.got[two]) == 2)
            assert pair.theirs.got == {
                one: ['2["a"]', '2["b"]', '2["d"]'],
                two: ['2["b"]', '2["e"]'],
                three: ['2["c"]', '2["d"]'],
            }
            assert pair.ours.packets(A) == [['2["a"]'], ['2["b"]'], ['2["e"]']]
            assert pair.ours.packets(B) == [['2["d"]']]

    asyncio.run(play())


def test_what_is_local_or_for_nobody_is_not_sent() -> None:
    pair = Pair()
    pair.ours.node.broadcast(("a",), BroadcastOptions(flags=BroadcastFlags(local=True)))
    pair.ours.node.broadcast(("a",), BroadcastOptions(()))
    assert pair.channel.messages == []
    assert pair.ours.packets(A) == [['2["a"]']]


def test_room_cannot_be_left_out_and_then_nobody_gets_it() -> None:
    pair = Pair()
    with pytest.raises(NotImplementedError, match="no rooms"):
        pair.ours.node.broadcast(("a",), BroadcastOptions(None, ("lobby",)))
    assert pair.channel.messages == []
    assert pair.ours.packets(A) == []


def test_what_cannot_be_encoded_is_sent_to_nobody() -> None:
    pair = Pair()
    with pytest.raises(EncodeError):
        pair.ours.node.broadcast(("a", object()), ALL)
    assert pair.channel.messages == []
    assert pair.ours.packets(A) == []


def test_their_socket_answers_us() -> None:
    async def play() -> None:
        async with both() as pair:
            sid = await pair.theirs.client()
            pair.ask(sid)
            await until(lambda: pair.theirs.asked)
            ((asked, id_),) = pair.theirs.asked
            assert asked == sid
            await pair.theirs.manager.trigger_callback(sid, id_, ["yes", 1])
            await until(lambda: pair.outcomes)
            assert pair.answers == [RemoteAnswer(member="", socket=sid, value=("yes", 1))]  # type: ignore[arg-type]
            assert pair.outcomes == [RemoteOutcome(is_complete=True)]

    asyncio.run(play())


def test_question_to_a_socket_that_does_not_answer_ends_with_its_time() -> None:
    async def play() -> None:
        pair = Pair()
        pair.ask("cccccccccccccccccccc", timeout=3.0)
        await asyncio.sleep(2.9)
        assert pair.outcomes == []
        await asyncio.sleep(0.2)
        (outcome,) = pair.outcomes
        assert not outcome.is_complete
        assert outcome.missing == ("cccccccccccccccccccc",)
        assert pair.answers == []

    run(play())


def test_question_that_nobody_waits_for_takes_no_answer() -> None:
    async def play() -> None:
        pair = Pair()
        forget = pair.ask("cccccccccccccccccccc", timeout=3.0)
        forget()
        await asyncio.sleep(5)
        assert pair.outcomes == []

    run(play())


def test_question_to_our_own_socket_is_not_sent() -> None:
    pair = Pair()
    pair.ask(A)
    assert pair.channel.messages == []
    assert pair.outcomes == [RemoteOutcome(is_complete=True)]


@pytest.mark.parametrize("rooms", [("lobby",), (A, "cccccccccccccccccccc"), ("lobby", "hall")])
def test_question_whose_answers_nobody_can_count_is_an_error(rooms: tuple[str, ...]) -> None:
    pair = Pair()
    with pytest.raises(NotImplementedError, match="one socket by its id"):
        pair.ask(*rooms)
    assert pair.channel.messages == []


def test_questions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        pair = Pair()
        pair.ask("cccccccccccccccccccc")
        with pytest.raises(LimitExceeded):
            pair.ask("dddddddddddddddddddd")
        assert len(pair.channel.messages) == 1
        pair.ours.node.start()
        pair.ours.node.close()
        await asyncio.sleep(10)
        assert pair.outcomes == []

    monkeypatch.setattr(node_module, "MAX_PENDING", 1)
    run(play())


def test_our_orders_reach_their_sockets() -> None:
    async def play() -> None:
        async with both() as pair:
            sid, manager = await pair.theirs.client("old"), pair.theirs.manager
            node, only = pair.ours.node, BroadcastOptions((sid,))
            node.join_remote(only, ("r", "s"))
            node.leave_remote(only, ("old",))
            await until(lambda: set(manager.get_rooms(sid, "/")) == {sid, "r", "s"})
            node.leave_remote(BroadcastOptions(("r",)), ("r",))
            await until(lambda: set(manager.get_rooms(sid, "/")) == {sid, "s"})
            assert pair.channel.last["method"] == "close_room"
            node.disconnect_remote(only, close=True)
            await until(lambda: not manager.is_connected(sid, "/"))

    asyncio.run(play())


def test_orders_about_our_own_sockets_are_not_sent() -> None:
    pair = Pair()
    only = BroadcastOptions((A, B))
    pair.ours.node.join_remote(only, ("r",))
    pair.ours.node.leave_remote(only, ("r",))
    pair.ours.node.disconnect_remote(only, close=False)
    assert pair.channel.messages == []


@pytest.mark.parametrize(
    "options", [ALL, BroadcastOptions(("lobby",)), BroadcastOptions((A,), ("lobby",))]
)
def test_orders_that_have_no_form_are_errors(options: BroadcastOptions) -> None:
    pair = Pair()
    node, text = pair.ours.node, "ids of sockets"
    with pytest.raises(NotImplementedError, match=text):
        node.join_remote(options, ("r",))
    with pytest.raises(NotImplementedError, match=text):
        node.leave_remote(options, ("r",))
    with pytest.raises(NotImplementedError, match=text):
        node.disconnect_remote(options, close=False)
    assert pair.channel.messages == []


def test_who_is_elsewhere_cannot_be_asked_for() -> None:
    async def play() -> None:
        pair = Pair()
        for options in (ALL, BroadcastOptions(("lobby",))):
            with pytest.raises(NotImplementedError, match="use `local`"):
                await pair.ours.node.fetch_remote(options, 1.0)
            with pytest.raises(NotImplementedError, match="use `local`"):
                await pair.ours.node.count_remote(options, 1.0)
        here = BroadcastOptions((A,))
        assert await pair.ours.node.fetch_remote(here, 1.0) == ([], RemoteOutcome(is_complete=True))
        assert await pair.ours.node.count_remote(here, 1.0) == (0, RemoteOutcome(is_complete=True))
        assert await pair.ours.node.server_count() == 2

    asyncio.run(play())


# --- from them to us ------------------------------------------------------------------------------


def test_their_event_reaches_our_sockets() -> None:
    async def play() -> None:
        async with both() as pair:
            pair.ours.put(A, "r")
            io = pair.theirs.io
            await io.emit("a", ("x", 1))
            await io.emit("b", room="r")
            await io.emit("c", to=B)
            await io.emit("d", room=["r", B], skip_sid=A)
            await io.emit("e", {"data": b"\x00"}, skip_sid=[A])
            await io.emit("f", namespace="/elsewhere")
            await until(lambda: len(pair.ours.packets(B)) == 4)
            assert pair.ours.packets(A) == [['2["a","x",1]'], ['2["b"]']]
            assert pair.ours.packets(B)[:3] == [['2["a","x",1]'], ['2["c"]'], ['2["d"]']]
            assert pair.ours.packets(B)[3][0] == '51-["e",{"data":{"_placeholder":true,"num":0}}]'
            assert len(pair.channel.messages) == 6, "nothing goes back"

    asyncio.run(play())


def test_our_socket_answers_them() -> None:
    async def play() -> None:
        async with both() as pair:
            answers: list[Any] = []
            await pair.theirs.io.emit("question", to=A, callback=lambda *args: answers.append(args))
            await until(lambda: pair.ours.namespace[A].expected)
            ((id_, done),) = pair.ours.namespace[A].expected.items()
            assert pair.ours.packets(A) == [[f'2{id_}["question"]']]
            done(("yes", {"a": 1}))
            await until(lambda: answers)
            assert answers == [("yes", {"a": 1})]

    asyncio.run(play())


def test_answer_that_cannot_be_sent_leaves_a_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def play() -> None:
        async with both() as pair:
            await pair.theirs.io.emit("question", to=A, callback=print)
            await until(lambda: pair.ours.namespace[A].expected)
            (done,) = pair.ours.namespace[A].expected.values()
            done((b"binary",))
            assert len(pair.channel.messages) == 1

    with caplog.at_level(logging.WARNING, "sockwave.adapters"):
        asyncio.run(play())
    assert "something binary cannot be sent" in caplog.text


def test_answers_are_waited_for_as_long_as_is_sensible() -> None:
    async def play() -> None:
        channel = FakeChannel()
        ours = Ours(channel, A, B)
        question = (
            b'{"method":"emit","event":"q","data":[],"host_id":"h","callback":["all","/",1],'
            b'"room":["%b","%b"],"namespace":"/"}' % (A.encode(), B.encode())
        )
        ours.received(question)
        (first,) = ours.namespace[A].expected.values()
        ours.namespace[B].leave()
        await asyncio.sleep(59)
        assert ours.namespace[A].expected
        await asyncio.sleep(2)
        assert not ours.namespace[A].expected
        ours.received(question)
        for name in (A, B):
            for done in list(ours.namespace[name].expected.values()):
                done(())
        assert not ours.namespace[A].expected, "all have answered"
        assert first is not None

    run(play())


def test_events_that_wait_for_answers_are_bounded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def play() -> None:
        async with both() as pair:
            for _ in range(3):
                await pair.theirs.io.emit("question", to=A, callback=print)
            await pair.theirs.io.emit("last")
            await until(lambda: ['2["last"]'] in pair.ours.packets(A))
            assert len(pair.ours.packets(A)) == 2
            pair.ours.node.start()
            pair.ours.node.close()
            assert not pair.ours.namespace[A].expected

    monkeypatch.setattr(node_module, "MAX_PENDING", 1)
    with caplog.at_level(logging.WARNING, "sockwave.adapters"):
        asyncio.run(play())
    assert "wait for answers" in caplog.text


def test_their_orders_reach_our_sockets() -> None:
    async def play() -> None:
        async with both() as pair:
            io, node = pair.theirs.io, pair.ours.node
            await io.enter_room(A, "r")
            await io.enter_room(A, 42)
            await io.enter_room(B, "r")
            await until(lambda: node.rooms == {"r": {A, B}, "42": {A}})
            await io.leave_room(B, "r")
            await until(lambda: node.rooms == {"r": {A}, "42": {A}})
            await io.close_room("r")
            await until(lambda: node.rooms == {"42": {A}})
            await io.disconnect(A)
            await until(lambda: list(pair.ours.namespace.sockets) == [B])
            await io.enter_room("cccccccccccccccccccc", "r")
            await io.disconnect("cccccccccccccccccccc")
            await io.emit("last")
            await until(lambda: pair.ours.packets(B))
            assert node.rooms == {}

    asyncio.run(play())


def test_answers_that_nobody_has_asked_for_change_nothing() -> None:
    async def play() -> None:
        pair = Pair()
        sid = "cccccccccccccccccccc"
        pair.ask(sid, timeout=3.0)
        answer = (
            b'{"method":"callback","host_id":"%b","sid":"%b","namespace":"/","id":%d,"args":[]}'
        )
        host = pair.ours.host.encode()
        pair.ours.received(answer % (b"other", sid.encode(), 1))
        pair.ours.received(answer % (host, sid.encode(), 99))
        pair.ours.received(answer % (host, A.encode(), 1))
        assert pair.outcomes == []
        pair.ours.received(answer % (host, sid.encode(), 1))
        pair.ours.received(answer % (host, sid.encode(), 1))
        assert len(pair.outcomes) == 1
        assert [each.value for each in pair.answers] == [None]

    run(play())
