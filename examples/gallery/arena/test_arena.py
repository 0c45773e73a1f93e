"""Tests of arena.py, with real clients."""

import asyncio
import math
from typing import Any

import sockwave
from tests.support.peers import package

package("starlette")


def connect(url: str) -> sockwave.ClientSocket:
    """WebSocket only: volatile events find no way in the middle of an upgrade."""
    return sockwave.connect(url, transports=["websocket"])


async def seen(snapshots: sockwave.EventStream, number: int, done: int = 0) -> list[Any]:
    """The player with a number, as soon as so many of its inputs are done."""
    async for (snapshot,) in snapshots:
        for player in snapshot["players"]:
            if player[0] == number and player[4] >= done:
                return list(player)
    raise AssertionError("the connection has ended")


def test_server_moves_a_player_by_one_step_for_each_input(url: str) -> None:
    async def scenario() -> None:
        async with connect(url) as ada, connect(url) as grace:
            rules = await ada.emit_with_ack("join", " Ada ")
            number, step = rules["number"], rules["step"]
            snapshots = grace.events("snapshot")
            _, x, y, _, done = await seen(snapshots, number)
            assert done == 0
            dx, dy = (1 if x < 500 else -1), (1 if y < 350 else -1)  # to the middle: no wall
            for sent in range(1, 4):
                ada.emit("input", sent, dx, dy)
            _, new_x, new_y, _, done = await seen(snapshots, number, 3)
            assert done == 3
            assert math.isclose(new_x, x + 3 * dx * step / math.sqrt(2), abs_tol=0.1)
            assert math.isclose(new_y, y + 3 * dy * step / math.sqrt(2), abs_tol=0.1)

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_sending_faster_makes_nobody_faster(url: str) -> None:
    async def scenario() -> None:
        async with connect(url) as ada:
            rules = await ada.emit_with_ack("join", "Ada")
            snapshots = ada.events("snapshot")
            _, x, *_ = await seen(snapshots, rules["number"])
            dx = 1 if x < 500 else -1
            for sent in range(1, 101):
                ada.emit("input", sent, dx, 0)
            steps: list[float] = []
            done = 0
            while done < 100:
                _, new_x, _, _, done = await seen(snapshots, rules["number"], done)
                steps.append(abs(new_x - x))
                x = new_x
            assert max(steps) > 0
            # Of 100 at once the last six are kept; a hundred steps would go through the wall.
            assert sum(steps) <= 30 * rules["step"]

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_coins_are_collected_until_the_round_is_won(url: str) -> None:
    async def scenario() -> None:
        async with connect(url) as ada:
            won: list[str] = []
            ada.on("won", won.append)
            rules = await ada.emit_with_ack("join", "Ada")
            sent, scores = 0, []
            async for (snapshot,) in ada.events("snapshot"):
                player = next(each for each in snapshot["players"] if each[0] == rules["number"])
                _, x, y, score, _ = player
                scores.append(score)
                if won:
                    break
                coin = min(snapshot["coins"], key=lambda at: math.dist(at, (x, y)))
                far = max(1.0, math.dist(coin, (x, y)))
                sent += 1
                ada.emit("input", sent, (coin[0] - x) / far, (coin[1] - y) / far)
            assert won == ["Ada"]
            assert 0 < max(scores) < rules["goal"]
            assert scores[-1] < max(scores), "a new round"

    asyncio.run(asyncio.wait_for(scenario(), 100))


def test_all_know_the_names_and_nonsense_moves_nobody(url: str) -> None:
    async def scenario() -> None:
        async with connect(url) as ada, connect(url) as watching:
            names = watching.events("names")
            rules = await ada.emit_with_ack("join", "Ada")
            number = rules["number"]
            async for (told,) in names:
                if told == {str(number): "Ada"}:
                    break
            snapshots = watching.events("snapshot")
            _, x, y, *_ = await seen(snapshots, number)
            for wrong in (("1", 1, 1), (1, 2, 0), (1, None, 0), (1, 0, "1"), (2**40, 1, 1)):
                ada.emit("input", *wrong)
            watching.emit("input", 1, 1, 1)  # it does not play
            ada.emit("input", 7, 0, 0)
            assert (await seen(snapshots, number, 7))[1:3] == [x, y]
            ada.disconnect()
            async for (told,) in names:
                if told == {}:
                    break

    asyncio.run(asyncio.wait_for(scenario(), 60))
