"""What no server would read is refused where it is emitted, on each engine alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sockwave.emitters import NatsEmitter, PostgresEmitter, RedisEmitter, RedisStreamsEmitter
from sockwave.errors import EncodeError

if TYPE_CHECKING:
    from collections.abc import Callable

EMITTERS: list[Callable[[], Any]] = [
    lambda: RedisEmitter("redis://127.0.0.1:1"),
    lambda: RedisEmitter("redis://127.0.0.1:1", sharded=True),
    lambda: RedisStreamsEmitter("redis://127.0.0.1:1"),
    lambda: PostgresEmitter("postgresql://127.0.0.1:1/chat"),
    lambda: NatsEmitter("nats://127.0.0.1:1"),
]


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("make", EMITTERS)
@pytest.mark.parametrize("value", [nested(140), nested(300), [b"binary", nested(140)]])
def test_what_is_nested_deeper_than_servers_read(make: Callable[[], Any], value: Any) -> None:
    with pytest.raises(EncodeError, match="deeper than"):
        make().emit("news", value)
    make().emit("news", nested(120)).close()


@pytest.mark.parametrize("make", EMITTERS)
def test_what_is_larger_than_servers_read(make: Callable[[], Any]) -> None:
    with pytest.raises(EncodeError, match="bytes"):
        make().emit("news", "x" * (64 * 1024 * 1024))


@pytest.mark.parametrize("make", EMITTERS)
def test_questions_are_bounded_as_events_are(make: Callable[[], Any]) -> None:
    with pytest.raises(EncodeError, match="deeper than"):
        make().emit_with_ack("news", nested(140))
