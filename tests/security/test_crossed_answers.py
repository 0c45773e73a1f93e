"""Many clients on shared connections: each gets what is its own, whoever else is cut off."""

from __future__ import annotations

import asyncio
import json
import random
from typing import TYPE_CHECKING, Final

from tests.security.settings import scaled
from tests.support.raw import PollingPeer, within

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target
    from tests.support.fronts import Wire

CLIENTS: Final = scaled(500, 200)
SHARING: Final = 5
"""Clients on one connection, as behind a proxy: their polls are written at once."""

ROUNDS: Final = 4
WITHIN: Final = 0.3
"""Seconds within which the answers come."""


class Group:
    """Clients that poll on one connection, or on one each."""

    def __init__(self, peers: list[PollingPeer], ids: list[str]) -> None:
        self.peers = peers
        self.ids = ids
        self.rounds = 0

    @classmethod
    async def join(cls, wire: Wire, is_shared: bool) -> Group:
        """Open all their sessions."""
        gets, posts = await wire.http(), await wire.http()
        peers: list[PollingPeer] = []
        ids: list[str] = []
        for _ in range(SHARING):
            if peers and not is_shared:
                gets = await wire.http()
            first = await gets.get(wire.target("polling"))
            peer = PollingPeer(gets, posts, wire.target("polling"), first)
            ids.append(json.loads((await peer.connect())[2:])["sid"])
            peers.append(peer)
        return cls(peers, ids)

    def ask(self) -> None:
        """Poll for all of them."""
        for peer in self.peers:
            peer.gets.send("GET", peer.target)

    async def take(self) -> None:
        """Each answer, in the order of the polls, must be for that client."""
        for peer, id_ in zip(self.peers, self.ids, strict=True):
            reply = await peer.gets.read()
            assert (reply.status, reply.text) == (200, f'42["you","{id_}"]')
        self.rounds += 1

    def cut_off(self) -> None:
        """Reset their connections."""
        for peer in self.peers:
            peer.gets.reset()

    async def leave(self, wire: Wire) -> None:
        """End those sessions that the end of a waiting poll has not ended."""
        for peer in self.peers:
            reply = await wire.request("POST", peer.target, {}, b"1")
            assert reply.status == 200 or reply.json()["code"] == 1, reply


async def test_v42_answers_go_to_whom_they_belong(
    front: str, targets: Callable[..., Target]
) -> None:
    """On the listener with polls of several clients on one connection; uvicorn reports an error
    when a connection is lost that has more than one request of its own."""
    target = targets(front)
    is_shared = front == "native"
    dice = random.Random(42)
    async with target.attack() as attack:
        groups = await asyncio.gather(
            *[Group.join(attack.wire, is_shared) for _ in range(CLIENTS // SHARING)]
        )
        for number in range(ROUNDS):
            for group in groups:
                group.ask()
            lost = dice.sample(groups, len(groups) // 10)
            telling = asyncio.create_task(
                target.do(
                    "tests.security.scenarios.answers.tell",
                    ids=[id_ for group in groups for id_ in group.ids],
                    seconds=WITHIN,
                    seed=number,
                )
            )
            loop = asyncio.get_running_loop()
            for group in lost:
                loop.call_later(dice.uniform(0, WITHIN), group.cut_off)
            groups = [group for group in groups if group not in lost]
            await within(asyncio.gather(*[group.take() for group in groups]))
            await telling
            await asyncio.gather(*[group.leave(attack.wire) for group in lost])
            groups += await asyncio.gather(*[Group.join(attack.wire, is_shared) for _ in lost])
        assert max(group.rounds for group in groups) == ROUNDS
        await asyncio.gather(*[group.leave(attack.wire) for group in groups])
