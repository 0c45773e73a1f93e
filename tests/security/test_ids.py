"""Ids that grant something: nobody can guess one, or listen in the room of another's."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from base64 import urlsafe_b64decode
from collections import Counter
from typing import TYPE_CHECKING, Final

from tests.security.settings import scaled
from tests.security.ways import connected_by

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target

IDS: Final = "tests.security.scenarios.ids"

ID_BYTES: Final = 15

UNLIKELY: Final = 420.0
"""Chi-square of bytes that chance exceeds once in 10^10 runs (255 degrees of freedom). The
catalogue's bound, p > 0.001 or 330, would fail each thousandth run of a good generator."""


def test_v01_ids_of_workers_with_the_same_seed() -> None:
    count = scaled(1_000_000, 400_000)
    output = subprocess.run(
        [sys.executable, "-m", IDS, str(count)], capture_output=True, text=True, check=True
    ).stdout
    ids = output.split()
    assert len(ids) == len(set(ids)) == count
    data = urlsafe_b64decode("".join(ids))
    assert len(data) == count * ID_BYTES
    expected = len(data) / 256
    counts = Counter(data)
    chi_square = sum((counts[byte] - expected) ** 2 / expected for byte in range(256))
    assert chi_square < UNLIKELY


CONSTANT = """
import os
os.urandom = bytes
from sockwave import Server
io = Server()
print(*{io.new_socket_id() for _ in range(1_000)})
"""


def test_v01_random_source_of_the_system_is_the_only_one() -> None:
    """In a process of its own: what is read ahead there is used by nobody else."""
    output = subprocess.run(
        [sys.executable, "-c", CONSTANT], capture_output=True, text=True, check=True
    ).stdout
    assert output.split() == ["A" * 20]


async def test_v01_ids_on_the_wire(
    front: str, transport: str, targets: Callable[..., Target]
) -> None:
    async with targets(front).attack() as attack:
        ids = []
        for _ in range(50):
            peer = await connected_by(attack.wire, transport)
            await peer.send("40/dyn-1,")
            ids += [peer.sid, json.loads(str(await peer.receive()).partition(",")[2])["sid"]]
            await peer.send("1")
        assert len(set(ids)) == 100
        assert all(re.fullmatch(r"[A-Za-z0-9_-]{20}", id_) for id_ in ids)


async def test_v15_room_of_another(
    front: str, transport: str, targets: Callable[..., Target]
) -> None:
    target = targets(front)
    async with target.attack() as attack:
        attack.runs["echo"] = 2
        intruder, victim = [await attack.wire.open(transport) for _ in range(2)]
        a, b = [
            json.loads((await peer.connect()).removeprefix("40"))["sid"]
            for peer in (intruder, victim)
        ]
        for way in ("join_the_room_of", "put_into_the_room_of"):
            assert await target.do(f"{IDS}.{way}", intruder=a, victim=b) == "ValueError"
        assert await target.do(f"{IDS}.rooms", sid=a) == [a]
        await target.do(f"{IDS}.emit_to", room=b, event="private")
        for peer in (intruder, victim):
            await peer.send('421["echo"]')
        assert [await victim.receive() for _ in range(2)] == ['42["private"]', "431[]"]
        assert await intruder.receive() == "431[]"
        for peer in (intruder, victim):
            await peer.send("1")


async def test_v15_room_of_another_where_it_is_allowed(
    front: str, targets: Callable[..., Target]
) -> None:
    target = targets(front, allow_sid_rooms=True)
    async with target.attack() as attack:
        intruder, victim = [await attack.wire.open_websocket() for _ in range(2)]
        a, b = [
            json.loads((await peer.connect()).removeprefix("40"))["sid"]
            for peer in (intruder, victim)
        ]
        assert await target.do(f"{IDS}.join_the_room_of", intruder=a, victim=b) == ""
        await target.do(f"{IDS}.emit_to", room=b, event="private")
        assert await intruder.receive() == '42["private"]'
