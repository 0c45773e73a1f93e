"""Text of peers in the log: escape codes, forged lines, and more of them than anybody can read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from tests.security.requests import leave, request, sid_of
from tests.security.ways import connected
from tests.support.raw import WebSocketPeer, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target

FORGED: Final = "\x1b[2J\r\nINFO fake"
"""Clears a terminal and begins a line."""

ESCAPED: Final = r"\x1b[2J\r\nINFO fake"

SCENARIOS: Final = "tests.security.scenarios.requests"


def check_lines(text: str) -> list[str]:
    """Every line begins as ours do, and can be printed; those about this attack."""
    for line in text.splitlines():
        assert line.isprintable(), line
        assert line.startswith(("INFO sockwave", "DEBUG sockwave", "INFO uvicorn")), line
    return [line for line in text.splitlines() if "fake" in line]


async def test_v39_escape_codes(front: str, targets: Callable[..., Target]) -> None:
    """With everything logged: in target, id, transport, namespace, event and close reason."""
    target = targets(front)
    quoted = quote(FORGED)
    json = FORGED.replace("\x1b", "\\u001b").replace("\r\n", "\\r\\n")
    async with target.attack(runs={FORGED: 1}) as attack:
        await target.do(f"{SCENARIOS}.say_everything", on=True)
        begin = len(target.output)
        try:
            for where in (
                attack.wire.target("polling") + f"&x={quoted}",
                attack.wire.target("polling", sid=FORGED),
                attack.wire.target(FORGED),
                attack.wire.target("polling", eio=FORGED),
                f"/socket.io/{quoted}?EIO=4&transport=nothing",
            ):
                reply = await attack.wire.get(where)
                if reply.status == 200:
                    await leave(attack.wire, reply)
                else:
                    assert reply.status == 400 and b"fake" not in reply.body
            peer = await connected(attack.wire)
            assert await peer.connect("/" + FORGED) == (
                f'44/{FORGED},{{"message":"Invalid namespace"}}'
            )
            await peer.send(f'42["{json}"]')
            await close(peer, FORGED)
            peer = await connected(attack.wire)
            await peer.send(f"42{FORGED}")
            await peer.ended()
            await until(lambda: "invalid" in target.output[begin:])
        finally:
            await target.do(f"{SCENARIOS}.say_everything", on=False)
    lines = check_lines(target.output[begin:])
    assert any(ESCAPED in line for line in lines), lines


async def close(peer: WebSocketPeer, reason: str) -> None:
    """Say goodbye with a reason."""
    payload = (3000).to_bytes(2, "big") + reason.encode()
    peer.websocket.frame(8, payload)
    peer.websocket.answers_close = False
    await peer.ended()


async def test_v39_a_thousand_bad_cookies(front: str, targets: Callable[..., Target]) -> None:
    """Nothing is logged of what is only ignored."""
    target = targets(front)
    header = b"Cookie: " + b"; ".join(b"\xff %d\xff={" % number for number in range(1_000))
    line = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1"
    async with target.attack() as attack:
        begin = len(target.output)
        http = await attack.wire.http()
        http.write(request(line, header))
        reply = await http.read()
        cookies = await target.do(f"{SCENARIOS}.cookies", sid=sid_of(reply))
        assert len(cookies) == 1_000
        await leave(attack.wire, reply)
        assert not target.output[begin:]


async def test_v39_a_fault_again_and_again(
    front: str, transport: str, targets: Callable[..., Target]
) -> None:
    """A thousand times the same, from one peer: a line a second."""
    target = targets(front)
    async with target.attack() as attack:
        begin = len(target.output)
        http = await attack.wire.http()
        for number in range(1_000):
            http.send("GET", attack.wire.target(transport, sid=f"{FORGED}{number}"))
        for _ in range(1_000):
            assert (await http.read()).status == 400
        lines = check_lines(target.output[begin:])
        assert not lines
