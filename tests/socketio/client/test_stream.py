"""Events as an iterator, with a bound."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sockwave.errors import ConnectError, LimitExceeded
from sockwave.socketio.client.stream import EventStream


def read(stream: EventStream) -> list[tuple[Any, ...]]:
    async def collect() -> list[tuple[Any, ...]]:
        return [event async for event in stream]

    return asyncio.run(collect())


def filled(overflow: Any, count: int = 5) -> EventStream:
    stream = EventStream(("n",), 3, overflow)
    for number in range(count):
        stream.put(["n", number])
    return stream


def test_one_name_gives_arguments_and_several_give_the_name_too() -> None:
    one, several = EventStream(("a",), 9, "error"), EventStream((), 9, "error")
    for stream in (one, several):
        stream.put(["a", 1, 2])
        stream.close()
    assert (read(one), read(several)) == ([(1, 2)], [("a", 1, 2)])


def test_full_stream_ends_with_an_error_behind_what_waits() -> None:
    stream = filled("error")

    async def collect() -> list[tuple[Any, ...]]:
        seen = [await anext(stream) for _ in range(3)]
        with pytest.raises(LimitExceeded):
            await anext(stream)
        return seen

    assert asyncio.run(collect()) == [(0,), (1,), (2,)]


@pytest.mark.parametrize(
    ("overflow", "kept"), [("drop_oldest", [(2,), (3,), (4,)]), ("drop_newest", [(0,), (1,), (2,)])]
)
def test_full_stream_drops_and_counts(overflow: str, kept: list[tuple[int]]) -> None:
    stream = filled(overflow)
    stream.close()
    assert (read(stream), stream.dropped) == (kept, 2)


def test_stream_that_ends_with_an_error_raises_it_once() -> None:
    stream = EventStream((), 3, "error")
    stream.end(ConnectError("no"))
    with pytest.raises(ConnectError):
        read(stream)
    assert read(stream) == []


def test_cancelled_reader_loses_no_event() -> None:
    async def run() -> tuple[Any, ...]:
        stream = EventStream(("n",), 3, "error")
        reader = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        stream.put(["n", 1])
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        return await anext(stream)

    assert asyncio.run(run()) == (1,)
