"""The emitter of PostgreSQL, on one in memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from sockwave.adapters.messages import decode_message
from sockwave.emitters import PostgresEmitter, postgres_engine
from sockwave.errors import EncodeError, TransportError
from tests.adapters.postgres.fakes import FakePostgres

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
        with pytest.raises(TransportError, match="PostgreSQL: nobody listens"):
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
            await emitter.emit("x", object())
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
