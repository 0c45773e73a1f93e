"""How long emitters wait, in which event loop they are, and what they say of what goes wrong."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

import sockwave.sync
from sockwave.adapters.nats.sources import make_source
from sockwave.adapters.postgres.source import source_of
from sockwave.emitters import (
    NatsEmitter,
    PostgresEmitter,
    RedisEmitter,
    RedisStreamsEmitter,
    engines,
)
from sockwave.emitters.engines import AsyncEmitter
from sockwave.errors import FailureCause, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.adapters.messages import Message
    from sockwave.emitters.asking import Hearer, Listening

EMITTERS: list[Callable[[], Any]] = [
    lambda: RedisEmitter("redis://user:secret@127.0.0.1:1"),
    lambda: RedisStreamsEmitter("redis://user:secret@127.0.0.1:1"),
    lambda: PostgresEmitter("postgresql://user:secret@127.0.0.1:1/chat"),
    lambda: NatsEmitter("nats://user:secret@127.0.0.1:1"),
]
BLOCKING: list[Callable[[], Any]] = [
    lambda: sockwave.sync.RedisEmitter("redis://user:secret@127.0.0.1:1"),
    lambda: sockwave.sync.RedisStreamsEmitter("redis://user:secret@127.0.0.1:1"),
    lambda: sockwave.sync.PostgresEmitter("postgresql://user:secret@127.0.0.1:1/chat"),
    lambda: sockwave.sync.NatsEmitter("nats://user:secret@127.0.0.1:1"),
]


class SlowEngine:
    """Takes one message at a time, and each takes its time; a time of None is for ever."""

    name = "an engine at nowhere"

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self.taken = 0
        self._lock = asyncio.Lock()

    def encode(self, message: Message) -> Message:
        return message

    async def send(self, encoded: Message) -> None:
        async with self._lock:
            await self._rest()
            self.taken += 1

    async def _rest(self) -> None:
        if self.seconds is None:
            await asyncio.Event().wait()
        else:
            await asyncio.sleep(self.seconds)

    async def listen(self, namespace: str, hearer: Hearer) -> Listening:
        await self._rest()
        raise AssertionError("nobody hears here")

    async def count(self, namespace: str) -> int | None:
        await self._rest()
        return 0

    async def aclose(self) -> None:
        """Nothing is open."""


def test_engine_that_hangs_is_an_error_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "SEND_TIMEOUT", 0.05)

    async def main() -> None:
        async with AsyncEmitter(SlowEngine(None), "/") as emitter:
            calls = [emitter.emit("a"), emitter.emit("b"), emitter.emit_with_ack("c", timeout=0.05)]
            found = await asyncio.gather(*calls, return_exceptions=True)
        for error in found:
            assert isinstance(error, TransportError)
            assert error.cause is FailureCause.TIMEOUT
            assert str(error) == ("an engine at nowhere: it has not answered within 0.05 seconds")

    asyncio.run(main())


def test_many_at_once_may_take_longer_as_long_as_it_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engines, "SEND_TIMEOUT", 2.0)

    async def main() -> None:
        engine = SlowEngine(0.25)
        async with AsyncEmitter(engine, "/") as emitter:
            await asyncio.gather(*(emitter.emit("a") for _ in range(10)))
        assert engine.taken == 10

    asyncio.run(main())


@pytest.mark.parametrize("make", EMITTERS)
def test_second_event_loop_is_refused_before_anything_is_sent(make: Callable[[], Any]) -> None:
    emitter = make()

    async def main(call: Callable[[], Any]) -> None:
        await call()

    with pytest.raises(TransportError):
        asyncio.run(main(lambda: emitter.emit("a")))
    asked: list[Callable[[], Any]] = [
        lambda: emitter.emit("a"),
        lambda: emitter.emit_with_ack("a", timeout=1),
        emitter.fetch_sockets,
        emitter.server_count,
    ]
    for call in asked:
        with pytest.raises(RuntimeError, match="belongs to the event loop"):
            asyncio.run(main(call))
    asyncio.run(main(emitter.aclose))  # does nothing, and does not fail


@pytest.mark.parametrize("make", EMITTERS)
def test_emitter_that_was_closed_may_begin_in_another_loop(make: Callable[[], Any]) -> None:
    emitter = make()

    async def main() -> None:
        async with emitter:
            with pytest.raises(TransportError):
                await emitter.emit("a")

    for _ in range(2):
        asyncio.run(main())


@pytest.mark.parametrize("make", EMITTERS)
def test_errors_name_the_place_and_no_password(make: Callable[[], Any]) -> None:
    async def main() -> None:
        async with make() as emitter:
            for call in (emitter.emit("a"), emitter.fetch_sockets()):
                with pytest.raises(TransportError, match=r"^\w+ at 127\.0\.0\.1:1: .") as raised:
                    await call
                assert "secret" not in str(raised.value)
                assert raised.value.details

    asyncio.run(main())


@pytest.mark.parametrize("make", BLOCKING)
def test_errors_of_those_that_block_do_so_too(make: Callable[[], Any]) -> None:
    with make() as emitter:
        for call in (lambda: emitter.emit("a"), emitter.fetch_sockets, emitter.server_count):
            with pytest.raises(TransportError, match=r"^\w+ at 127\.0\.0\.1:1: .") as raised:
                call()
            assert "secret" not in str(raised.value)
            assert raised.value.details


@pytest.mark.parametrize(
    ("dsn", "name"),
    [
        ("postgresql://u:secret@db.example.com/chat", "db.example.com:5432"),
        ("postgresql://u:se%40cret@a,b:5433/chat?sslmode=require", "a:5432, b:5433"),
        ("postgresql://u@[::1]/chat", "[::1]:5432"),
        ("postgresql:///chat?host=/run/postgresql&password=secret", "/run/postgresql"),
        ("postgresql:///chat", "the default host"),
    ],
)
def test_name_of_a_postgres(dsn: str, name: str) -> None:
    assert source_of(dsn).name == name


def test_name_of_several_nats() -> None:
    urls = ["nats://u:secret@a", "tls://u:secret@b:4333"]
    assert make_source("it", urls, None, None, None).name == "a:4222, b:4333"


def test_what_is_no_address_of_nats() -> None:
    wrong: Any = object()
    for make in (NatsEmitter, sockwave.sync.NatsEmitter):
        with pytest.raises(TypeError, match="not object"):
            make(wrong)


@pytest.mark.parametrize("kind", [RedisEmitter, sockwave.sync.RedisEmitter])
def test_key_has_characters(kind: Any) -> None:
    with pytest.raises(ValueError, match="key must be text, and not empty"):
        kind("redis://127.0.0.1:1", key="")


@pytest.mark.parametrize("kind", [RedisStreamsEmitter, sockwave.sync.RedisStreamsEmitter])
@pytest.mark.parametrize("name", ["stream_name", "channel_prefix"])
def test_names_of_streams_have_characters(kind: Any, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be text, and not empty"):
        kind("redis://127.0.0.1:1", **{name: ""})
