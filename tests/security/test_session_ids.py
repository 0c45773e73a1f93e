"""Ids that were guessed or bent, and text that should come back to nobody: rows D25 and D26."""

from __future__ import annotations

import secrets
from collections import Counter
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import pytest

from tests.security.pipeline import pipelined
from tests.security.settings import scaled
from tests.support.raw import RawWebSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.security.judge import Target
    from tests.support.fronts import Wire
    from tests.support.raw import Reply

GUESSES: Final = scaled(100_000, 4_000)
UNKNOWN: Final = {"code": 1, "message": "Session ID unknown"}
REFUSED: Final = b'\r\n\r\n{"code":1,"message":"Session ID unknown"}'

CPU: Final = "tests.security.scenarios.costs.processor_time"


async def guess(wire: Wire, sids: Sequence[str]) -> None:
    """Poll with each id, and see that each is refused."""
    targets = [f"{wire.path}?EIO=4&transport=polling&sid={sid}" for sid in sids]
    requests = [f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for target in targets]
    answers = await pipelined(wire, requests, REFUSED)
    assert answers.count(b"HTTP/1.1 400 ") == len(sids)


async def test_d25_ids_are_guessed_in_vain(front: str, targets: Callable[..., Target]) -> None:
    """What is nearly right takes no longer to refuse than what is all wrong."""
    target = targets(front)
    async with target.attack(runs=Counter(echo=1)) as attack:
        peer = await attack.wire.open_websocket()
        await peer.connect()
        random = [secrets.token_urlsafe(15) for _ in range(GUESSES)]
        started = await target.do(CPU)
        await guess(attack.wire, random)
        between = await target.do(CPU)
        await guess(attack.wire, [peer.sid[:10] + sid[:10] for sid in random])
        ended = await target.do(CPU)
        assert (ended - between) < 2 * (between - started) < 4 * (ended - between)
        await peer.send('421["echo"]')
        assert await peer.receive() == "431[]"


def bent(sid: str) -> list[str]:
    """What an id may look like, and never is one."""
    return [
        sid + "\0",
        "\0" + sid,
        sid + " ",
        sid + "A",
        sid[:-1],
        sid.swapcase(),
        sid * 2,
        f"../{sid}",
        f"../../etc/passwd%00{sid}",
        f"1.{sid}",
        f"999.{sid}",
        f"-1.{sid}",
        f"1{sid}",
        f"{sid},{sid}",
        f'"{sid}"',
        "__class__",
        "constructor",
        "*",
        "%",
        "null",
        "0",
        "\u00e9\u4e2d\U0001f600",
        "x" * 6_000,
    ]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_d25_bent_ids_are_unknown(
    front: str, targets: Callable[..., Target], method: str
) -> None:
    async with targets(front).attack() as attack:
        wire = attack.wire
        for transport in ("polling", "websocket"):
            peer = await wire.open(transport)
            for sid in bent(peer.sid):
                reply = await wire.request(method, wire.target(sid=sid), {}, b"4x")
                assert (reply.status, reply.json()) == (400, UNKNOWN), sid
                reply = await wire.upgrade(wire.target("websocket", sid=sid))
                assert (reply.status, reply.body) == (400, b"Session ID unknown"), sid
            await peer.send("1")


