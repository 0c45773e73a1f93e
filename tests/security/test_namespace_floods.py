"""Clients that ask for namespaces without end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from tests.security.crowd import CROWD_DEADLINE, SocketMember, crowd
from tests.security.judge import MB
from tests.security.settings import HASTY, scaled
from tests.support.raw import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target

_JOINED: Final = 480 * 1_024
"""Bytes of a connection with a hundred namespaces of its own, which are wanted."""

TOO_MANY: Final = '{"message":"too many namespaces"}'


async def test_d07_dynamic_namespaces_on_one_connection(
    front: str, targets: Callable[..., Target]
) -> None:
    count = 30_000
    async with targets(front).attack() as attack:
        packets = [f"40/dyn-{number}," for number in range(count)]
        member = SocketMember(attack.wire, *packets)
        async with crowd(attack.wire, [member]):
            await until(lambda: len(member.packets) == count, CROWD_DEADLINE)
            member.send('42/dyn-99,7["echo"]')
            await until(lambda: len(member.packets) > count, CROWD_DEADLINE)
        attack.runs["echo"] = 1
    for packet, answer in zip(packets[:100], member.packets, strict=False):
        assert answer.startswith(f'{packet}{{"sid":"')
    assert member.packets[100:count] == [f"44{packet[2:]}{TOO_MANY}" for packet in packets[100:]]
    assert member.packets[count:] == ["43/dyn-99,7[]"]


async def test_d08_namespaces_that_are_left_again(
    front: str, targets: Callable[..., Target]
) -> None:
    target = targets(front)
    count = scaled(1_000, 40)
    names = [[f"/dyn-{number}{rest:02}," for rest in range(100)] for number in range(count)]
    bounds = {"peak": count * _JOINED + 4 * MB, "stall": 0.1 if count < 1_000 else 1.0}
    # What Python keeps of 4,000 namespaces for the next ones; ten more rounds add nothing.
    async with target.attack(**bounds, kept=scaled(400, 16) * MB) as attack:
        members = [SocketMember(attack.wire) for _ in range(count)]
        async with crowd(attack.wire, members):
            before = (await target.do("counts"))["namespaces"]
            for member, asked in zip(members, names, strict=True):
                await _join(member, asked)
            assert (await target.do("counts"))["namespaces"] == before + 100 * count
            for member, asked in zip(members[::2], names[::2], strict=True):
                member.send(*(f"41{name}" for name in asked))
            async with asyncio.timeout(CROWD_DEADLINE):
                while (await target.do("counts"))["namespaces"] > before + 50 * count:
                    await asyncio.sleep(0.05)


async def _join(member: SocketMember, names: list[str]) -> None:
    await until(lambda: member.handshake)
    member.send(*(f"40{name}" for name in names))
    await until(lambda: len(member.packets) == len(names))


async def test_d09_middleware_that_never_returns(
    front: str, targets: Callable[..., Target]
) -> None:
    count = 1_000
    async with targets(front, **HASTY).attack() as attack:
        packets = [f"40/stuck-{number}," for number in range(count)]
        member = SocketMember(attack.wire, *packets)
        async with crowd(attack.wire, [member]):
            await until(lambda: member.ended is not None, CROWD_DEADLINE)
    assert member.packets == [f"44{packet[2:]}{TOO_MANY}" for packet in packets[8:]]
    assert member.code == (1005 if front == "native" else 1000)
    assert member.age >= HASTY["connect_timeout"] - 0.05
