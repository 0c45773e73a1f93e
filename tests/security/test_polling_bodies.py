"""Bodies of polling: more packets than a turn has time for, and codings that nobody asked for."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Final

from tests.security.judge import MB
from tests.security.requests import polling

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target

QUICK: Final = 0.02
"""Seconds of processor time of one turn: four times what the catalogue has, for slow machines."""


async def test_v29_separators_only(front: str, targets: Callable[..., Target]) -> None:
    """Ends at the first empty packet: `ok` as the reference answers what it cannot decode."""
    async with targets(front).attack(stall=QUICK, peak=8 * MB) as attack:
        peer = await attack.wire.open_polling()
        await peer.connect()
        reply = await peer.post(b"\x1e" * 999_999)
        assert (reply.status, reply.body) == (200, b"ok")
        await peer.ended()


async def test_v29_separators_behind_a_packet(front: str, targets: Callable[..., Target]) -> None:
    async with targets(front).attack(stall=QUICK, peak=8 * MB) as attack:
        peer = await attack.wire.open_polling()
        await peer.connect()
        reply = await peer.post(b'42["echo"]' + b"\x1e" * 999_000)
        assert (reply.status, reply.body) == (413, b"")
        await peer.ended()


async def test_v29_more_events_than_a_body_may_have(
    front: str, targets: Callable[..., Target]
) -> None:
    async with targets(front).attack(stall=QUICK) as attack:
        peer = await attack.wire.open_polling()
        await peer.connect()
        reply = await peer.post(b"\x1e".join([b'42["a"]'] * 120_000))
        assert (reply.status, reply.body) == (413, b"")
        await peer.ended()


async def test_v29_as_many_events_as_a_body_may_have(
    front: str, targets: Callable[..., Target]
) -> None:
    """All of them are handled, in slices between which others have their turn."""
    count = 65_536
    async with targets(front).attack(runs={"a": count}, stall=QUICK) as attack:
        async with polling(attack.wire) as peer:
            assert (await peer.post(b"\x1e".join([b'42["a"]'] * count))).body == b"ok"


async def test_v26_compressed_body(front: str, targets: Callable[..., Target]) -> None:
    bomb = gzip.compress(bytes(9 * MB)) * 100
    assert len(bomb) < 1_000_000
    async with targets(front).attack(peak=8 * MB) as attack:
        async with polling(attack.wire) as peer:
            for coding in ("gzip", "deflate", "br", "identity, gzip", "x"):
                http = await attack.wire.http()
                reply = await http.post(peer.target, bomb, Content_Encoding=coding)
                assert (reply.status, reply.body) == (415, b"bodies cannot be compressed"), coding
            peer.posts.send("POST", peer.target, {"Content-Encoding": "identity"}, b"6")
            assert (await peer.posts.read()).body == b"ok"
