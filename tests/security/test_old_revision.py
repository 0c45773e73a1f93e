"""Polling by scripts, and payloads of Engine.IO 3, which `allow_eio3` opens: rows D27 and D28."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import pytest

from tests.security.ways import check_refused, glued_runs, write_in_way

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target
    from tests.support.fronts import Wire
    from tests.support.raw import RawHttp, Reply

FORM: Final = "application/x-www-form-urlencoded"
OCTETS: Final = "application/octet-stream"
TEXT: Final = "text/plain; charset=UTF-8"

MAX_PAYLOAD: Final = 1_000_000


def old(text: str) -> bytes:
    """A packet in the text form of a payload."""
    return f"{len(text.encode('utf-16-le')) // 2}:{text}".encode()


def old_octets(text: bytes) -> bytes:
    """A packet of text in the binary form."""
    return b"\0" + bytes(map(int, str(len(text)))) + b"\xff" + text


async def open_old(wire: Wire, **query: str) -> tuple[RawHttp, str]:
    """Open a session of revision 3 on polling: a connection, and its target."""
    target = wire.target("polling", "3", **query)
    http = await wire.http()
    reply = await http.get(target)
    assert reply.status == 200
    sid = reply.text.replace("\\", "").partition('"sid":"')[2].partition('"')[0]
    http.send("GET", f"{target}&sid={sid}")
    assert (await http.read()).text in ("2:40", '___eio[0]("2:40");')
    return http, f"{target}&sid={sid}"


async def post(
    wire: Wire, target: str, body: bytes, content_type: str, way: str = "whole"
) -> Reply:
    """POST a body in one of the ways, on a connection of its own."""
    http = await wire.http()
    headers = {"Content-Type": content_type, "Content-Length": str(len(body))}
    http.send("POST", target, headers)
    await write_in_way(http.writer, body, way)
    return await http.read()


# --- D27: scripts ---------------------------------------------------------------------------------

INDEXES: Final = (
    "0;alert(1)//",
    "-1",
    "1e9",
    "",
    "0x1",
    "1" * 10,
    "1" * 6_000,
    "\u0663",
    " 0",
    "a",
)


@pytest.mark.parametrize("eio", ["3", "4"])
async def test_d27_index_of_a_script_is_digits(
    front: str, targets: Callable[..., Target], eio: str
) -> None:
    async with targets(front, allow_eio3=True).attack() as attack:
        wire = attack.wire
        for index in INDEXES:
            reply = await wire.get(wire.target("polling", eio, j=index), Cookie="io=alert")
            check_refused(reply, 400, "alert", "___eio")
            assert reply.json() == {"code": 3, "message": "Bad request"}
            assert reply.header("content-type") == "application/json"
            assert reply.header("x-content-type-options") == "nosniff"


async def test_d27_index_of_10_kilobytes_is_over_the_limit_of_a_target(
    front: str, targets: Callable[..., Target]
) -> None:
    """Which a host of ASGI may not have."""
    async with targets(front, allow_eio3=True).attack() as attack:
        reply = await attack.wire.get(attack.wire.target("polling", "3", j="1" * 10_000))
        check_refused(reply, 414 if front == "native" else 400, "111")


HOSTILE: Final = (
    "</script><script>alert(1)</script>",
    "\u2028\u2029",
    '"); alert(1);//',
    '\\"); alert(1);//',
    '\\\\" \\n\n\r\t\0',
    "<!-- ]]>",
    "\U0001f600\uffff",
)


@pytest.mark.parametrize("eio", ["3", "4"])
async def test_d27_nothing_in_a_script_ends_it(
    front: str, targets: Callable[..., Target], eio: str
) -> None:
    runs = Counter(echo=len(HOSTILE))
    async with targets(front, allow_eio3=True).attack(runs=runs) as attack:
        wire = attack.wire
        if eio == "3":
            http, target = await open_old(wire, j="0", b64="1")
        else:
            http, target = await open_new(wire)
        for text in HOSTILE:
            packet = f'421["echo",{json.dumps(text)}]'
            body = old(packet) if eio == "3" else packet.encode()
            reply = await post(wire, target, b"d=" + quote(_for_a_form(body)).encode(), FORM)
            assert (reply.status, reply.text) == (200, "ok")
            reply = await http.get(target, Cookie="io=alert", Origin="http://test.example")
            assert reply.header("content-type") == "text/javascript; charset=UTF-8"
            assert reply.header("x-content-type-options") == "nosniff"
            assert "set-cookie" not in dict(reply.headers)
            script = reply.text.removeprefix("___eio[0](").removesuffix(");")
            assert not set(script) & set("<\u2028\u2029\n\r\0")
            answer = json.loads(script)
            assert json.loads(answer.partition("431")[2]) == [text]
        end = old("1") if eio == "3" else b"1"
        assert (await post(wire, target, b"d=" + end, FORM)).status == 200


def _for_a_form(payload: bytes) -> bytes:
    """What a client does to the backslashes of line feeds: those are all in JSON here."""
    return payload.replace(b"\\n", b"\\\\n")


async def open_new(wire: Wire) -> tuple[RawHttp, str]:
    """Open a session of revision 4 on polling by scripts."""
    target = wire.target("polling", j="0")
    http = await wire.http()
    reply = await http.get(target)
    sid = reply.text.replace("\\", "").partition('"sid":"')[2].partition('"')[0]
    target = f"{target}&sid={sid}"
    assert (await post(wire, target, b"d=40", FORM)).text == "ok"
    assert (await http.get(target)).text.startswith('___eio[0]("40{')
    return http, target


# --- D28: payloads --------------------------------------------------------------------------------

EVENT: Final = '42["echo","glued"]'

TEXT_FORM: Final[tuple[bytes, ...]] = (
    b"99999999999:x",
    b"-1:x",
    b"1:",
    b"+1:4",
    b"1 :4",
    b"0x2:4a",
    b"1e1:4aaaaaaaaa",
    "\u0663:42[]".encode(),
    old('42["echo","\U0001f600"]')[:-1],
    '17:42["echo","\U0001f600"]'.encode(),
    b"1" * 100_000,
    b"9" * 309 + b":x",
    b"9" * 310 + b":x",
    b":" * 1_000,
    b"2:4\xff",
    b"1:9",
    b"1:9" + old(EVENT),
)
"""The one with 17 counts bytes of the character as characters."""

BINARY_FORM: Final[tuple[bytes, ...]] = (
    b"\0" + b"\x09" * (MAX_PAYLOAD - 50),
    b"\0" + b"\x09" * 309 + b"\xff4",
    b"\0" + b"\x09" * 310 + b"\xff4",
    b"\0\x05\xff4",
    b"\0\xff4",
    b"\x01\xff",
    b"\x02\x01\xff4",
    b"\0\x01:4",
    b"\0\x0a\xff4aaaaaaaaa",
    b"\0\x01\xff9",
    b"\0\x01\xff9" + old_octets(EVENT.encode()),
    old_octets(b'42["echo","\xff"]'),
)


@pytest.mark.parametrize("form", ["text", "binary"])
async def test_d28_payload_that_cannot_be_read_ends_the_session(
    front: str, targets: Callable[..., Target], form: str, way: str
) -> None:
    if form == "text":
        bodies, content_type, event = TEXT_FORM, TEXT, old(EVENT)
    else:
        bodies, content_type, event = BINARY_FORM, OCTETS, old_octets(EVENT.encode())
    runs = Counter({name: times * len(bodies) for name, times in glued_runs(way).items()})
    async with targets(front, allow_eio3=True).attack(runs=runs) as attack:
        wire = attack.wire
        for body in bodies:
            http, target = await open_old(wire)
            if way == "glued" and form == "text" and b"\xff" in body:
                # What is no UTF-8 is not read at all, so the event comes by itself.
                await post(wire, target, event, content_type)
            elif way == "glued":
                body = event + body
            reply = await post(wire, target, body, content_type, way)
            assert (reply.status, reply.text) == (200, "ok"), body[:40]
            reply = await http.get(target)
            assert reply.json() == {"code": 1, "message": "Session ID unknown"}, body[:40]


async def test_d28_lengths_count_units_of_utf_16(
    front: str, targets: Callable[..., Target], way: str
) -> None:
    """As the reference does: what is behind a character outside the first plane is found."""
    runs = Counter(echo=3) + glued_runs(way)
    async with targets(front, allow_eio3=True).attack(runs=runs) as attack:
        http, target = await open_old(attack.wire)
        texts = ("\U0001f600", "e\u0301\U0001f600\u4e2d", "\uffff")
        body = b"".join(old(f'42{number}["echo","{text}"]') for number, text in enumerate(texts))
        if way == "glued":
            body = old(EVENT) + body
        assert (await post(attack.wire, target, body, TEXT, way)).text == "ok"
        expected = [old(f'43{number}["{text}"]') for number, text in enumerate(texts)]
        assert (await http.get(target)).body == b"".join(expected)
        assert (await post(attack.wire, target, b"1:1", TEXT)).text == "ok"


async def test_d28_payload_of_more_than_a_body_may_have_is_refused(
    front: str, targets: Callable[..., Target]
) -> None:
    async with targets(front, allow_eio3=True).attack() as attack:
        for body in (b"\0" + b"\x09" * MAX_PAYLOAD, b"1" * (MAX_PAYLOAD + 1)):
            _, target = await open_old(attack.wire)
            try:
                reply = await post(attack.wire, target, body, OCTETS)
            except ConnectionError:
                assert front == "asgi"  # uvicorn closes with bytes unread, and loses the answer
            else:
                check_refused(reply, 413)
            reply = await post(attack.wire, target, b"1:1", TEXT)
            assert reply.status == 400, "the session is over"
