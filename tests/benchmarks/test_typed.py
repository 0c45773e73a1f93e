"""What typed handlers cost: the two ways of each line do the same."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from benchmarks.typed import LINES, MESSAGE
from benchmarks.typed_server import make_typed_server
from sockwave.testing import LinkedClient


def test_both_ways_of_a_line_give_the_same_answer() -> None:
    message = json.loads(MESSAGE)

    async def answers() -> list[list[Any]]:
        io = make_typed_server(is_typed=True)
        async with LinkedClient(io) as client:
            return [
                [await client.emit_with_ack(way, message) for way in line.ways]
                for line in LINES.values()
                if line.is_of_events and all(map(io.listeners, line.ways))
            ]

    found = asyncio.run(answers())
    assert found[:2] == [[message] * 2, [message["text"]] * 2]
    assert found[2:] in ([], [[message] * 2])  # with dependencies, where there are such


def test_typed_sockets_check_and_untyped_ones_have_as_many_handlers() -> None:
    async def handlers(*, is_typed: bool) -> tuple[int, Any]:
        io = make_typed_server(is_typed=is_typed)
        async with LinkedClient(io) as client:
            (socket,) = io.sockets.values()
            names = ("say", "move", "rename", "tag", "ask")
            count = sum(len(socket.listeners(name)) for name in names)
            return count, await client.emit_with_ack("say", 5, timeout=1) if is_typed else None

    count, answer = asyncio.run(handlers(is_typed=True))
    assert (count, answer["error"]) == (5, "validation")
    assert asyncio.run(handlers(is_typed=False)) == (5, None)
