"""`sockwave why`: questions to a running server, and to all of its workers."""
# ruff: noqa: ASYNC240 # of a directory of a few files

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from sockwave import Server
from sockwave.cli import main
from sockwave.records.inspecting import LONGEST_LINE
from tests.support.fronts import FRONTS
from tests.support.raw import until, within
from tests.workers.programs import Program, Visitor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.testing import Result

pytestmark = pytest.mark.unix


@pytest.fixture
def directory() -> Iterator[Path]:
    """A short path that nobody has made yet."""
    top = tempfile.mkdtemp()
    yield Path(top) / "app"
    shutil.rmtree(top)


def why(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, ["why", *arguments], env=environment)


async def asked(*arguments: str, **environment: str) -> Result:
    """Ask beside the server."""
    return await within(asyncio.to_thread(why, *arguments, **environment))  # type: ignore[no-any-return]


async def test_says_why_a_client_dropped(directory: Path) -> None:
    io = Server(connection_records=10, inspect=directory)
    async with FRONTS["native"].serve(io) as wire:
        peer = await wire.open_websocket()
        (reply,) = [json.loads((await peer.connect())[2:])]
        await peer.websocket.close(1001)
        await until(io.connections.recent)
        result = await asked(reply["sid"], "--at", str(directory))
        lines = result.output.splitlines()
        assert result.exit_code == 0
        assert f"{peer.sid[:4]}...  127.0.0.1  process {os.getpid()}" in lines[0]
        assert lines[1].startswith("  The client's page was left")
        assert "on websocket" in lines[2]
        assert lines[3] == f"  /: socket {reply['sid']}, left: transport close"
        assert lines[4] == "  last from the client: connect 2 B"
        assert peer.sid not in result.output


async def test_directory_may_come_from_the_environment(directory: Path) -> None:
    io = Server(connection_records=10, inspect=str(directory))
    async with FRONTS["native"].serve(io) as wire:
        await (await wire.open_websocket()).connect()
        result = await asked("127.0.0.1", "--json", SOCKWAVE_INSPECT=str(directory))
        connection = json.loads(result.output)
        assert connection["sentence"] == "The connection is open."
        assert connection["pid"] == os.getpid()


async def test_says_when_nothing_is_known(directory: Path) -> None:
    io = Server(connection_records=10, inspect=directory)
    async with FRONTS["native"].serve(io):
        result = await asked("nobody", "--at", str(directory))
        assert result.exit_code == 1
        assert result.output == "Error: nothing is known of 'nobody' (1 process asked)\n"


async def test_socket_is_there_as_long_as_the_server_and_closed_to_others(directory: Path) -> None:
    io = Server(connection_records=10, inspect=directory)
    for _ in range(2):  # a server may serve again
        async with FRONTS["native"].serve(io):
            (path,) = directory.iterdir()
            assert stat.S_IMODE(directory.stat().st_mode) == 0o700
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert list(directory.iterdir()) == []
    result = await asked("x", "--at", str(directory))
    assert "no server answers" in result.output


async def test_two_servers_of_a_process_are_both_asked(directory: Path) -> None:
    servers = [Server(connection_records=10, inspect=directory) for _ in range(2)]
    async with FRONTS["native"].serve(servers[0]) as one, FRONTS["native"].serve(servers[1]) as two:
        for wire in (one, two):
            await (await wire.open_websocket()).connect()
        result = await asked("127.0.0.1", "--json", "--at", str(directory))
        assert len(result.output.splitlines()) == 2


async def test_socket_that_a_dead_process_has_left_is_removed(directory: Path) -> None:
    directory.mkdir(0o700)
    left = directory / "99-0.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(left))
    assert "no server answers" in (await asked("x", "--at", str(directory))).output
    async with FRONTS["native"].serve(Server(connection_records=10, inspect=directory)):
        assert not left.exists()


async def test_process_that_does_not_answer_is_named_and_the_others_answer(directory: Path) -> None:
    directory.mkdir(0o700)
    io = Server(connection_records=10, inspect=directory)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(directory / "99-0.sock"))
        silent.listen()
        async with FRONTS["native"].serve(io) as wire:
            await (await wire.open_websocket()).connect()
            result = await asked("127.0.0.1", "--at", str(directory), "--timeout", "0.2")
    assert "process 99: it did not answer within 0.2 s: is it busy?" in result.output
    assert "The connection is open." in result.output


@pytest.mark.parametrize("mode", [0o755, 0o710, 0o701])
async def test_directory_that_is_open_to_others_is_refused(directory: Path, mode: int) -> None:
    directory.mkdir()
    directory.chmod(mode)
    io = Server(connection_records=10, inspect=directory)
    with pytest.raises(ValueError, match=rf"{mode:04o}.*chmod 700"):
        async with io.listen("127.0.0.1", 0):
            pass
    assert "open to other users" in why("x", "--at", str(directory)).output


async def test_directory_must_be_one_and_not_too_long(directory: Path) -> None:
    directory.write_text("")
    for path, reason in ((directory, "no directory"), (directory.with_name("x" * 100), "bytes at")):
        io = Server(connection_records=10, inspect=path)
        with pytest.raises(ValueError, match=reason):
            async with io.listen("127.0.0.1", 0):
                pass


def test_directory_that_is_not_there_is_named(directory: Path) -> None:
    assert f"{directory} cannot be read: No such file" in why("x", "--at", str(directory)).output


def test_needs_records() -> None:
    with pytest.raises(ValueError, match=r"inspect: .* connection_records"):
        Server(inspect="x")
    with pytest.raises(TypeError, match="inspect must be the path"):
        Server(inspect=3, connection_records=1)  # type: ignore[arg-type] # that is the test


@pytest.mark.parametrize(
    "question", [b"\n", b"{}\n", b'{"who": 3}\n', b"\xff\n", b"x" * (LONGEST_LINE + 1)]
)
async def test_question_that_is_none_is_answered_with_what_is_wrong(
    directory: Path, question: bytes
) -> None:
    io = Server(connection_records=10, inspect=directory)
    async with FRONTS["native"].serve(io):
        (path,) = directory.iterdir()
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(question)
        answer: dict[str, Any] = json.loads(await within(reader.read()))
        assert answer["pid"] == os.getpid()
        assert answer["error"]
        writer.close()


def test_says_plainly_that_it_needs_unix_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sockwave.platform.is_windows", lambda: True)
    result = why("x", "--at", "y")
    assert result.exit_code == 1
    assert "sockwave why: there are no Unix sockets on this system" in result.output


def test_all_workers_are_asked_and_a_stopped_one_is_named(tmp_path: Path, directory: Path) -> None:
    options = f"connection_records=10, inspect={str(directory)!r}"
    with Program(tmp_path, "3", options=options) as program:
        visitors: list[Visitor] = []
        served: set[int] = set()
        while len(served) < 3:
            visitors.append(visitor := Visitor(program.port))
            visitor.open()
            served.add(visitor.ask("pid"))
        result = why("127.0.0.1", "--json", "--limit", "1000", "--at", str(directory))
        known = [json.loads(line) for line in result.output.splitlines()]
        assert {each["pid"] for each in known} == set(program.workers())
        assert {each["worker"] for each in known} == {0, 1, 2}
        assert len(known) == len(visitors)
        stopped = program.workers()[0]
        os.kill(stopped, signal.SIGSTOP)
        try:
            result = why("127.0.0.1", "--timeout", "0.5", "--at", str(directory))
        finally:
            os.kill(stopped, signal.SIGCONT)
        assert f"process {stopped}: it did not answer within 0.5 s" in result.output
        assert "The connection is open." in result.output
