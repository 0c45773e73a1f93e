"""Questions of an emitter in an event loop: who listens, how long, and how it ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from sockwave.adapters.messages import Message, MessageType, decode_message, encode_message
from sockwave.emitters import asking
from sockwave.emitters.engines import AsyncEmitter
from sockwave.errors import AckTimeout, Disconnected, LimitExceeded, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from sockwave.emitters.asking import Hearer


class FakeEngine:
    """An engine in memory, with servers behind it.

    Attributes:
        answer: What they say to a message.
        servers: How many are counted.
        hearers: Who listens.
        sent: Messages, orders too.
        failure: What the next calls end with.
    """

    def __init__(self) -> None:
        self.answer: Callable[[Message], list[Message]] = lambda message: []
        self.servers: int | None = 1
        self.hearers: list[tuple[str, Hearer]] = []
        self.sent: list[Message] = []
        self.failure: dict[str, Exception] = {}
        self.is_closed = False

    name = "an engine at nowhere"

    def encode(self, message: Message) -> Message:
        return decode_message(encode_message(message))

    async def send(self, encoded: Message) -> None:
        await self._may("send")
        self.sent.append(encoded)
        for message in self.answer(encoded):
            self.say(message)

    def say(self, message: Message) -> None:
        for namespace, hearer in self.hearers:
            if namespace == message.namespace:
                hearer.came(encode_message(message), decode_message)

    async def listen(self, namespace: str, hearer: Hearer) -> FakeListening:
        await self._may("listen")
        self.hearers.append((namespace, hearer))
        return FakeListening(self, (namespace, hearer))

    async def count(self, namespace: str) -> int | None:
        await self._may("count")
        return self.servers

    async def _may(self, what: str) -> None:
        await asyncio.sleep(0)
        if what in self.failure:
            raise self.failure[what]

    async def aclose(self) -> None:
        self.is_closed = True
        assert self.hearers == []


class FakeListening:
    def __init__(self, engine: FakeEngine, entry: tuple[str, Hearer]) -> None:
        self._engine = engine
        self._entry = entry

    async def aclose(self) -> None:
        await asyncio.sleep(0)
        self._engine.hearers.remove(self._entry)


def echo(message: Message) -> list[Message]:
    """One client, which answers with what it was sent."""
    request, namespace = message.data["requestId"], message.namespace

    def response(type_: int, **data: Any) -> Message:
        return Message(type_, {"requestId": request, **data}, "A", namespace)

    if message.type == MessageType.FETCH_SOCKETS:
        found = [{"id": "a1", "handshake": {}, "rooms": ["a1", "r"], "data": {"n": 1}}]
        return [response(MessageType.FETCH_SOCKETS_RESPONSE, sockets=found)]
    value = message.data["packet"]["data"][1]
    return [
        response(MessageType.BROADCAST_CLIENT_COUNT, clientCount=1, ids=["a1"]),
        response(MessageType.BROADCAST_ACK, packet=value, id="a1"),
    ]


def run(test: Callable[[FakeEngine, AsyncEmitter[Message]], Coroutine[Any, Any, None]]) -> None:
    async def limited() -> None:
        engine = FakeEngine()
        async with asyncio.timeout(60), AsyncEmitter(engine, "/") as emitter:
            await test(engine, emitter)
        assert engine.is_closed

    asyncio.run(limited())


def test_engine_listens_as_long_as_questions_are_open() -> None:
    async def test(engine: FakeEngine, emitter: AsyncEmitter[Message]) -> None:
        engine.answer = echo
        questions = [emitter.emit_with_ack("x", number) for number in range(20)]
        answers = await asyncio.gather(*questions, emitter.of("b").emit_with_ack("x", "b"))
        assert answers == [[number] for number in range(20)] + [["b"]]
        assert engine.hearers == []
        assert await emitter.emit_with_ack("x", "again") == ["again"]

    run(test)


def test_one_connection_listens_for_all_questions_of_a_namespace() -> None:
    async def test(engine: FakeEngine, emitter: AsyncEmitter[Message]) -> None:
        asked = [asyncio.ensure_future(emitter.emit_with_ack("x", n)) for n in range(5)]
        while len(engine.sent) < 5:
            await asyncio.sleep(0)
        assert len(engine.hearers) == 1
        for message in reversed(engine.sent):
            for each in echo(message):
                engine.say(each)
        assert await asyncio.gather(*asked) == [[n] for n in range(5)]

    run(test)


def test_fetched_socket_is_reached_by_its_id() -> None:
    async def test(engine: FakeEngine, emitter: AsyncEmitter[Message]) -> None:
        engine.answer = lambda message: echo(message) if "requestId" in message.data else []
        (socket,) = await emitter.to("r").fetch_sockets()
        assert repr(socket) == "<FetchedSocket a1>"
        assert (socket.id, socket.node, socket.rooms) == ("a1", "A", {"a1", "r"})
        assert (socket.data, socket.handshake.auth) == ({"n": 1}, {})
        engine.sent.clear()
        await socket.emit("x")
        await socket.join("s", "t")
        await socket.leave("s")
        await socket.disconnect(close=True)
        assert await socket.emit_with_ack("x", 5) == 5
        assert [each.type for each in engine.sent] == [3, 4, 5, 6, 3]
        assert {tuple(each.data["opts"]["rooms"]) for each in engine.sent} == {("a1",)}
        engine.servers, engine.answer = 0, lambda message: []
        with pytest.raises(Disconnected):
            await socket.emit_with_ack("x", 5)

    run(test)


def test_end_of_the_connection_ends_all_questions_and_the_next_one_asks_anew() -> None:
    async def test(engine: FakeEngine, emitter: AsyncEmitter[Message]) -> None:
        asked = [asyncio.ensure_future(emitter.emit_with_ack("x", n)) for n in range(3)]
        while len(engine.sent) < 3:
            await asyncio.sleep(0)
        ((_, hearer),) = engine.hearers
        hearer.ended(TransportError("it is lost"))
        hearer.ended(TransportError("again"))
        engine.answer = echo
        late = emitter.emit_with_ack("x", "new")
        assert await late == ["new"]
        for each in await asyncio.gather(*asked, return_exceptions=True):
            assert str(each) == "it is lost"

    run(test)


@pytest.mark.parametrize("what", ["listen", "send", "count"])
def test_failure_is_told_and_nothing_is_left(what: str) -> None:
    async def test(engine: FakeEngine, emitter: AsyncEmitter[Message]) -> None:
        engine.failure[what] = TransportError(f"cannot {what}")
        for _ in range(2):
            with pytest.raises(TransportError, match=f"cannot {what}"):
                await emitter.emit_with_ack("x")
            assert engine.hearers == []
        if what == "count":
            with pytest.raises(TransportError, match="cannot count"):
                await emitter.server_count()
        engine.failure.clear()
        engine.answer = echo
        assert await emitter.emit_with_ack("x", 1) == [1]

    run(test)


def test_question_that_is_cancelled_leaves_nothing() -> None:
    async def test(engine: FakeEngine, emitter: AsyncEmitter[Message]) -> None:
        asked = asyncio.ensure_future(emitter.emit_with_ack("x"))
        while not engine.sent:
            await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert engine.hearers == []

    run(test)


def test_time_of_a_question_ends_it() -> None:
    async def test(engine: FakeEngine, emitter: AsyncEmitter[Message]) -> None:
        engine.servers = 2
        engine.answer = echo
        with pytest.raises(AckTimeout) as raised:
            await emitter.timeout(0.01).emit_with_ack("x", 1)
        assert raised.value.responses == [1]
        assert raised.value.by_socket == {"a1": 1}

    run(test)


def test_closing_ends_who_asks() -> None:
    async def test(engine: FakeEngine, emitter: AsyncEmitter[Message]) -> None:
        asked = asyncio.ensure_future(emitter.emit_with_ack("x"))
        while not engine.sent:
            await asyncio.sleep(0)
        await emitter.aclose()
        with pytest.raises(TransportError, match="the emitter is closed"):
            await asked

    run(test)


def test_open_questions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(engine: FakeEngine, emitter: AsyncEmitter[Message]) -> None:
        monkeypatch.setattr(asking, "MAX_OPEN", 2)
        asked = [asyncio.ensure_future(emitter.emit_with_ack("x", n)) for n in range(2)]
        while len(engine.sent) < 2:
            await asyncio.sleep(0)
        with pytest.raises(LimitExceeded, match="2 questions"):
            await emitter.fetch_sockets()
        for each in asked:
            each.cancel()
        await asyncio.wait(asked)

    run(test)


def test_servers_are_counted_by_the_engine_or_by_their_answers() -> None:
    async def test(engine: FakeEngine, emitter: AsyncEmitter[Message]) -> None:
        engine.servers = 7
        assert await emitter.server_count() == 7
        assert engine.sent == []
        engine.servers = None

        def answer(message: Message) -> list[Message]:
            data = {"requestId": message.data["requestId"], "count": 0, "servers": 2}
            return [Message(103, data, sender, "/chat") for sender in ("A", "B")]

        engine.answer = answer
        assert await emitter.of("chat").server_count() == 2

    run(test)


def test_question_for_nobody_is_not_asked() -> None:
    async def test(engine: FakeEngine, emitter: AsyncEmitter[Message]) -> None:
        assert await emitter.to().emit_with_ack("x") == []
        assert await emitter.in_([]).fetch_sockets() == []
        assert len(engine.sent) == 0

    run(test)


@pytest.mark.parametrize("wrong", [-1, "1", True, float("nan")])
def test_wrong_time_is_refused(wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="ack_timeout"):
        AsyncEmitter(FakeEngine(), "/", wrong)
