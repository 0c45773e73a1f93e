"""Pings without end: of the WebSocket, and of Engine.IO where they try another transport."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

from sockwave.codec.websocket import Opcode, encode_frame
from sockwave.engine.core.upgrade import MAX_PROBES
from tests.security.crowd import CROWD_DEADLINE, SocketMember, crowd
from tests.security.judge import MB
from tests.security.settings import HASTY, scaled
from tests.security.ways import connected, text
from tests.support.raw import Closed, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target

PROBES: Final = scaled(100_000, 20_000)

TURN: Final = scaled(10, 1) / 10
"""Seconds of a turn: a host gives us all frames of a segment at once, and they are small."""


async def test_d17_pings_whose_answers_are_not_read(
    native: str, targets: Callable[..., Target]
) -> None:
    target = targets(native, **HASTY)
    async with target.attack(peak=2 * MB) as attack:
        member = SocketMember(attack.wire, "40")
        async with crowd(attack.wire, [member], reads=False):
            await until(lambda: member.packets)
            member.tcp.pause_reading()
            pings = encode_frame(Opcode.PING, b"x" * 125, mask=True) * 1_000
            for _ in range(scaled(1_000, 100)):
                member.tcp.write(pings)
                await until(lambda: not member.tcp.get_write_buffer_size(), CROWD_DEADLINE)
            async with asyncio.timeout(CROWD_DEADLINE):  # it does not answer pings of Engine.IO
                while (await target.do("counts"))["sessions"] > 2:
                    await asyncio.sleep(0.1)


async def test_d18_probes_on_a_second_transport(front: str, targets: Callable[..., Target]) -> None:
    async with targets(front).attack(runs=Counter(echo=1), stall=TURN) as attack:
        peer = await attack.wire.open_polling()
        await peer.connect()
        second = await attack.wire.websocket(attack.wire.target("websocket", sid=peer.sid))
        second.http.write(text("2probe") * PROBES)
        answers = []
        while not isinstance(answer := await second.receive(), Closed):
            answers.append(answer)
        # A host that has not sent the answers yet when one probe too many comes sends none.
        assert answers == ["3probe"] * len(answers)
        assert len(answers) == MAX_PROBES or (front == "asgi" and len(answers) < MAX_PROBES)
        await peer.send('421["echo"]')
        assert await peer.receive() == "431[]"
        await peer.send("1")


async def test_d18_second_websocket_of_a_session(
    front: str, targets: Callable[..., Target]
) -> None:
    async with targets(front).attack(runs=Counter(echo=1), stall=TURN) as attack:
        peer = await connected(attack.wire)
        second = await attack.wire.websocket(attack.wire.target("websocket", sid=peer.sid))
        second.http.write(text("2probe") * PROBES)
        assert isinstance(await second.receive(), Closed)
        await peer.send('421["echo"]')
        assert await peer.receive() == "431[]"


async def test_d18_probes_on_the_transport_of_a_session(
    front: str, targets: Callable[..., Target]
) -> None:
    async with targets(front).attack(stall=TURN) as attack:
        peer = await connected(attack.wire)
        peer.websocket.http.write(text("2probe") * PROBES)
        closed = await peer.websocket.receive()  # with no answer before it
        assert isinstance(closed, Closed)
