"""Tests of devices.py and device.py, with a proxy that cuts connections."""

import asyncio
import runpy
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import sockwave
from sockwave import ConnectError
from sockwave.testing import FaultProxy
from tests.support.peers import package

package("starlette")

Device = runpy.run_path(str(Path(__file__).with_name("device.py")))["Device"]
AUTH = {"token": "only for trying", "name": "lamp"}


class Watcher:
    """What a page knows of the fleet."""

    def __init__(self, client: sockwave.ClientSocket) -> None:
        self.client = client
        self.known: dict[str, dict[str, Any]] = {}
        self.news = asyncio.Event()
        client.on("fleet", self.take_all)
        client.on("device", self.take)
        client.on("measured", self.take_measured)

    def take_all(self, fleet: list[dict[str, Any]], commands: list[str]) -> None:
        for device in fleet:
            self.take(device)

    def take(self, device: dict[str, Any]) -> None:
        self.known[device["name"]] = device
        self.news.set()

    def take_measured(self, measured: dict[str, float]) -> None:
        for name, celsius in measured.items():
            self.known[name]["celsius"] = celsius
        self.news.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            self.news.clear()
            await self.news.wait()

    def here(self) -> int:
        return sum(device["here"] for device in self.known.values())

    async def command(self, name: Any, what: Any) -> dict[str, Any]:
        answer: dict[str, Any] = await self.client.emit_with_ack("command", name, what)
        return answer


@asynccontextmanager
async def watching(url: str) -> AsyncIterator[Watcher]:
    client = sockwave.connect(url)
    watcher = Watcher(client)
    async with client:
        yield watcher


@asynccontextmanager
async def running(url: str, count: int) -> AsyncIterator[list[Any]]:
    fleet = [Device(url, f"sensor-{number}") for number in range(count)]
    tasks = [asyncio.create_task(device.run()) for device in fleet]
    try:
        yield fleet
    finally:
        for task in tasks:
            task.cancel()
        for device in fleet:
            await device.socket.aclose()


def test_fleet_is_seen_obeys_and_comes_back_after_a_cut(url: str) -> None:
    async def scenario() -> None:
        address = urlsplit(url)
        assert address.hostname and address.port
        async with (
            FaultProxy(address.hostname, address.port, seed=7) as proxy,
            watching(url) as watcher,
            running(proxy.url, 20) as fleet,
        ):
            await watcher.until(lambda: watcher.here() == 20)
            await watcher.until(lambda: all(each["celsius"] for each in watcher.known.values()))
            for number in (1, 2):
                answer = await watcher.command("sensor-7", "blink")
                assert answer == {"answer": f"has blinked, {number} so far"}
            assert [device.blinks for device in fleet] == [0] * 7 + [2] + [0] * 12

            proxy.down()
            await watcher.until(lambda: watcher.here() == 0)
            away = {"error": "The device is away"}
            assert await watcher.command("sensor-7", "blink") == away
            await proxy.up()
            await watcher.until(lambda: watcher.here() == 20)
            answer = await watcher.command("sensor-7", "blink")
            assert answer == {"answer": "has blinked, 3 so far"}, "nothing was kept for later"

            assert await watcher.command("sensor-3", "reboot") == {"answer": "reboots"}
            await watcher.until(lambda: not watcher.known["sensor-3"]["here"])
            await watcher.until(lambda: watcher.known["sensor-3"]["here"])
            assert watcher.known["sensor-3"]["connections"] == 3

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_device_that_is_silent_or_goes_is_told_as_it_is(url: str) -> None:
    async def scenario() -> None:
        asked = asyncio.Event()

        async def never() -> None:
            asked.set()
            await asyncio.Event().wait()

        async with watching(url) as watcher:
            async with sockwave.connect(f"{url}/devices", auth=AUTH) as lamp:
                lamp.on("blink", never)
                await watcher.until(lambda: watcher.here() == 1)
                answer = await watcher.command("lamp", "blink")
                assert "No answer within 5 seconds" in answer["error"]
                asked.clear()
                waiting = asyncio.ensure_future(watcher.command("lamp", "blink"))
                await asked.wait()
            assert "went away" in (await waiting)["error"]

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_newer_connection_of_a_device_counts(url: str) -> None:
    async def scenario() -> None:
        async with watching(url) as watcher, sockwave.connect(f"{url}/devices", auth=AUTH) as old:
            ended = asyncio.Event()
            old.on("disconnect", lambda *reason: ended.set())
            async with sockwave.connect(f"{url}/devices", auth=AUTH) as new:
                new.on("measure", lambda: "newer")
                await watcher.until(lambda: watcher.known.get("lamp", {}).get("connections") == 2)
                await ended.wait()
                assert watcher.known["lamp"]["here"]
                assert await watcher.command("lamp", "measure") == {"answer": "newer"}
            await watcher.until(lambda: watcher.here() == 0)

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_what_is_wrong_is_refused(url: str) -> None:
    async def scenario() -> None:
        for auth in ({}, {**AUTH, "token": "x"}, {**AUTH, "token": 1}, {**AUTH, "name": ""}):
            with pytest.raises(ConnectError):
                async with sockwave.connect(f"{url}/devices", auth=auth):
                    pass
        async with (
            watching(url) as watcher,
            sockwave.connect(f"{url}/devices", auth=AUTH) as lamp,
        ):
            for wrong in ("warm", None, 1e9, 20.5):
                lamp.emit("telemetry", wrong)
            await watcher.until(lambda: watcher.known.get("lamp", {}).get("celsius") == 20.5)
            for name, what in (("lamp", "explode"), ("nobody", "blink"), ([], "blink")):
                assert "no such" in (await watcher.command(name, what))["error"]

    asyncio.run(asyncio.wait_for(scenario(), 60))
