"""Answers that nobody asked for, questions that nobody answers, and rooms without end."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

from tests.security.crowd import CROWD_DEADLINE
from tests.security.judge import MB
from tests.security.settings import scaled
from tests.security.ways import connected, send_frames, text
from tests.support.raw import within

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target
    from tests.support.fronts import Wire
    from tests.support.raw import WebSocketPeer

ACKS = "tests.security.scenarios.acks"


async def _joined(wire: Wire) -> tuple[WebSocketPeer, str]:
    """A session in the main namespace, and the id of its socket."""
    peer = await wire.open_websocket()
    reply = await peer.connect()
    return peer, json.loads(reply.removeprefix("40"))["sid"]


async def test_d10_answers_that_nobody_waits_for(
    front: str, targets: Callable[..., Target]
) -> None:
    async with targets(front).attack() as attack:
        peer = await connected(attack.wire)
        ids = (0, 1, 10**15, 2**53 - 1)
        flood = b"".join(text(f'43{id_}["x"]') for id_ in ids)
        await within(
            send_frames(peer, flood * (scaled(1_000_000, 40_000) // 4), "whole"), CROWD_DEADLINE
        )
        await peer.send('421["echo"]')
        assert await within(_answer(peer), CROWD_DEADLINE) == "431[]"
        attack.runs["echo"] = 1


async def _answer(peer: WebSocketPeer) -> str:
    """The next packet that is no ping, however long it takes."""
    while (packet := await peer.websocket._receive()) == "2":
        peer.websocket.send("3")
    assert isinstance(packet, str)
    return packet


async def test_d10_second_answer_to_a_question(front: str, targets: Callable[..., Target]) -> None:
    target = targets(front)
    async with target.attack() as attack:
        peer, socket_id = await _joined(attack.wire)
        asking = asyncio.create_task(target.do(f"{ACKS}.ask", socket_id=socket_id))
        question = await peer.receive()
        assert isinstance(question, str)
        id_ = question.removeprefix("42").removesuffix('["question"]')
        await peer.send(*(f'43{id_}["{answer}"]' for answer in ("first", "second", "third")))
        assert await within(asking) == "first"
        await peer.send(f'43{id_}["late"]', '421["echo"]')
        assert await peer.receive() == "431[]"
        attack.runs["echo"] = 1


async def test_d11_questions_that_are_not_answered(
    front: str, targets: Callable[..., Target]
) -> None:
    target = targets(front)
    most = scaled(128, 40) * MB  # tasks of the application's, for the most part
    async with target.attack(peak=most, kept=most, stall=0.4) as attack:
        _, socket_id = await _joined(attack.wire)
        count = scaled(100_000, 30_000)
        arguments = {"socket_id": socket_id, "count": count, "wait": 1.0}
        result = await target.do(f"{ACKS}.ask_many", 120.0, **arguments)
        sys.stdout.write(f"{result}\n")
    assert result["most"] == 10_000
    assert result["refused"] + result["waited"] == count
    assert result["waited"] >= 10_000
    assert 1.0 <= result["shortest"] <= result["longest"] <= 10.0


async def test_d12_rooms_by_the_wish_of_a_client(
    front: str, targets: Callable[..., Target]
) -> None:
    names = [f"{number:0255}" for number in range(100_000)]
    messages = [json.dumps(names[at : at + 3_800]) for at in range(0, len(names), 3_800)]
    target = targets(front)
    async with target.attack(peak=80 * MB) as attack:
        peer = await connected(attack.wire)
        for number, message in enumerate(messages):
            await peer.send(f'42{number}["join",{message}]')
            assert await peer.receive() == f"43{number}[]"
        for number, message in enumerate(messages[::2]):
            await peer.send(f'42{number}["leave",{message}]')
            assert await peer.receive() == f"43{number}[]"
        attack.runs.update({"join": len(messages), "leave": len(messages[::2])})
        await attack.wire.aclose()
        await target.do("tests.security.scenarios.memory.trim")
