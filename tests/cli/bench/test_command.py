"""`sockwave bench`, as a command in a process of its own, on servers in Python and JavaScript."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

import pytest
from click.testing import CliRunner

from sockwave import Server, Socket
from sockwave.cli import main
from sockwave.cli.bench import command as bench_command
from tests.client.servers import native_server, start_process
from tests.support.process import DEADLINE, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

pytestmark = [pytest.mark.timeout(120), pytest.mark.slow]

QUICK = ("-c", "6", "--rate", "100", "--duration", "0.6", "--every", "0.1", "--json")


P = ParamSpec("P")


def in_a_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test in an event loop of its own."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


async def start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sockwave", "bench", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ},
        start_new_session=True,
    )


async def figures(*arguments: str, code: int = 0) -> dict[str, Any]:
    """Run the command to its end."""
    process = await start(*arguments)
    out, err = await asyncio.wait_for(process.communicate(), DEADLINE)
    assert process.returncode == code, err.decode()
    value: dict[str, Any] = json.loads(out)
    return value


@asynccontextmanager
async def serving(io: Server | None = None) -> AsyncIterator[str]:
    async with (io or native_server()).listen() as listener:
        yield listener.url


def rooms() -> Server:
    """Passes on what is said in a room."""
    io = Server()

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.on("join", lambda room: socket.join(room))

        @socket.on("say")
        def say(room: str, text: str) -> None:
            io.to(room).emit("said", {"in": room, "texts": [text]})

    return io


@pytest.mark.parametrize("more", [(), ("--transport", "websocket"), ("--transport", "polling")])
@in_a_loop
async def test_acknowledgements_are_timed(more: tuple[str, ...]) -> None:
    async with serving() as url:
        value = await figures(url, "ack", '"hello"', "--ack", *QUICK, *more)
    assert (value["connected"], value["lost"], value["errors"]) == (6, 0, {})
    assert value["emitted"] == value["answered"] == value["times"]["round_trip"]["count"] > 6
    assert value["times"]["connecting"]["count"] == 6
    assert sum(value["transports"].values()) == 6
    if more:
        assert value["transports"] == {more[1]: 6}


@in_a_loop
async def test_next_event_follows_the_acknowledgement_of_the_one_before() -> None:
    async with serving() as url:
        value = await figures(url, "ack", "--ack", *QUICK, "--every", "0", "--senders", "2")
    assert value["emitted"] == value["answered"] > 2
    assert value["errors"] == {}


@in_a_loop
async def test_server_in_javascript_is_measured_by_several_processes() -> None:
    with start_process("node") as url:
        value = await figures(url, "ack", "1", "--ack", *QUICK, "--processes", "2")
    assert (value["connected"], value["errors"]) == (6, {})
    assert value["answered"] == value["emitted"] > 6
    assert len(value["generator_busy"]) <= 2


@in_a_loop
async def test_delivery_to_a_room_is_timed_over_processes() -> None:
    async with serving(rooms()) as url:
        value = await figures(
            *(url, "say", '"r{room}"', '"{stamp} of {client}"', "--hear", "said"),
            *("--first", 'join? "r{room}"', "--rooms", "2", "--processes", "2", *QUICK),
        )
    assert value["heard"] == 3 * value["emitted"] > 0  # six clients in two rooms
    assert value["times"]["delivery"]["count"] == value["heard"]
    assert value["errors"] == {}


@in_a_loop
async def test_clients_without_an_event_stay() -> None:
    async with serving() as url:
        value = await figures(url, *QUICK)
    assert (value["connected"], value["emitted"]) == (6, 0)
    assert value["seconds"][-1]["here"] == 6


@in_a_loop
async def test_auth_is_that_of_each_client_and_refusals_are_told() -> None:
    async with serving() as url:
        good = await figures(f"{url}/private", "--auth", '{"token": "s3cret"}', *QUICK)
        bad = await figures(f"{url}/private", "--auth", '{"token": "{client}"}', *QUICK, code=1)
    assert good["connected"] == 6
    assert bad["connected"] == 0
    assert bad["errors"] == {"connecting: refused by the server: unauthorized": 6}
    assert bad["load_seconds"] == 0  # nobody is there to wait for


@in_a_loop
async def test_what_is_not_acknowledged_is_told() -> None:
    async with serving() as url:
        value = await figures(url, "log", "--ack", *QUICK, "--timeout", "0.5")
    assert value["answered"] == 0
    assert value["errors"] == {"log: not acknowledged in time": value["emitted"]}


@in_a_loop
async def test_connections_that_are_lost_stay_lost() -> None:
    async with serving() as url:
        value = await figures(url, "drop", *QUICK)
    assert value["lost"] == 6
    (kind,) = value["errors"]
    assert kind == "lost: transport close"
    assert value["seconds"][-1]["here"] == 0


@in_a_loop
async def test_nobody_there_is_an_error_of_its_kind() -> None:
    value = await figures(f"http://127.0.0.1:{free_port()}", *QUICK, code=1)
    (kind,) = value["errors"]
    assert kind.startswith("connecting: refused: ")
    assert value["errors"][kind] == 6


async def interrupted(url: str, *arguments: str, until: str) -> tuple[dict[str, Any], list[str]]:
    """Press Ctrl-C when the progress says so; what is left of its processes."""
    process = await start(url, *arguments)
    assert process.stderr is not None
    assert process.stdout is not None
    while until not in (line := (await process.stderr.readline()).decode()):
        assert line, "it has ended first"
    children = generators(process.pid)
    assert children
    process.send_signal(signal.SIGINT)
    out = await asyncio.wait_for(process.stdout.read(), DEADLINE)
    assert await process.wait() == 0
    return json.loads(out), [pid for pid in children if is_running(pid)]


def is_running(pid: str) -> bool:
    return Path(f"/proc/{pid}/cwd").exists()


def generators(parent: int) -> list[str]:
    """Process ids of its children."""
    return Path(f"/proc/{parent}/task/{parent}/children").read_text().split()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="asks Linux for children")
@pytest.mark.parametrize(
    ("rate", "until"), [("1", "of 6 connected"), ("100", "events/s")], ids=["connecting", "load"]
)
@in_a_loop
async def test_ctrl_c_shows_what_there_is_and_leaves_nothing(rate: str, until: str) -> None:
    async with serving() as url:
        value, left = await interrupted(
            *(url, "ack", "--ack", "-c", "6", "--rate", rate, "--duration", "300", "--json"),
            *("--every", "0.1", "--processes", "2"),
            until=until,
        )
    assert value["interrupted"] is True
    assert 0 < value["connected"] <= 6
    assert "Ended early: these are the figures until then." in value["warnings"]
    assert left == []


@in_a_loop
async def test_report_and_chart_are_written(tmp_path: Path) -> None:
    chart = tmp_path / "bench.svg"
    async with serving() as url:
        process = await start(url, "ack", "--ack", *QUICK[:-1], "--chart", str(chart))
        out, err = await asyncio.wait_for(process.communicate(), DEADLINE)
    assert process.returncode == 0
    assert out.decode().splitlines()[1].startswith("connections  6 of 6 in ")
    assert "round trip" in out.decode()
    assert f"The chart is in {chart}." in err.decode()
    assert chart.read_text().startswith("<svg")


URL = "http://localhost:1"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((URL, "say", "hello"), "not JSON: hello (text needs quotes"),
        ((URL, "--ack"), "--ack and --hear are about an EVENT"),
        ((URL, "say", "--hear", "said"), "--hear needs {stamp}"),
        ((URL, "say", "--every", "0"), "--every 0 goes with --ack"),
        ((URL, "connect"), '"connect" is a reserved event name'),
        ((URL, "--first", "join room"), "--first: not JSON: room"),
        ((URL, "--chart", "a.png"), "must end in .svg or .html"),
        ((URL, "--chart", "/no/where.svg"), "cannot be written"),
        (("localhost:3000",), "is not of the form http://host:port"),
        ((URL, "--auth", "[]"), "--auth: '[]' is not a JSON object"),
    ],
)
def test_mistakes_are_told_before_anything_starts(arguments: tuple[str, ...], text: str) -> None:
    result = CliRunner().invoke(main, ["bench", *arguments])
    assert result.exit_code in (1, 2)
    assert text in result.output


def test_too_few_descriptors_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_command, "open_files_limit", lambda: 256)
    result = CliRunner().invoke(main, ["bench", URL, "-c", "1000", "--processes", "2"])
    assert result.exit_code == 1
    assert "may open 256 files, and needs 564: raise it with `ulimit -n 564`" in result.output
