"""The emitter of PostgreSQL, on one in memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from sockwave.adapters.messages import (
    EMITTER,
    Message,
    MessageType,
    decode_message,
    encode_message,
)
from sockwave.adapters.postgres.wire import encode_header, header_of, prepare
from sockwave.emitters import PostgresEmitter, postgres_engine
from sockwave.errors import EncodeError, LimitExceeded, TransportError
from sockwave.types import SocketId
from tests.adapters.postgres.fakes import FakePostgres
from tests.support.raw import until
from tests.support.values import UNSENDABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

DSN = "postgresql://chat:secret@localhost/chat"


def run(
    monkeypatch: pytest.MonkeyPatch,
    test: Callable[[FakePostgres, PostgresEmitter], Coroutine[Any, Any, None]],
) -> None:
    async def limited() -> None:
        server = FakePostgres()
        monkeypatch.setattr(postgres_engine, "source_of", lambda dsn: server)
        async with asyncio.timeout(60), PostgresEmitter(DSN) as emitter:
            await test(server, emitter)
        assert server.connections == []

    asyncio.run(limited())


def test_event_is_what_servers_in_javascript_hear(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(server: FakePostgres, emitter: PostgresEmitter) -> None:
        await emitter.to("r1").emit("fromemitter", 1)
        assert server.sent == [
            (
                "socket.io#/",
                (
                    '{"type":3,"data":{"packet":{"type":2,"data":["fromemitter",1],"nsp":"/"},'
                    '"opts":{"rooms":["r1"],"flags":{},"except":[]}},"uid":"emitter","nsp":"/"}'
                ),
            )
        ]

    run(monkeypatch, test)


def test_large_and_binary_events_go_through_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(server: FakePostgres, emitter: PostgresEmitter) -> None:
        server.has_table = False
        await emitter.of("admin").to("r1").emit("fromemitter", b"\x01")
        await emitter.emit("x", "y" * 9_000)
        assert server.sent == [
            ("socket.io#/admin", '{"uid":"emitter","type":3,"attachmentId":"1"}'),
            ("socket.io#/", '{"uid":"emitter","type":3,"attachmentId":"2"}'),
        ]
        message = decode_message(server.rows[1])
        assert message.namespace == "/admin"
        assert message.data["packet"]["data"] == ["fromemitter", b"\x01"]

    run(monkeypatch, test)


def test_same_event_twice_arrives_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(server: FakePostgres, emitter: PostgresEmitter) -> None:
        await asyncio.gather(*(emitter.emit("tick") for _ in range(3)))
        assert len(server.sent) == 3

    run(monkeypatch, test)


def test_connection_that_ended_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(server: FakePostgres, emitter: PostgresEmitter) -> None:
        await emitter.emit("a")
        server.restart()
        await emitter.emit("b")
        assert len(server.sent) == 2

    run(monkeypatch, test)


def test_failure_is_told_and_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(server: FakePostgres, emitter: PostgresEmitter) -> None:
        server.is_away = True
        with pytest.raises(TransportError, match="PostgreSQL at nowhere:5432: nobody listens"):
            await emitter.emit("a")
        server.is_away = False
        server.refusals = [asyncpg.ProgramLimitExceededError("queue is full")]
        with pytest.raises(TransportError, match="queue is full"):
            await emitter.emit("b")
        await emitter.emit("c")
        (sent,) = server.sent
        assert decode_message(sent[1].encode()).data["packet"]["data"] == ["c"]

    run(monkeypatch, test)


def test_refused_event_is_followed_by_one_on_another_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a fail-over the old server may be there still, and take nothing any more."""

    async def test(server: FakePostgres, emitter: PostgresEmitter) -> None:
        await emitter.emit("large", "y" * 9_000)
        (before,) = server.connections
        server.refusals = [asyncpg.ReadOnlySQLTransactionError("cannot execute NOTIFY")]
        with pytest.raises(TransportError, match="cannot execute NOTIFY"):
            await emitter.emit("a")
        server.failure = asyncpg.TargetServerAttributeNotMatched("no host is a primary")
        with pytest.raises(TransportError, match="no host is a primary"):
            await emitter.emit("b")
        server.failure, server.has_table = None, False
        await emitter.emit("large", "y" * 9_000)
        assert server.connections != [before]
        assert len(server.sent) == 2

    run(monkeypatch, test)


def test_mistakes_are_told_at_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(server: FakePostgres, emitter: PostgresEmitter) -> None:
        with pytest.raises(EncodeError):
            await emitter.emit("x", UNSENDABLE)
        with pytest.raises(ValueError, match="at most 53 bytes"):
            await emitter.of("x" * 60).emit("x")
        await emitter.to().emit("x")
        assert server.sent == []

    run(monkeypatch, test)


