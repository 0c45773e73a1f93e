"""Tests of dashboard.py, with real clients."""

import asyncio
from typing import Any

import sockwave
from tests.support.peers import package

package("starlette")


def connect(url: str) -> sockwave.ClientSocket:
    """A client that a volatile event finds ready: in the middle of an upgrade none would be."""
    return sockwave.connect(url, transports=["websocket"])


async def until(events: sockwave.EventStream, key: str, least: float) -> dict[str, Any]:
    """The first sample that has so much of something."""
    async for (sample,) in events:
        if sample[key] >= least:
            return dict(sample)
    raise AssertionError("the connection has ended")


def test_samples_come_one_after_the_other(url: str) -> None:
    async def scenario() -> None:
        async with connect(url) as client:
            samples = client.events("sample")
            await client.emit_with_ack("watch", True)
            numbers = [(await anext(samples))[0]["n"] for _ in range(3)]
            assert numbers == [*range(numbers[0], numbers[0] + 3)]

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_who_comes_later_gets_what_was_before(url: str) -> None:
    async def scenario() -> None:
        async with connect(url) as first, connect(url) as later:
            samples = first.events("sample")
            await first.emit_with_ack("watch", True)
            await until(samples, "n", 2)
            pushed = later.events("sample")
            history = await later.emit_with_ack("watch", True)
            (following,) = await anext(pushed)
            numbers = [sample["n"] for sample in history]
            assert numbers == [*range(1, following["n"])], "no gap, and nothing twice"
            assert len(numbers) >= 2
            assert following["watching"] == 2

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_who_does_not_watch_is_sent_nothing(url: str) -> None:
    async def scenario() -> None:
        async with connect(url) as watching, connect(url) as hidden:
            samples = watching.events("sample")
            await watching.emit_with_ack("watch", True)
            await hidden.emit_with_ack("watch", True)
            assert (await until(samples, "watching", 2))["watching"] == 2
            assert await hidden.emit_with_ack("watch", False) is None
            seen: list[object] = []
            hidden.on("sample", seen.append)
            async for (sample,) in samples:
                if sample["watching"] == 1:
                    break
            assert seen == []

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_events_are_counted_and_load_is_one_at_a_time(url: str) -> None:
    async def scenario() -> None:
        async with connect(url) as one, connect(url) as other:
            samples = one.events("sample")
            told = one.events("load")
            await one.emit_with_ack("watch", True)
            async for (sample,) in samples:
                if sample["events"] >= 1:
                    break
                one.emit("poke")  # again: any one sample may be left out
            working = asyncio.create_task(one.emit_with_ack("load"))
            assert await anext(told) == (True,)
            assert await other.emit_with_ack("load") == "it is working already"
            await until(samples, "cpu", 5)
            assert await working == "done"
            assert await anext(told) == (False,)

    asyncio.run(asyncio.wait_for(scenario(), 60))
