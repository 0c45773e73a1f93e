"""JSON of a peer's that is large, or that two readers read in two ways."""

from __future__ import annotations

from collections import Counter
from json import loads
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.security.judge import MB
from tests.security.ways import connected, glued_runs, send_frames, send_packets, text
from tests.support.raw import Closed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target

FULL: Final = 999_900
"""Bytes of a message that is just not too big."""

TICK: Final = 4 * 0.08
"""Seconds of processor time for one message: four times what the catalogue asks for."""

_LARGE: Final[dict[str, str]] = {
    "objects": f"[{','.join(['{}'] * 333_000)}]",
    "arrays": f"[{','.join(['[]'] * 333_000)}]",
    "pairs of arrays": f"[{','.join(['[[]]'] * 199_000)}]",
    "deep": f"[{','.join(['[' * 120 + ']' * 120] * 4_100)}]",
    "numbers": f"[{','.join('1' * 490_000)}]",
    "keys": "{" + ",".join(f'"{number:x}":0' for number in range(105_000)) + "}",
    "keys that end alike": "{" + ",".join(f'"{n:04x}0000":0' for n in range(70_000)) + "}",
    "zeros": '"' + r"\u0000" * 150_000 + '"',
}


@pytest.mark.parametrize("kind", _LARGE)
async def test_d13_message_of_a_million_bytes(
    front: str, targets: Callable[..., Target], kind: str
) -> None:
    packet = f'42["large",{_LARGE[kind]}]'
    assert len(packet) <= FULL
    async with targets(front).attack(peak=64 * MB, kept=16 * MB, stall=TICK) as attack:
        peer = await connected(attack.wire)
        await peer.send(packet, '421["echo"]')
        assert await peer.receive() == "431[]"
        attack.runs.update({"large": 1, "echo": 1})


def _ended(front: str) -> Closed:
    return Closed(1005 if front == "native" else 1000)


@pytest.mark.parametrize(
    "json",
    [
        "9" * 900_000,
        "0." + "9" * 400 + "e999",
        "1e999",
        "-1e999",
        "NaN",
        "Infinity",
        "-Infinity",
        "\ufeff1",
        "01",
        "+1",
        "1,",
        "'x'",
        "undefined",
    ],
    ids=lambda json: json[:8].encode("unicode_escape").decode(),
)
async def test_d14_d16_what_is_no_json(
    front: str, way: str, targets: Callable[..., Target], json: str
) -> None:
    async with targets(front).attack(runs=glued_runs(way)) as attack:
        peer = await connected(attack.wire)
        await send_packets(peer, f'421["echo",{json}]', '422["echo"]', way=way)
        assert await peer.ended() == _ended(front)


@pytest.mark.parametrize(
    ("json", "answer"),
    [
        ("123456789012345678901234567890", "1.2345678901234568e29"),
        ("-123456789012345678901234567890", "-1.2345678901234568e29"),
        ("18446744073709551616", "1.8446744073709552e19"),
        ("1e308", "1e308"),
        ("1e-999", "0.0"),
        ('{"a":1,"b":2,"a":3}', '{"a":3,"b":2}'),
        ('{"__proto__":1,"__proto__":{"a":2}}', '{"__proto__":{"a":2}}'),
        (r'"\ud83d"', '"\ufffd"'),
        (r'"\ude00 \ud83d\ude00 \ud83d x"', '"\ufffd \U0001f600 \ufffd x"'),
        (r'{"\ud83d":1}', '{"\ufffd":1}'),
        (r'[["\uD83D"]]', '[["\ufffd"]]'),
        (r'"\\ud83d"', r'"\\ud83d"'),
    ],
)
async def test_d14_d15_d16_what_javascript_reads_in_its_way(
    front: str, way: str, targets: Callable[..., Target], json: str, answer: str
) -> None:
    async with targets(front).attack(runs=glued_runs(way) + Counter(echo=1)) as attack:
        peer = await connected(attack.wire)
        await send_packets(peer, f'421["echo",{json}]', way=way)
        reply = await peer.receive()
        assert isinstance(reply, str)
        assert loads(reply.removeprefix("431")) == [loads(answer)]


async def test_d15_half_an_emoji_in_the_name_of_an_event(
    front: str, way: str, targets: Callable[..., Target]
) -> None:
    runs = glued_runs(way) + Counter({"\ufffd": 1, "echo": 1})
    async with targets(front).attack(runs=runs) as attack:
        peer = await connected(attack.wire)
        await send_packets(peer, r'42["\ud83d"]', '421["echo"]', way=way)
        assert await peer.receive() == "431[]"


@pytest.mark.parametrize("raw", [b"\xff", b"\xed\xa0\xbd", b"\xc0\x80", b"\xf4\x90\x80\x80"])
async def test_d16_text_that_is_no_utf_8(
    front: str, way: str, targets: Callable[..., Target], raw: bytes
) -> None:
    logs_errors = front == "asgi"  # uvicorn's own, with a traceback
    async with targets(front).attack(runs=glued_runs(way), logs_errors=logs_errors) as attack:
        peer = await connected(attack.wire)
        frame = text(b'42["echo","' + raw + b'"]')
        frame = bytes([frame[0] & 0xF0 | 1]) + frame[1:]
        await send_frames(peer, frame + text('422["echo"]'), way)
        closed = await peer.ended()
        # uvicorn closes with bytes unread, and may lose its close frame.
        assert closed.code in ((1007,) if front == "native" else (1007, 1006))


async def test_d16_bytes_that_are_no_json_by_polling(
    front: str, targets: Callable[..., Target]
) -> None:
    bodies: list[Any] = [b'42["echo",NaN]', b'42["echo","\xff"]', b'\xef\xbb\xbf42["echo"]']
    for body in bodies:
        async with targets(front).attack() as attack:
            peer = await attack.wire.open_polling()
            await peer.connect()
            await peer.post(body)
            await peer.ended()
