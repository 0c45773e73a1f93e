"""HTTP and WebSocket of the doctor against peers that say anything."""

from __future__ import annotations

import gzip

import pytest

from sockwave.cli.doctor.websocket import open_websocket
from sockwave.cli.doctor.wire import LARGEST_BODY, NoAnswer, Refused, ask
from tests.cli.doctor.stubs import answering, target

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "content"),
    [
        (OK + b"Content-Length: 5\r\n\r\nhello, and more", b"hello"),
        (
            CHUNKED + b"3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nA: b\r\n\r\n",
            b"hello",
        ),
        (OK + b"\r\nhello", b"hello"),
        (OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"hello", mtime=0), b"hello"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK + b"\r\nhello", b"hello"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
async def test_answer_is_read_in_each_form(answer: bytes, content: bytes) -> None:
    async with answering(answer) as url:
        assert (await ask(target(url), "GET", "/")).content == content


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"", "no-answer"),
        (OK, "no-answer"),
        (OK + b"Content-Length: 9\r\n\r\nhello", "no-answer"),
        (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", "http2-only"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "scheme"),
        (b"220 mail.example.com ESMTP\r\n\r\n", "unexpected"),
        (b"SSH-2.0-OpenSSH\r\n", "unexpected"),
        (OK + b"X: " + b"x" * 200_000, "unexpected"),
        (OK + b"Content-Length: many\r\n\r\n", "unexpected"),
        (OK + b"Content-Length: %d\r\n\r\n" % (LARGEST_BODY + 1), "unexpected"),
        (CHUNKED + b"-1\r\n", "unexpected"),
        (CHUNKED + b"fffffffff\r\n", "unexpected"),
    ],
)
async def test_what_is_no_answer_is_named(answer: bytes, fault: str) -> None:
    async with answering(answer) as url:
        with pytest.raises(NoAnswer) as raised:
            await ask(target(url), "GET", "/")
    assert raised.value.fault == fault


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
async def test_body_that_is_not_compressed_as_it_says_is_named(coding: str) -> None:
    async with answering(OK + b"Content-Encoding: %b\r\n\r\nhello" % coding.encode()) as url:
        answer = await ask(target(url), "GET", "/")
    assert "a body that is" in str(answer)
    with pytest.raises(NoAnswer) as raised:
        _ = answer.content
    assert raised.value.fault == "garbled"


async def test_body_is_inflated_to_a_bound() -> None:
    bomb = gzip.compress(bytes(3 * LARGEST_BODY))
    async with answering(OK + b"Content-Encoding: gzip\r\n\r\n" + bomb) as url:
        assert len((await ask(target(url), "GET", "/")).content) == LARGEST_BODY


async def test_page_of_somebody_else_is_shown_as_text() -> None:
    title = b"<html><head><title>404 Not Found</title></head>"
    page = title + b"\r\n<h1>404 Not Found</h1><hr>nginx</html>"
    async with answering(b"HTTP/1.1 404 Not Found\r\n\r\n" + page) as url:
        assert str(await ask(target(url), "GET", "/")) == "HTTP 404 404 Not Found nginx"


async def test_websocket_of_a_cache_is_none() -> None:
    switch = b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: stale\r\n\r\n"
    async with answering(switch) as url:
        with pytest.raises(NoAnswer) as raised:
            async with open_websocket(target(url)):
                pass
    assert raised.value.fault == "caching"


async def test_refused_websocket_has_its_answer() -> None:
    async with answering(b"HTTP/1.1 502 Bad Gateway\r\n\r\n") as url:
        with pytest.raises(Refused) as raised:
            async with open_websocket(target(url)):
                pass
    assert raised.value.answer.status == 502


async def test_name_that_nobody_knows_is_unreachable() -> None:
    with pytest.raises(NoAnswer) as raised:
        await ask(target(f"http://{'x' * 70}.invalid"), "GET", "/")
    assert raised.value.fault == "unreachable"
