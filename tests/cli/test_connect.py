"""`sockwave connect`, as a command in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import ConnectError
from sockwave.cli.connect import parse_line
from tests.client.servers import native_server
from tests.support.process import DEADLINE

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


async def command(
    *arguments: str, feed: str = "", encoding: str = "utf-8"
) -> tuple[int | None, str, str]:
    """Run the command to its end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sockwave", "connect", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    out, err = await asyncio.wait_for(process.communicate(feed.encode(encoding)), DEADLINE)
    return process.returncode, out.decode(encoding), err.decode(encoding)


def with_server(coroutine: Any) -> None:
    async def run() -> None:
        async with native_server().listen() as listener:
            result: Coroutine[Any, Any, None] = coroutine(listener.url)
            await asyncio.wait_for(result, 1.5 * DEADLINE)

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


@pytest.mark.parametrize("line", ["log " + "[" * 100_000, "log " + "[" * 900 + "]" * 900])
def test_line_that_is_nested_too_deeply_is_told_and_the_rest_goes_on(line: str) -> None:
    async def test(url: str) -> None:
        code, out, err = await command(url, feed=f"{line}\nack? 7\n")
        assert (code, out) == (0, "= ack 7\n")
        connected, told, left = err.splitlines()
        assert connected.startswith("connected") and left.startswith("disconnected")
        assert "deep" in told and len(told) < 150

    with_server(test)


@pytest.mark.unix
@pytest.mark.parametrize("arguments", [(), ("--listen",)])
def test_reader_that_has_enough_ends_the_command_without_a_word(arguments: tuple[str, ...]) -> None:
    async def test(url: str) -> None:
        server = native_server()

        @server.on("connection")
        async def count(socket: Any) -> None:
            for n in range(100):
                socket.emit("count", n)
                await asyncio.sleep(0.01)

        async with server.listen() as listener:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "sockwave", "connect", listener.url, *arguments),
                stdin=asyncio.subprocess.PIPE,
                stdout=(pipe := os.pipe())[1],
                stderr=asyncio.subprocess.PIPE,
            )
            os.close(pipe[1])
            assert await asyncio.to_thread(os.read, pipe[0], 5)
            os.close(pipe[0])
            assert process.stderr is not None
            err = (await asyncio.wait_for(process.stderr.read(), DEADLINE)).decode()
            assert await process.wait() == 1
        assert [line.partition(" ")[0] for line in err.splitlines()] == [
            "connected",
            "disconnected:",
        ]

    with_server(test)


def test_path_of_http_in_the_url_is_told_to_be_a_namespace() -> None:
    async def test(url: str) -> None:
        code, out, err = await command(f"{url}/socket.io/")
        assert (code, out) == (1, "")
        assert err.startswith("Error: refused: Invalid namespace: /socket.io")
        assert "the path of the URL is the namespace" in err

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


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
def test_what_an_encoding_does_not_have_is_escaped_as_in_json(encoding: str) -> None:
    async def test(url: str) -> None:
        code, out, err = await command(
            url, feed='ack? "\\u00fc \\ud83d\\ude00"\n', encoding=encoding
        )
        assert code == 0, err
        escaped = out.encode("ascii", "backslashreplace").decode()
        assert {"utf-8": "\\xfc \\U0001f600", "cp1252": "\\xfc \\ud83d\\ude00"}.get(
            encoding, "\\u00fc \\ud83d\\ude00"
        ) in escaped
        assert json.loads(out.removeprefix("= ack ")) == "ü 😀"

    with_server(test)


def test_refusal_is_one_line_and_exit_code_1() -> None:
    async def test(url: str) -> None:
        code, out, err = await command(f"{url}/private", "--auth", '{"token": "x"}')
        assert (code, out) == (1, "")
        assert err == 'Error: refused: unauthorized {"code": 7}\n'
        code, _, err = await command("http://127.0.0.1:9")
        assert code == 1
        assert err.startswith("Error: xhr poll error: ")
        assert err.endswith("(does a server listen there?)\n")
        code, _, err = await command("nonsense")
        assert (code, err.count("\n")) == (1, 1)

    with_server(test)


HOSTILE = "\x1b]0;owned\x07\x9b2J\x7f\r\u202etxt.exe\u2066\u200b\ufeff\u2028\U000e0041"


def assert_harmless(output: str) -> None:
    """Nothing that a terminal obeys or hides, but ends of lines."""
    assert output.replace("\n", "").isprintable(), ascii(output)


@pytest.mark.parametrize("arguments", [(), ("--listen",), ("--log-level", "debug")])
def test_text_of_a_hostile_server_does_nothing_to_the_terminal(arguments: tuple[str, ...]) -> None:
    async def test(url: str) -> None:
        server = native_server()

        @server.on("connection")
        def attack(socket: Any) -> None:
            socket.emit(f"name{HOSTILE}", HOSTILE, {HOSTILE: [HOSTILE]}, b"x")
            socket.on("ask", lambda: HOSTILE)
            socket.on("bye", lambda: socket.disconnect())
            if "--listen" in arguments:
                socket.disconnect()

        async with server.listen() as listener:
            code, out, err = await command(listener.url, *arguments, feed="ask?\nbye\n")
        assert code == 0
        assert "name" in out
        assert_harmless(out)
        assert_harmless(err)
        if "--listen" in arguments:
            args = [HOSTILE, {HOSTILE: [HOSTILE]}, {"base64": "eA=="}]
            assert json.loads(out) == {"event": f"name{HOSTILE}", "args": args}

    with_server(test)


def test_refusal_of_a_hostile_server_does_nothing_to_the_terminal() -> None:
    async def test(url: str) -> None:
        server = native_server()

        @server.use
        def refuse(socket: Any) -> None:
            raise ConnectError(HOSTILE, data=[HOSTILE])

        async with server.listen() as listener:
            code, out, err = await command(listener.url)
        assert (code, out) == (1, "")
        assert err.startswith("Error: refused: ")
        assert_harmless(err)

    with_server(test)


def test_text_of_other_scripts_is_shown_as_it_is() -> None:
    async def test(url: str) -> None:
        code, out, _ = await command(url, feed='ack? "Grüße, 世界, שלום"\n')
        assert (code, out) == (0, '= ack "Grüße, 世界, שלום"\n')

    with_server(test)


def test_question_with_a_reserved_name_is_a_line_and_the_next_one_is_asked() -> None:
    async def test(url: str) -> None:
        server = native_server()

        @server.on("connection")
        def connection(socket: Any) -> None:
            socket.on("ask", lambda: 1)

        async with server.listen() as listener:
            code, out, err = await command(listener.url, feed="connect? 1\nask?\n")
        assert code == 0
        assert out == "= ask 1\n"
        assert 'connect: "connect" is a reserved event name\n' in err
        assert "Traceback" not in err

    with_server(test)
