"""Header values that are no text, end in spaces that are none, or name a protocol nearly right."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

import pytest

from sockwave.codec.websocket import encode_close
from tests.security.requests import (
    answers_to,
    check_refused,
    event_runs,
    leave,
    polling,
    request,
    sid_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target
    from tests.support.fronts import Wire
    from tests.support.raw import Reply

POLL: Final = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1"
POST: Final = "POST /socket.io/?EIO=4&transport=polling&sid=nobody HTTP/1.1"
UPGRADE: Final = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1"
SCENARIOS: Final = "tests.security.scenarios.requests"

CONTROLS: Final = (b"\x0b", b"\x0c", b"\x1c", b"\x1d", b"\x1e", b"\0", b"\x7f")
"""Where Python's `splitlines` and `strip` see a line or a space; the last two for good measure."""

SPACES: Final = (b"\x85", b"\xa0")
"""The same in Latin-1; HTTP allows them in a value."""


def upgrade(line: str = UPGRADE, **changes: bytes) -> bytes:
    """A handshake of a WebSocket with some headers changed."""
    headers = {
        "Connection": b"Upgrade",
        "Upgrade": b"websocket",
        "Sec-WebSocket-Version": b"13",
        "Sec-WebSocket-Key": base64.b64encode(bytes(16)),
    } | {name.replace("_", "-"): value for name, value in changes.items()}
    return request(line, *[b"%b: %b" % (n.encode(), v) for n, v in headers.items()])


async def only_answer(wire: Wire, data: bytes) -> Reply:
    """Send a request and read its answer; the session that it may open ends."""
    http = await wire.http()
    http.write(data)
    reply = await http.read()
    if reply.status == 200 and reply.text.startswith("0"):
        await leave(wire, reply)
    elif reply.status == 101:
        http.write(encode_close(mask=True))
        await http.is_closed()
    return reply


# --- V36: lines and spaces that are none ----------------------------------------------------------


async def test_v36_control_bytes_in_values(
    listener: str, way: str, targets: Callable[..., Target]
) -> None:
    inputs = [
        request(POLL, b"X: a" + control + end)
        for control in CONTROLS
        for end in (b"", b"b", b"Origin: https://evil.example")
    ]
    async with targets(listener).attack(runs=event_runs(way, len(inputs))) as attack:
        async with polling(attack.wire) as peer:
            for data in inputs:
                replies = await answers_to(attack.wire, data, way, peer=peer)
                check_refused(replies, 400, what=str(data))


@pytest.mark.parametrize("space", SPACES)
async def test_v36_spaces_stay_in_values(
    front: str, targets: Callable[..., Target], space: bytes
) -> None:
    """One header each, and whole."""
    target = targets(front)
    names = {"x": b"a%bOrigin: https://evil.example%b", "y": b"%bb", "z": b"%b"}
    values = {name: value.replace(b"%b", space) for name, value in names.items()}
    async with target.attack() as attack:
        http = await attack.wire.http()
        http.write(request(POLL, *[b"%b: %b" % (n.encode(), v) for n, v in values.items()]))
        reply = await http.read()
        seen = await target.do(f"{SCENARIOS}.headers", sid=sid_of(reply))
        assert "origin" not in seen
        assert {name: seen[name].encode("latin-1") for name in values} == values
        await leave(attack.wire, reply)


@pytest.mark.parametrize("space", SPACES)
async def test_v36_spaces_are_not_stripped_from_tokens(
    native: str, targets: Callable[..., Target], space: bytes
) -> None:
    key = base64.b64encode(bytes(16))
    refused = {
        400: [
            upgrade(Upgrade=b"websocket" + space),
            upgrade(Upgrade=space + b"websocket"),
            upgrade(Connection=b"Upgrade" + space),
            upgrade(Sec_WebSocket_Version=b"13" + space),
            upgrade(Sec_WebSocket_Key=key + space),
            request(POST, b"Content-Length: 1" + space, body=b"6"),
            request(POST, b"Transfer-Encoding: chunked" + space, body=b"0\r\n\r\n"),
        ],
        415: [request(POST, b"Content-Encoding: identity" + space, b"Content-Length: 1")],
    }
    async with targets(native).attack() as attack:
        for status, inputs in refused.items():
            for data in inputs:
                reply = await only_answer(attack.wire, data)
                assert reply.status == status and len(reply.body) < 100, (data, reply)


# --- V37: bytes that are no ASCII -----------------------------------------------------------------

NO_TEXT: Final = b"\xff\xfe"


