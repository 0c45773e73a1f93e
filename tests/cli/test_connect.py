"""`sockwave connect`, as a command in a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from sockwave.cli.connect import parse_line
from tests.client.servers import native_server

if TYPE_CHECKING:
    from collections.abc import Coroutine


@pytest.mark.parametrize(
    ("line", "parsed"),
    [
        ("hello", ("hello", False, [])),
        ('hello "world" {"n": 1}\n', ("hello", False, ["world", {"n": 1}])),
        ("echo? [1, 2] null", ("echo", True, [[1, 2], None])),
        ('a "x y", 2', ("a", False, ["x y", 2])),
    ],
)
def test_line_is_an_event_and_json(line: str, parsed: tuple[str, bool, list[Any]]) -> None:
    assert parse_line(line) == parsed


def test_line_that_is_not_json_says_what_is_missing() -> None:
    with pytest.raises(ValueError, match="text needs quotes"):
        parse_line("hello world")


async def command(*arguments: str, feed: str = "") -> tuple[int | None, str, str]:
    """Run the command to its end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sockwave.cli", "connect", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(feed.encode()), 20)
    return process.returncode, out.decode(), err.decode()


def with_server(coroutine: Any) -> None:
    async def run() -> None:
        async with native_server().listen() as listener:
            result: Coroutine[Any, Any, None] = coroutine(listener.url)
            await asyncio.wait_for(result, 30)

    asyncio.run(run())


def test_input_is_emitted_and_acknowledgements_are_shown() -> None:
    async def test(url: str) -> None:
        code, out, err = await command(url, feed='log 1\nlog "two"\nget_log?\n')
        assert (code, out) == (0, '= get_log [1, "two"]\n')
        assert "connected to / as" in err

    with_server(test)


def test_wrong_line_is_told_and_the_rest_goes_on() -> None:
    async def test(url: str) -> None:
        code, out, err = await command(url, feed="log nonsense\nack? 7\n")
        assert (code, out) == (0, "= ack 7\n")
        assert "not JSON: nonsense" in err

    with_server(test)


def test_listening_prints_events_as_json_lines() -> None:
    async def test(url: str) -> None:
        server = native_server()

        @server.on("connection")
        def greet(socket: Any) -> None:
            socket.emit("greeting", "hi", b"\x01")
            socket.disconnect()

        async with server.listen() as listener:
            code, out, _ = await command(listener.url, "--listen")
        assert code == 0
        assert json.loads(out) == {"event": "greeting", "args": ["hi", {"base64": "AQ=="}]}

    with_server(test)


def test_refusal_is_one_line_and_exit_code_1() -> None:
    async def test(url: str) -> None:
        code, out, err = await command(f"{url}/private", "--auth", '{"token": "x"}')
        assert (code, out) == (1, "")
        assert err == 'Error: refused: unauthorized {"code": 7}\n'
        code, _, err = await command("http://127.0.0.1:9")
        assert code == 1
        assert err.startswith("Error: xhr poll error (")
        code, _, err = await command("nonsense")
        assert (code, err.count("\n")) == (1, 1)

    with_server(test)
