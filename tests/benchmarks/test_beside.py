"""Figures beside the servers of others are those that were measured, by a command that is here."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from benchmarks.beside.pages import FIGURES, PAGES, PICTURE, WORK, load, publish, with_figures
from benchmarks.beside.servers import SERVERS
from benchmarks.load import PollingClient, WebSocketClient, leave_all
from benchmarks.revisions import ROOT
from scripts.draw_benchmark import draw
from tests.support import peers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

OTHERS: Final = {"ours": (), "node": ("node",), "psio": ("socketio", "uvicorn")}
"""What is measured without a download, and what it needs."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_figures_of_a_page_are_those_that_were_measured(page: Path) -> None:
    assert with_figures(page.read_text(), load()) == page.read_text()


def test_picture_shows_what_was_measured() -> None:
    assert draw(load()) == PICTURE.read_text()


def test_every_kind_of_work_of_the_pages_was_measured() -> None:
    assert list(load()) == list(WORK.values())
    page = PAGES[0].read_text()
    assert all(f"\n| {work} | " in page for work in WORK)


def test_new_figures_are_kept_told_and_drawn(tmp_path: Path) -> None:
    (tmp_path / "docs" / "images").mkdir(parents=True)
    measured = load()
    measured["echo"] = {"ours": 300_000.0, "bun": 100_000.0, "node": 150_000.0}
    publish(measured, tmp_path)
    performance, compared = (
        (tmp_path / page.relative_to(ROOT)).read_text().splitlines() for page in PAGES
    )
    work = "echo: 100 clients, one event of 32 bytes in flight each"
    assert f"| {work} | 300,000 | 100,000 | 150,000 | 3.00 | 2.0 |" in performance
    assert f"| {work} | 3.00 | 2.0 |" in compared
    assert "300,000" in (tmp_path / PICTURE.relative_to(ROOT)).read_text()
    assert "300000.0" in (tmp_path / FIGURES.relative_to(ROOT)).read_text()


def test_command_says_what_it_does_not_know() -> None:
    for wrong in (["unicorns"], ["--servers", "unicorns"], ["--save", "--servers", "ours"]):
        run = subprocess.run(
            [sys.executable, "-m", "benchmarks.beside", *wrong],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 2
        assert "error: " in run.stderr


async def echoed(port: int) -> None:
    client = await WebSocketClient.connect(port)
    came = asyncio.Event()
    client.on_messages = lambda count: came.set()
    for event in (b"echo", b"fanout"):
        client.send(b'42["%b","x"]' % event)
        await came.wait()
        came.clear()


async def polled(port: int) -> None:
    client = await PollingClient.connect(port)
    await client.post(b'42["echo","x"]')
    while b'42["echo","x"]' not in await client.get():
        pass


async def told(port: int) -> None:
    client = await WebSocketClient.connect(port)
    assert await client.ask("cpu") > 0
    assert await client.ask("memory") > 1_000


@pytest.mark.parametrize("work", [echoed, polled, told])
@pytest.mark.parametrize("server", OTHERS)
def test_server_does_what_is_measured(server: str, work: Callable[[int], Awaitable[None]]) -> None:
    for need in OTHERS[server]:
        peers.node() if need == "node" else peers.package(need)

    async def scenario(port: int) -> None:
        try:
            await asyncio.wait_for(work(port), 30)
        finally:
            await leave_all()

    with SERVERS[server]() as port:
        asyncio.run(scenario(port))
