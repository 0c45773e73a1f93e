"""Servers mounted in applications of frameworks, with and without a root path."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.support.fronts import Wire
from tests.support.peers import package
from tests.support.process import ServerProcess, free_port

ROOT: Final = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("root_path", ["", "/api"])
@pytest.mark.parametrize(
    ("framework", "path"),
    [
        ("starlette", "/ws/"),
        ("starlette", "/ws/socket.io/"),
        ("fastapi", "/ws/"),
        ("litestar", "/ws/socket.io/"),
    ],
)
async def test_mounted_server_is_reached(
    framework: str, path: str, root_path: str, tmp_path: Path
) -> None:
    package(framework)
    port = free_port()
    app = f"tests.support.mounted_apps:{framework}"
    arguments = ["-m", "uvicorn", "--factory", app, "--port", str(port), "--root-path", root_path]
    with ServerProcess(*arguments, directory=tmp_path, port=port, cwd=ROOT) as process:
        wire = Wire("127.0.0.1", port, path)
        for transport in ("polling", "websocket"):
            peer = await wire.open(transport)
            await peer.connect()
            await peer.send('420["ask","here"]')
            assert await peer.receive() == '430["here"]'
        await wire.aclose()
        assert process.interrupt() == 0
