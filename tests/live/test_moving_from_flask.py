"""Processes of Flask-SocketIO and ours on one Redis: an application moves, one after the other."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.live.clients import connected, hear
from tests.support.examples import run_example
from tests.support.fronts import Wire
from tests.support.peers import package

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.process import ServerProcess


async def cookie_of(name: str, process: ServerProcess) -> dict[str, str]:
    """Headers of somebody who has logged in at a process."""
    wire = Wire("127.0.0.1", process.port, "/socket.io/")
    reply = await wire.request("POST", f"/login/{name}")
    await wire.aclose()
    return {"Cookie": (reply.header("set-cookie") or "").partition(";")[0]}


@pytest.mark.parametrize("step", ["step1", "step2"])
async def test_old_and_new_process_are_one_chat(
    step: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for needed in ("flask_socketio", "flask_login", "a2wsgi"):
        package(needed)
    monkeypatch.setenv("REDIS_URL", redis_url)
    with ExitStack() as stack:
        old, new = [
            await asyncio.to_thread(
                stack.enter_context, run_example(f"moving_from_flask/{name}", tmp_path)
            )
            for name in ("step0", step)
        ]
        ada, grace, root = [await cookie_of(name, old) for name in ("ada", "grace", "root")]
        async with (
            connected(f"http://127.0.0.1:{old.port}", extra_headers=ada) as (first, firsts),
            connected(f"http://127.0.0.1:{new.port}", extra_headers=grace) as (second, seconds),
        ):
            assert await hear(firsts, 1) == [("joined", "grace")]
            assert await second.emit_with_ack("say", "from the new one") == 1
            assert await hear(firsts, 1) == [("said", "grace", "from the new one")]
            assert await first.emit_with_ack("say", "from the old one") == 1
            assert await hear(seconds, 1) == [("said", "ada", "from the old one")]
            async with connected(f"http://127.0.0.1:{new.port}/admin", extra_headers=root) as (
                admin,
                _,
            ):
                admin.emit("close_lobby")
                assert await hear(firsts, 1) == await hear(seconds, 1) == [("closing",)]
