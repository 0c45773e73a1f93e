"""A supervisor whose system does not start what it asks for."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from sockwave.workers.supervisor import Supervisor

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unix


def test_command_that_cannot_be_started_is_a_line_and_the_end(
    tmp_path_factory: pytest.TempPathFactory,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tmp_path = tmp_path_factory.mktemp("d")  # a short path: sockets come below it
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    supervisor = Supervisor(
        [str(tmp_path / "nothing")],
        sockets,
        patience=1.0,
        on_ready=lambda: pytest.fail("nobody serves"),
    )
    assert asyncio.run(supervisor.run()) == 1
    assert "cannot be started: no such file or directory" in caplog.text
    assert all(sock.fileno() < 0 for sock in sockets)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "why"), [("too-long" * 4, "file name too long"), ("file", "not a directory")]
)
def test_no_place_for_sockets_is_a_line_and_the_end(
    name: str,
    why: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = tmp_path / name
    if name == "file":
        place.touch()
    else:
        place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    supervisor = Supervisor(["nothing"], sockets, patience=1.0, on_ready=lambda: None)
    assert asyncio.run(supervisor.run()) == 1
    assert f"no place for their sockets in {place}: {why}" in caplog.text
    assert all(sock.fileno() < 0 for sock in sockets)
    assert name == "file" or list(place.iterdir()) == []