async def test_v37_upgrades_with_bytes_that_are_no_ascii(
    front: str, targets: Callable[..., Target]
) -> None:
    """What names nothing that is known is refused; what may be ignored is."""
    refused = [
        upgrade(Sec_WebSocket_Key=NO_TEXT * 12),
        upgrade(Sec_WebSocket_Version=NO_TEXT),
        upgrade(Upgrade=NO_TEXT),
        upgrade(Connection=NO_TEXT),
        upgrade(Sec_WebSocket_Extensions=NO_TEXT),
    ]
    ignored = [
        upgrade(Cookie=NO_TEXT + b"=" + NO_TEXT),
        upgrade(X=NO_TEXT),
        upgrade(UPGRADE.replace(" HTTP", "&x=%ff%00&%ff=%00 HTTP")),
    ]
    # What a host reads itself it may refuse.
    (ignored if front == "native" else refused).append(upgrade(Sec_WebSocket_Protocol=NO_TEXT))
    async with targets(front).attack() as attack:
        for data in refused:
            assert (await only_answer(attack.wire, data)).status in (400, 426), data
        for data in ignored:
            reply = await only_answer(attack.wire, data)
            assert reply.status == 101, (data, reply)
            assert reply.header("sec-websocket-protocol") is None
            assert reply.header("sec-websocket-extensions") is None


async def test_v37_requests_with_bytes_that_are_no_ascii(
    front: str, targets: Callable[..., Target]
) -> None:
    target = targets(front)
    async with target.attack() as attack:
        for line in (
            POLL.replace(" HTTP", "&x=%ff%00&%ff=%00 HTTP"),
            POLL.replace(" HTTP", "&x=\xff\xfe HTTP"),
            POLL.replace("polling", "%ff%00"),
            POLL.replace(" HTTP", "&sid=%ff%00 HTTP"),
            POLL.replace("EIO=4", "EIO=%ff"),
            POLL.replace("EIO=4", "EIO=\xb2"),
        ):
            reply = await only_answer(attack.wire, request(line))
            assert reply.status in (200, 400), (line, reply)
            assert b"\xff" not in reply.body and b"\0" not in reply.body
        for name in ("Cookie", "Accept-Encoding", "Content-Type", "User-Agent"):
            data = request(POLL, name.encode() + b": " + NO_TEXT)
            assert (await only_answer(attack.wire, data)).status == 200
        reply = await only_answer(attack.wire, request(POLL, b"Origin: " + NO_TEXT))
        assert reply.status in (200, 400)


async def test_v37_request_lines_that_are_none(
    native: str, way: str, targets: Callable[..., Target]
) -> None:
    lines = {
        "GET": 400,
        "GET ": 400,
        "GET /socket.io/": 505,  # as HTTP/0.9 had it
        "\r\n\r\n ": 400,
        " ": 400,
        "\xff\xfe": 400,
    }
    async with targets(native).attack(runs=event_runs(way, len(lines))) as attack:
        async with polling(attack.wire) as peer:
            for line, status in lines.items():
                replies = await answers_to(attack.wire, request(line), way, peer=peer)
                check_refused(replies, status, what=line)


# --- V38: upgrades that are none, and some that are -----------------------------------------------


async def test_v38_what_does_not_upgrade(front: str, targets: Callable[..., Target]) -> None:
    inputs = [
        upgrade(Connection=b"notupgrade"),
        upgrade(Connection=b"upgrade-not, close"),
        upgrade(Connection=b"close"),
        upgrade(Upgrade=b"notupgrade"),
        upgrade(Upgrade=b"notwebsocket"),
        upgrade(Upgrade=b"websocket2"),
        upgrade(Upgrade=b"h2c"),
        upgrade(Upgrade=b"websocket/13"),
    ]
    async with targets(front).attack() as attack:
        for data in inputs:
            reply = await only_answer(attack.wire, data)
            assert reply.status == 400, (data, reply)


async def test_v38_what_upgrades(front: str, targets: Callable[..., Target]) -> None:
    inputs = [
        upgrade(Connection=b"keep-alive, Upgrade"),
        upgrade(Connection=b"UPGRADE"),
        upgrade(Upgrade=b"WebSocket"),
    ]
    if front == "native":  # uvicorn takes one name only
        inputs += [upgrade(Upgrade=b"h2c, websocket"), upgrade(Upgrade=b"h2c ,\tWebSocket ")]
    async with targets(front).attack() as attack:
        for data in inputs:
            reply = await only_answer(attack.wire, data)
            assert reply.status == 101, (data, reply)
