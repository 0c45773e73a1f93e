"""Examples that need an engine, run as their docstrings say."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
from typing import TYPE_CHECKING, Any, Final
from urllib.request import Request, urlopen

import pytest

from tests.live.clients import connected, hear
from tests.live.commands import Command, ours
from tests.live.shop import Shop, shop
from tests.support.examples import EXAMPLES
from tests.support.peers import package
from tests.support.process import DEADLINE, free_port
from tests.support.raw import until

if TYPE_CHECKING:
    from collections.abc import Iterator

CRON: Final = EXAMPLES / "cron"
PATHS: Final = os.environ.get("PYTHONPATH", "")


def post(url: str) -> Any:
    """POST, and read the answer."""
    with urlopen(Request(url, method="POST"), timeout=DEADLINE) as answer:
        return json.loads(answer.read())


# --- Django and Celery ----------------------------------------------------------------------------


@pytest.fixture
def open_shop(redis_url: str) -> Iterator[Shop]:
    """The three programs of the shop."""
    for needed in ("django", "celery"):
        package(needed)
    with shop(redis_url.replace("/0", "/9")) as programs:  # Celery's queues are nobody else's
        yield programs


async def test_views_and_tasks_of_a_shop_tell_who_has_ordered(open_shop: Shop) -> None:
    live, pages, programs = open_shop.live, open_shop.port, open_shop.programs
    async with (
        connected(f"http://127.0.0.1:{live}", transports=["polling"]) as (ada, adas),
        connected(f"http://127.0.0.1:{live}", transports=["websocket"]) as (grace, graces),
    ):
        places = {}
        for client, queue in ((ada, adas), (grace, graces)):
            places[await client.emit_with_ack("begin", timeout=DEADLINE)] = queue
        for turn in range(3):
            for order, queue in places.items():
                where = f"http://127.0.0.1:{pages}/orders/{order}/soup{turn}"
                assert await asyncio.to_thread(post, where) == {"taken": f"soup{turn}"}
                first, *others = await hear(queue, 3)
                assert first == ("taken", f"soup{turn}")
                assert others == [("cooking", f"soup{turn}"), ("ready", f"soup{turn}")]
        assert adas.empty()
        assert graces.empty()
    done = re.compile(r"Task shop\.tasks\.cook\[\S+\] succeeded")
    # A task says so behind its last event.
    await until(lambda: len(done.findall(programs[1].output)) == 6)
    output = programs[1].output
    # Each of them was forked from the process that has imported the emitter.
    assert len({*re.findall(r"ForkPoolWorker-\d+", output)}) >= 3
    assert "Traceback" not in open_shop.output


# --- cron -----------------------------------------------------------------------------------------


def jobs() -> tuple[dict[str, str], list[str]]:
    """What the table sets, and the commands in it."""
    env: dict[str, str] = {}
    commands = []
    for line in (CRON / "crontab").read_text().splitlines():
        if re.match(r"\w+=", line):
            name, _, value = line.partition("=")
            env[name] = value
        elif line and not line.startswith("#"):
            fields = re.fullmatch(r"((?:[\d*/,-]+ +){4}[\d*/,-]+)\s+(\S.*)", line)
            assert fields is not None, line
            assert "%" not in fields[2]
            commands.append(fields[2])
    return env, commands


def run_by_cron(command: str, url: str) -> None:
    """Run it with as little around it as cron gives, in the folder of the example."""
    env, _ = jobs()
    assert env["SOCKWAVE_URL"] == "redis://localhost:6379"
    folder, found, rest = command.rpartition(" && ")
    place = folder.replace("cd /srv/news", f"cd {CRON}")
    subprocess.run(
        ["/bin/sh", "-c", f"{place}{found}{ours(rest)}"],
        env={**env, "PATH": "/usr/bin:/bin", "SOCKWAVE_URL": url, "PYTHONPATH": PATHS},
        cwd="/",
        check=True,
        timeout=DEADLINE,
    )


async def test_jobs_of_cron_reach_sockets(redis_url: str) -> None:
    package("fastapi")
    port = free_port()
    line = f"sockwave run news:io --app news:app --port {port}"
    env = {"SOCKWAVE_URL": redis_url, "OPERATORS_KEY": "k"}
    with Command(line, CRON, port=port, env=env) as program:
        url = f"http://127.0.0.1:{port}"
        async with (
            connected(url) as (_, readers),
            connected(url, auth={"key": "k"}) as (_, operators),
        ):
            for queue in (readers, operators):
                assert await hear(queue, 1) == [("welcome",)]
            emit, disk = jobs()[1]
            await asyncio.to_thread(run_by_cron, emit, redis_url)
            await asyncio.to_thread(run_by_cron, disk, redis_url)
            await asyncio.to_thread(post, f"{url}/headlines/Rain")
            greeting = ("headline", "Good evening")
            first, (name, room), last = await hear(operators, 3)
            assert (first, name, last) == (greeting, "disk", ("headline", "Rain"))
            assert 0 < room["free"] < room["total"]
            assert await hear(readers, 2) == [greeting, ("headline", "Rain")]
            assert readers.empty()
        assert "Traceback" not in program.output
