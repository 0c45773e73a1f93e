"""Answers to one broadcast come from here and from others, in any order, or do not come."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockwave import AckTimeout, BroadcastAnswers, Disconnected, SocketId
from sockwave.socketio.core.adapter import BroadcastOptions
from sockwave.socketio.core.cluster_contract import RemoteAnswer, RemoteOutcome
from sockwave.socketio.core.encoded_event import EncodedEvent
from sockwave.socketio.server import collecting
from sockwave.socketio.server.collecting import AnswerCollector

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sockwave.socketio.core.acks import AckResult
    from sockwave.socketio.core.adapter import Adapter, LocalSocket
    from sockwave.socketio.core.cluster_contract import SupportsCluster

LOCAL = ["a", "b", "c"]
REMOTE = ["x", "y", None]


class FakeAsked:
    """A socket of this process that was asked."""

    def __init__(self, name: str) -> None:
        self.id = SocketId(name)
        self.is_forgotten = False

    def forget_ack(self, id_: int) -> None:
        self.is_forgotten = True


class FakeSides:
    """Both sides in one: asks sockets of this process, and those of others."""

    def __init__(self, local: Sequence[str]) -> None:
        self.sockets = [FakeAsked(name) for name in local]
        self.is_forgotten = False
        self.done: Callable[[SocketId, AckResult], None]
        self.answered: Callable[[RemoteAnswer], None]
        self.over: Callable[[RemoteOutcome], None]

    def broadcast_with_ack(
        self, args: Any, options: Any, id_: int, done: Callable[[SocketId, AckResult], None]
    ) -> list[LocalSocket]:
        self.done = done
        return cast("list[LocalSocket]", self.sockets)

    def ask_remote(
        self,
        event: Any,
        options: Any,
        timeout: float,
        answered: Callable[[RemoteAnswer], None],
        over: Callable[[RemoteOutcome], None],
    ) -> Callable[[], None]:
        self.answered, self.over = answered, over
        return self.forget

    def forget(self) -> None:
        self.is_forgotten = True

    def begin(self, answers: BroadcastAnswers, *, is_alone: bool = False) -> asyncio.Task[None]:
        """Ask, with all the time of the world."""
        others = None if is_alone else cast("SupportsCluster", self)
        collector = AnswerCollector(answers, cast("Adapter", self), others)
        event = EncodedEvent(("q",), "/", None)
        return asyncio.ensure_future(collector.ask(event, BroadcastOptions(), 7, 600))

    def answer(self, socket: str | None, value: Any) -> None:
        """One of the others answers."""
        id_ = None if socket is None else SocketId(socket)
        self.answered(RemoteAnswer(member="n", socket=id_, value=value))


@given(st.data())
def test_every_order_of_what_happens_ends_with_all_that_is_known(data: st.DataObject) -> None:
    local = data.draw(st.lists(st.sampled_from(LOCAL), unique=True), "asked here")
    leaving = data.draw(st.sets(st.sampled_from(local)) if local else st.just(set[str]()), "leave")
    remote = data.draw(st.lists(st.sampled_from(REMOTE)), "answers of others")
    outcome = data.draw(
        st.builds(
            RemoteOutcome,
            is_complete=st.booleans(),
            gone=st.lists(st.sampled_from("nm"), max_size=2).map(tuple),
            silent=st.lists(st.sampled_from("no"), max_size=2).map(tuple),
            missing=st.lists(st.sampled_from(["x", "z"]), max_size=2).map(tuple),
        ),
        "outcome",
    )
    happens: list[Any] = [*local, *(("remote", socket) for socket in remote)]
    happens = data.draw(st.permutations(happens), "order")
    at = data.draw(st.integers(0, len(happens)), "when it is over there")
    after = [each for each in happens[at:] if isinstance(each, str)]
    happens = [*happens[:at], outcome, *after]

    async def run() -> tuple[BroadcastAnswers, BaseException | None]:
        answers, sides = BroadcastAnswers(), FakeSides(local)
        task = sides.begin(answers)
        await asyncio.sleep(0)
        for number, each in enumerate(happens):
            assert not task.done()
            if isinstance(each, RemoteOutcome):
                sides.over(each)
            elif isinstance(each, tuple):
                sides.answer(each[1], number)
            elif each in leaving:
                sides.done(SocketId(each), Disconnected("gone"))
            else:
                sides.done(SocketId(each), (number,))
        await asyncio.wait([task], timeout=40)
        assert sides.is_forgotten and all(socket.is_forgotten for socket in sides.sockets)
        return answers, task.exception()

    answers, error = asyncio.run(run())
    expected: list[int] = []
    by_socket: dict[str, int] = {}
    for number, each in enumerate(happens):
        name = each[1] if isinstance(each, tuple) else each
        if isinstance(each, RemoteOutcome) or each in leaving or name in by_socket:
            continue
        expected.append(number)
        if name is not None:
            by_socket[name] = number
    assert (list(answers), answers.by_socket) == (expected, by_socket)
    assert (error is None) == (outcome.is_complete and not leaving)
    if isinstance(error, AckTimeout):
        assert error.responses is answers
        asked = dict.fromkeys([*local, *outcome.missing])
        assert list(error.missing) == [name for name in asked if name not in by_socket]
        assert error.missing_servers == tuple(dict.fromkeys(outcome.gone + outcome.silent))
    else:
        assert error is None


async def test_nobody_who_is_asked_is_an_empty_answer_at_once() -> None:
    answers, sides = BroadcastAnswers(), FakeSides([])
    await sides.begin(answers, is_alone=True)
    assert answers == [] and answers.missing == ()


class FakeLosing(FakeSides):
    """Whose socket leaves because of what it is sent."""

    def broadcast_with_ack(
        self, args: Any, options: Any, id_: int, done: Callable[[SocketId, AckResult], None]
    ) -> list[LocalSocket]:
        for socket in self.sockets:
            done(socket.id, Disconnected("gone"))
        return super().broadcast_with_ack(args, options, id_, done)


async def test_socket_that_leaves_while_it_is_asked_is_missing() -> None:
    with pytest.raises(AckTimeout) as caught:
        await FakeLosing(["a"]).begin(BroadcastAnswers(), is_alone=True)
    assert caught.value.missing == ("a",)


async def test_others_are_given_up_soon_after_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "GRACE", 0)
    answers, sides = BroadcastAnswers(), FakeSides(["a"])
    collector = AnswerCollector(answers, cast("Adapter", sides), cast("SupportsCluster", sides))
    event = EncodedEvent(("q",), "/", None)
    with pytest.raises(AckTimeout) as caught:
        await collector.ask(event, BroadcastOptions(), 7, 0)
    assert caught.value.missing == ("a",)
    assert sides.is_forgotten