def test_cancelled_event_leaves_a_usable_emitter(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(server: FakePostgres, emitter: PostgresEmitter) -> None:
        await emitter.emit("a")
        server.gate.clear()
        emitting = asyncio.ensure_future(emitter.emit("b"))
        await asyncio.sleep(0.01)
        emitting.cancel()
        await asyncio.wait([emitting])
        server.gate.set()
        await emitter.emit("c")

    run(monkeypatch, test)


# --- questions ------------------------------------------------------------------------------------


class FakeServers:
    """Servers behind a fake database: they answer what emitters ask.

    Args:
        server: The database.
        answers: Type, data and sender of each answer.
    """

    def __init__(self, server: FakePostgres, *answers: tuple[int, dict[str, Any], str]) -> None:
        self.asked: list[Message] = []
        self._server = server
        self._answers = answers
        self._tell, server.notify = server.notify, self._notified  # type: ignore[method-assign]

    def _notified(self, channel: str, payload: str) -> None:
        self._tell(channel, payload)
        row = header_of(payload)
        message = decode_message(payload.encode() if row is None else self._server.rows[row[0]])
        assert message.sender == EMITTER
        self.asked.append(message)
        for type_, data, sender in self._answers:
            fields = {"requestId": message.data["requestId"], **data}
            answer = encode_message(Message(type_, fields, sender, message.namespace), as_text=True)
            sent = prepare(channel, answer)
            if sent.payload is None:
                self._server.rows[self._server.next_row] = answer
                header = encode_header(sent.header, self._server.next_row)
                self._server.next_row += 1
                self._tell(channel, header)
            else:
                self._tell(channel, sent.payload)


COUNT, ACK = MessageType.BROADCAST_CLIENT_COUNT, MessageType.BROADCAST_ACK


def test_answers_come_by_the_channel_and_by_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(server: FakePostgres, emitter: PostgresEmitter) -> None:
        large = "x" * 9_000
        answers: list[tuple[int, dict[str, Any], str]] = [
            (COUNT, {"clientCount": 3, "servers": 1}, "A"),
            (ACK, {"packet": 1, "id": "a"}, "A"),
            (ACK, {"packet": b"\x01", "id": "b"}, "A"),
            (ACK, {"packet": large, "id": "c"}, "A"),
        ]
        servers = FakeServers(server, *answers)
        got = await emitter.emit_with_ack("question", b"\x02")
        assert sorted(got.by_socket) == ["a", "b", "c"]
        assert got.by_socket[SocketId("c")] == large
        assert len(got) == 3
        assert servers.asked[0].data["packet"]["data"] == ["question", b"\x02"]
        assert server.listening() == set()
        assert len(server.connections) == 1  # which sends as well as it listens

    run(monkeypatch, test)


def test_rows_that_are_no_answers_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(server: FakePostgres, emitter: PostgresEmitter) -> None:
        asked = asyncio.ensure_future(emitter.emit_with_ack("question"))
        await until(lambda: len(server.sent) == 1)
        before = list(server.statements)
        for payload in (
            '{"uid":"A","type":3,"attachmentId":"1"}',
            '{"uid":"A","attachmentId":"1"}',
            '{"attachmentId":"x","type":8}',
            "{",
            '"attachmentId"',
        ):
            server.notify("socket.io#/", payload)
        server.notify("socket.io#/", '{"uid":"A","type":8,"attachmentId":"77"}')  # is not there
        await until(lambda: len(server.statements) > len(before))
        assert server.statements[len(before) :] == ["SELECT m.id,"]
        asked.cancel()
        await asyncio.wait([asked])

    run(monkeypatch, test)


def test_connection_that_ends_ends_the_question_and_the_next_one_asks_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test(server: FakePostgres, emitter: PostgresEmitter) -> None:
        asked = asyncio.ensure_future(emitter.emit_with_ack("question"))
        await until(lambda: len(server.sent) == 1)
        server.restart()
        with pytest.raises(TransportError, match="lost before all servers had answered"):
            await asked
        FakeServers(server, (COUNT, {"clientCount": 0, "servers": 1}, "A"))
        assert await emitter.emit_with_ack("question") == []

    run(monkeypatch, test)


def test_large_answers_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(server: FakePostgres, emitter: PostgresEmitter) -> None:
        monkeypatch.setattr(postgres_engine, "MAX_ROWS", 2)
        asked = asyncio.ensure_future(emitter.emit_with_ack("question"))
        await until(lambda: len(server.sent) == 1)
        for row in range(1, 5):
            server.notify("socket.io#/", f'{{"uid":"A","type":8,"attachmentId":"{row}"}}')
        with pytest.raises(LimitExceeded, match="2 large answers"):
            await asked

    run(monkeypatch, test)


def test_table_that_cannot_be_read_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(server: FakePostgres, emitter: PostgresEmitter) -> None:
        server.has_table = False
        asked = asyncio.ensure_future(emitter.emit_with_ack("question"))
        await until(lambda: len(server.sent) == 1)
        server.notify("socket.io#/", '{"uid":"A","type":8,"attachmentId":"1"}')
        with pytest.raises(TransportError, match="relation does not exist"):
            await asked
        await emitter.emit("x")

    run(monkeypatch, test)


def test_closing_ends_the_question(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(server: FakePostgres, emitter: PostgresEmitter) -> None:
        asked = asyncio.ensure_future(emitter.emit_with_ack("question"))
        await until(lambda: len(server.sent) == 1)
        await emitter.aclose()
        with pytest.raises(TransportError, match="the emitter is closed"):
            await asked
        assert server.listening() == set()

    run(monkeypatch, test)
