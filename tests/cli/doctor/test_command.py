"""`sockwave doctor`, as a command in a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest
from click.testing import CliRunner

from sockwave import Server
from sockwave.cli import main
from tests.cli.doctor.stubs import answering
from tests.support.process import DEADLINE, free_port


async def command(*arguments: str) -> tuple[int | None, str, str]:
    """Run the command to its end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sockwave", "doctor", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), DEADLINE)
    return process.returncode, out.decode(), err.decode()


async def test_exit_code_is_0_where_all_is_well() -> None:
    async with Server(ping_interval=0.5).listen("127.0.0.1", 0) as listener:
        code, out, err = await command(listener.url)
    assert code == 0, out
    assert "good      upgrade " in out
    assert out.splitlines()[-1] == "All 12 checks are good."
    assert err == f"Examining {listener.url}; silence is tried last, for up to 30 s.\n"


async def test_exit_code_is_1_where_something_is_wrong_and_advice_is_given_once() -> None:
    async with Server().listen("127.0.0.1", 0) as listener:
        code, out, _ = await command(
            listener.url, "--patience", "0", "--origin", "https://app.example.com/"
        )
    assert code == 1
    assert out.count("origin-refused: The server does not admit pages of this origin") == 1
    assert out.count("origin-refused: see above") == 1
    assert out.splitlines()[-1] == "Of 11 checks 2 found something wrong, 0 have a note."


async def test_json_is_one_object_and_has_no_secrets() -> None:
    async with Server(transports=["polling"]).listen("127.0.0.1", 0) as listener:
        url = listener.url.replace("//", "//me:s3cret@")
        code, out, err = await command(f"{url}?token=s3cret", "--json", "--patience", "0")
    assert (code, err) == (1, "")
    assert "s3cret" not in out
    told = json.loads(out)
    assert (told["url"], told["ok"]) == (listener.url, False)
    (upgrade,) = [finding for finding in told["findings"] if finding["check"] == "upgrade"]
    assert (upgrade["verdict"], upgrade["fault"]) == ("wrong", "upgrades-off")
    assert set(upgrade["change"]) == {"nginx", "haproxy", "others"}


async def test_own_origin_is_no_foreign_one() -> None:
    async with Server().listen("127.0.0.1", 0) as listener:
        code, out, _ = await command(listener.url, "--patience", "0", "--origin", listener.url)
    assert code == 0, out
    assert "good      own pages " in out


async def test_headers_and_path_go_with_each_request() -> None:
    io = Server(path="/chat", allow_request=lambda request: request.headers.get("x-token") == "1")
    async with io.listen("127.0.0.1", 0) as listener:
        more = ("--path", "/chat", "--patience", "0")
        code, out, _ = await command(listener.url, *more, "--header", "X-Token: 1")
        refused, _, _ = await command(listener.url, *more)
    assert (code, refused) == (0, 1), out


async def test_text_of_a_peer_cannot_speak_to_the_terminal() -> None:
    async with answering(b"HTTP/1.1 404 Not Found\r\n\r\n\x1b[2Jhello\x9b") as url:
        _, out, _ = await command(url)
    assert "\x1b" not in out and "\x9b" not in out
    assert "hello" in out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["localhost"], "'localhost' is not of the form http://host:port"),
        (["http://x", "--header", "no colon"], "is not of the form 'NAME: VALUE'"),
        (["http://x", "--header", "a: b\r\nc: d"], "is not of the form 'NAME: VALUE'"),
        (["http://x", "--header", ": no name"], "is not of the form 'NAME: VALUE'"),
        (["http://x", "--origin", "https://a\r\nb"], "is not of the form https://"),
        (["http://x", "--origin", "app.example.com"], "is not of the form https://"),
        (["http://x", "--origin", "https://a.example/page"], "is not of the form https://"),
    ],
)
def test_wrong_option_is_told_on_one_line(arguments: list[str], problem: str) -> None:
    result = CliRunner().invoke(main, ["doctor", *arguments])
    assert result.exit_code == 1
    assert problem in result.output
    assert "Traceback" not in result.output


def test_nobody_there_is_told() -> None:
    result = CliRunner().invoke(main, ["doctor", f"http://127.0.0.1:{free_port()}"])
    assert result.exit_code == 1
    assert "wrong     connection" in result.output
    assert "unreachable: Nobody takes connections there." in result.output
