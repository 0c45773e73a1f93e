"""The carrier on Unix sockets: the suite for carriers, and what it promises beyond."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from sockwave.adapters.unix import UnixDriver
from sockwave.testing import DriverSuite
from tests.adapters.test_memory import Ear
from tests.support.raw import until

if TYPE_CHECKING:
    from pathlib import Path

    from sockwave.adapters import Driver

pytestmark = pytest.mark.unix


class TestUnixDriver(DriverSuite):
    """All that every carrier must do."""

    @pytest.fixture(autouse=True)
    def directory(self, tmp_path: Path) -> None:
        self._directory = tmp_path / "bus"

    async def make_driver(self) -> Driver:
        return UnixDriver(str(self._directory))


def test_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    async def play() -> None:
        driver = UnixDriver(str(tmp_path / "new"))
        await driver.start()
        assert stat.S_IMODE(os.stat(tmp_path / "new").st_mode) == 0o700
        await driver.aclose()
        assert os.listdir(tmp_path / "new") == []

    asyncio.run(play())


def test_directory_that_others_may_look_into_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    with pytest.raises(PermissionError, match="its mode must be 0700"):
        asyncio.run(UnixDriver(str(tmp_path / "open")).start())


def test_what_a_dead_process_has_left_is_taken_away(tmp_path: Path) -> None:
    async def play() -> None:
        os.chmod(tmp_path, 0o700)
        left = socket.socket(socket.AF_UNIX)
        left.bind(str(tmp_path / "0123.bus"))
        left.close()
        driver = UnixDriver(str(tmp_path))
        await driver.start()
        assert "0123.bus" not in os.listdir(tmp_path)
        await driver.aclose()

    asyncio.run(play())


def test_socket_has_its_name_only_when_it_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before that, who looks into the directory would take it for what a dead process has left."""
    rename, seen = os.rename, []

    def named(old: str, new: str) -> None:
        seen.append(os.listdir(tmp_path / "bus"))
        with socket.socket(socket.AF_UNIX) as other:
            other.connect(old)
        rename(old, new)

    monkeypatch.setattr("os.rename", named)

    async def play() -> None:
        driver = UnixDriver(str(tmp_path / "bus"))
        await driver.start()
        assert not any(name.endswith(".bus") for name in seen[0])
        assert os.listdir(tmp_path / "bus") == [driver._name]
        await driver.aclose()

    asyncio.run(play())


def test_start_that_has_failed_can_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(old: str, new: str) -> None:
        raise OSError("no space left")

    async def play() -> None:
        one, two = (UnixDriver(str(tmp_path / "bus")) for _ in range(2))
        ear = Ear()
        await two.start()
        await two.subscribe("/", "two", ear)
        with monkeypatch.context() as patch:
            patch.setattr("os.rename", fail)
            with pytest.raises(OSError, match="no space left"):
                await one.start()
        await one.start()
        one.publish("/", b"to the other")
        await until(lambda: ear.heard == [b"to the other"])
        await one.aclose()
        await two.aclose()

    asyncio.run(play())


def test_process_that_does_not_read_loses_messages_and_holds_nobody_up(tmp_path: Path) -> None:
    async def play() -> None:
        one, two = (UnixDriver(str(tmp_path / "bus"), max_backlog=1_000_000) for _ in range(2))
        ear, other = Ear(), Ear()
        await one.start()
        await one.subscribe("/", "one", ear)
        await two.start()
        await two.subscribe("/", "two", other)
        await until(lambda: one._others)
        for _ in range(100):
            one.publish("/", bytes(100_000))  # within one turn of the loop nobody reads
        assert one.dropped > 50
        await until(lambda: ear.lost)
        assert len(ear.lost) == 1
        assert "does not read" in ear.lost[0]
        await until(lambda: len(other.heard) == 100 - one.dropped)
        one.publish("/", b"later")
        await until(lambda: other.heard[-1] == b"later")
        await one.aclose()
        await two.aclose()

    asyncio.run(play())


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff\x05", b"\x00\x00\x00\x01\x05\xc1"])
def test_what_is_no_frame_ends_its_connection_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, data: bytes
) -> None:
    async def play() -> None:
        driver = UnixDriver(str(tmp_path / "bus"))
        await driver.start()
        (name,) = os.listdir(tmp_path / "bus")
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "bus" / name))
        writer.write(data)
        assert await reader.read() == b""
        writer.close()
        await driver.aclose()

    asyncio.run(play())
    assert [record.message[:41] for record in caplog.records] == [
        "what another process says cannot be read:"
    ]
