"""JavaScript clients against workers: any transport, no stickiness, rooms over all of them."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.peers import INTEROP, node
from tests.workers.programs import Program

if TYPE_CHECKING:
    from pathlib import Path

MORE = """
import asyncio

@io.on("connection")
def reaching_others(socket):
    @socket.on("join")
    def join(room):
        socket.join(room)

    @socket.on("settled")
    async def settled(members, room):
        while any([await io.in_(f"{room} {number}").count() < members for number in range(5)]):
            await asyncio.sleep(0.01)

    @socket.on("shout")
    def shout(room, value):
        io.to(room).emit("heard", value)

    @socket.on("count")
    async def count():
        return await io.count()
"""

CLIENTS = 90


@pytest.mark.parametrize("package", ["sio4", "sio3", "sio2"])
def test_clients_find_their_workers_and_each_other(tmp_path: Path, package: str) -> None:
    found = node()
    with Program(tmp_path, "4", more=MORE, options="allow_eio3=True") as program:
        script = str(INTEROP / "workers.cjs")
        run = subprocess.run(
            [str(found.executable), script, package, str(program.port), str(CLIENTS)],
            env=found.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert run.returncode == 0, run.stderr
        assert json.loads(run.stdout) == {
            "errors": [],
            "right": True,
            "workers": 4,
            "bytes": True,
            "count": CLIENTS,
        }
