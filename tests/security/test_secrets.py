"""What the time of an answer tells about a secret."""

from __future__ import annotations

import json
from math import sqrt
from typing import TYPE_CHECKING, Final

from tests.security.settings import RECOVERING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target
    from tests.support.fronts import Wire

TRIES: Final = 100_000

LOOKS: Final = 3
"""A difference is there each time; chance makes one now and then, as do others on the machine."""

UNSEEN: Final = 5.0
"""Nanoseconds of difference that nobody can see through a network, whatever its significance."""


async def lost_sessions(wire: Wire, count: int) -> list[str]:
    """Secret ids of sessions that were lost and may come back."""
    pids = []
    for _ in range(count):
        peer = await wire.open_websocket()
        pids.append(json.loads((await peer.connect())[2:])["pid"])
        peer.websocket.http.reset()
    return pids


async def test_v41_time_of_a_wrong_secret(front: str, targets: Callable[..., Target]) -> None:
    """Wrong in the first character or in the last one: both take as long."""
    target = targets(front, **RECOVERING)
    async with target.attack() as attack:
        pids = await lost_sessions(attack.wire, 64)
        assert len(set(map(len, pids))) == 1
        outcomes: list[dict[str, dict[str, float]]] = []
        while len(outcomes) < LOOKS and not (outcomes and is_unseen(outcomes[-1])):
            outcome = await target.do(
                "tests.security.scenarios.secrets.time_wrong_pids",
                pids=pids,
                offset="x",
                tries=TRIES,
            )
            outcomes.append(outcome)
    assert is_unseen(outcomes[-1]), outcomes


def is_unseen(outcome: dict[str, dict[str, float]]) -> bool:
    """Whether both took as long, as far as anybody can tell."""
    first, last = outcome["first"], outcome["last"]
    error = sqrt(sum(each["deviation"] ** 2 / each["n"] for each in (first, last)))
    return abs(first["mean"] - last["mean"]) < max(3 * error, UNSEEN)


async def test_v41_secret_opens_once(front: str, targets: Callable[..., Target]) -> None:
    """Who guesses gets a new socket each time; who knows gets his own, once."""
    async with targets(front, **RECOVERING).attack() as attack:
        peer = await attack.wire.open_websocket()
        answer = json.loads((await peer.connect())[2:])
        peer.websocket.http.reset()
        pid, sid = answer["pid"], answer["sid"]
        wrong = [pid[:-1], pid + "A", pid.swapcase(), "", pid[:-1] + "\0", [pid], {"x": pid}, None]
        for guess in wrong:
            peer = await attack.wire.open_websocket()
            reply = json.loads((await peer.connect(auth={"pid": guess, "offset": "x"}))[2:])
            assert reply["sid"] != sid and reply["pid"] != pid
            await peer.websocket.close()