async def test_d25_id_of_70_kilobytes_is_refused(
    front: str, targets: Callable[..., Target]
) -> None:
    async with targets(front).attack() as attack:
        wire = attack.wire
        http = await wire.http()
        http.write(f"GET {wire.target(sid='x' * 70_000)} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        head = await http.reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        assert status == 414 if front == "native" else status in (400, 414)
        rest = await http.reader.read(2_000)
        assert len(rest) <= 1_024 and b"xxx" not in head + rest


async def test_d25_id_of_another_transport_is_refused(
    front: str, targets: Callable[..., Target]
) -> None:
    """With code 3, as in the reference: the session is there, and goes on where it is."""
    async with targets(front).attack(runs=Counter(echo=1)) as attack:
        peer = await attack.wire.open_websocket()
        await peer.connect()
        reply = await attack.wire.get(attack.wire.target(sid=peer.sid))
        assert (reply.status, reply.json()) == (400, {"code": 3, "message": "Bad request"})
        assert peer.sid not in reply.text
        await peer.send('421["echo"]')
        assert await peer.receive() == "431[]"


# --- nothing is reflected -------------------------------------------------------------------------

MARK: Final = "alert"
SCRIPT: Final = "<script>alert(1)</script>"
SPLIT: Final = "x\r\nSet-Cookie: alert=1\r\n\r\nalert"

HEADERS: Final = {
    "Cookie": f"io={SCRIPT}; {SCRIPT}",
    "User-Agent": SCRIPT,
    "Referer": f"http://a/{SCRIPT}",
    "X-Forwarded-For": SCRIPT,
    "X-Forwarded-Proto": SCRIPT,
    "X-Request-Id": SCRIPT,
    "Accept-Encoding": SCRIPT,
    "Access-Control-Request-Headers": SCRIPT,
    "Access-Control-Request-Method": SCRIPT,
}
HOSTS_OWN: Final = {"Sec-WebSocket-Protocol": SCRIPT}
"""What a host of ASGI reads, and refuses in its own words."""


def check_silent(reply: Reply) -> None:
    """Assert that nothing of the attacker's is in an answer, and that no browser runs it."""
    assert MARK not in reply.text and len(reply.body) <= 1_024, reply
    assert not [value for header in reply.headers for value in header if MARK in value.lower()]
    if reply.status != 101 and reply.body:
        assert reply.header("x-content-type-options") == "nosniff"
        assert reply.header("content-type") is not None


@pytest.mark.parametrize("name", ["sid", "t", "EIO", "b64", "transport", "j", MARK])
async def test_d26_parameters_are_not_reflected(
    front: str, targets: Callable[..., Target], name: str
) -> None:
    good = name in ("t", "b64", "j", MARK)
    headers = HEADERS | HOSTS_OWN if front == "native" else HEADERS
    async with targets(front).attack() as attack:
        wire = attack.wire
        for text in (SCRIPT, SPLIT):
            query = _query({"EIO": "4", "transport": "polling", name: text})
            for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
                reply = await wire.request(method, f"{wire.path}?{query}", HEADERS)
                check_silent(reply)
                if method == "GET" and good:
                    assert reply.status == 200
                    await _end(wire, reply)
                else:
                    assert reply.status == 400
                    assert reply.header("content-type") == "application/json"
                    assert set(reply.json()) == {"code", "message"}
            query = _query({"EIO": "4", "transport": "websocket", name: text})
            request = RawWebSocket.request_headers() | headers
            reply = await wire.request("GET", f"{wire.path}?{query}", request)
            check_silent(reply)
            assert reply.status == (101 if good else 400)
            assert good or reply.header("content-type") == "text/html"


def _query(parameters: dict[str, str]) -> str:
    return "&".join(f"{name}={quote(value, safe='<>()/')}" for name, value in parameters.items())


async def _end(wire: Wire, handshake: Reply) -> None:
    sid = handshake.text.partition('"sid":"')[2].partition('"')[0]
    reply = await (await wire.http()).post(wire.target(sid=sid), "1")
    assert reply.text == "ok"


async def test_d26_origin_is_not_reflected(front: str, targets: Callable[..., Target]) -> None:
    async with targets(front).attack() as attack:
        wire = attack.wire
        for origin in (f"http://{SCRIPT}", f"{MARK}://x", f'http://a"{MARK}', f"{MARK}\x80"):
            reply = await wire.get(wire.target(), Origin=origin)
            check_silent(reply)
            assert reply.status == 200
            await _end(wire, reply)
            check_silent(await wire.upgrade(wire.target("websocket"), Origin=origin))


async def test_d26_path_is_not_reflected(front: str, targets: Callable[..., Target]) -> None:
    async with targets(front).attack() as attack:
        for path in (f"{SCRIPT}", f"{SCRIPT}.js", "socket.io.js<alert>", "../alert", "alert%00"):
            reply = await attack.wire.get(f"{attack.wire.path}{path}")
            check_silent(reply)
            assert reply.status == 400


async def test_d26_reason_of_a_close_frame_is_ours(
    front: str, targets: Callable[..., Target]
) -> None:
    async with targets(front).attack() as attack:
        peer = await attack.wire.open_websocket()
        await peer.connect()
        await peer.send(f"40/{SCRIPT},")
        assert await peer.receive() == f'44/{SCRIPT},{{"message":"Invalid namespace"}}'
        await peer.send(f"4{SCRIPT}")
        assert MARK not in (await peer.ended()).reason
