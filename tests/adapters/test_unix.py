"""The carrier on Unix sockets: the suite for carriers, and what it promises beyond."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from typing import TYPE_CHECKING, Any

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


def test_name_of_a_process_is_there_when_it_listens_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who came too early would be refused, and take it for one that a dead process has left."""
    seen = []

    def looking(path: str, mode: int) -> None:
        seen.append([name for name in os.listdir(tmp_path / "bus") if name.endswith(".bus")])

    async def play() -> None:
        monkeypatch.setattr("sockwave.adapters.unix.os.chmod", looking)
        driver = UnixDriver(str(tmp_path / "bus"))
        await driver.start()
        (name,) = os.listdir(tmp_path / "bus")
        assert name.endswith(".bus")
        with socket.socket(socket.AF_UNIX) as other:
            other.connect(str(tmp_path / "bus" / name))
        await driver.aclose()
        assert os.listdir(tmp_path / "bus") == []

    asyncio.run(play())
    assert seen == [[]]


def test_start_that_has_failed_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        one, two = UnixDriver(str(tmp_path / "bus")), UnixDriver(str(tmp_path / "bus"))
        await one.start()
        with monkeypatch.context() as broken:
            broken.setattr("sockwave.adapters.unix.os.listdir", refusing)
            with pytest.raises(PermissionError):
                await two.start()
        await two.start()
        ear = Ear()
        await one.subscribe("/", "one", ear)
        two.publish("/", b"message")
        await until(lambda: ear.heard)
        await one.aclose()
        await two.aclose()

    def refusing(path: str) -> list[str]:
        raise PermissionError(path)

    asyncio.run(play())


def test_adapters_of_several_namespaces_start_it_once(tmp_path: Path) -> None:
    async def play() -> None:
        driver = UnixDriver(str(tmp_path / "bus"))
        loop, made = asyncio.get_running_loop(), []
        make = loop.create_unix_server

        async def counting(*args: Any, **options: Any) -> Any:
            made.append(await make(*args, **options))
            return made[-1]

        loop.create_unix_server = counting  # type: ignore[method-assign]
        await asyncio.gather(driver.start(), driver.start())
        assert len(made) == 1
        await driver.aclose()

    asyncio.run(play())


def test_process_that_does_not_read_loses_messages_and_holds_nobody_up(tmp_path: Path) -> None:
    async def play() -> None:
        one, two = (UnixDriver(str(tmp_path / "bus"), max_backlog=1_000_000) for _ in range(2))
        ear, elsewhere, other = Ear(), Ear(), Ear()
        await one.start()
        await one.subscribe("/", "one", ear)
        await one.subscribe("/admin", "admin", elsewhere)
        await two.start()
        await two.subscribe("/", "two", other)
        await until(lambda: one._others)
        await two.subscribe("/admin", "more", Ear())
        for _ in range(100):
            one.publish("/", bytes(100_000))  # within one turn of the loop nobody reads
        for _ in range(5):
            one.publish("/admin", bytes(100_000))
        assert one.dropped > 50
        await until(lambda: ear.lost)
        assert len(ear.lost) == 1
        assert "does not read" in ear.lost[0]
        assert elsewhere.lost == ear.lost, "who listens there has to know, too"
        await until(lambda: len(other.heard) == 105 - one.dropped)
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
