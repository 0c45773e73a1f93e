"""PyInstaller's hook of this package: run when a program that imports sockwave is frozen."""

from __future__ import annotations

from importlib.util import find_spec

from PyInstaller.utils.hooks import collect_data_files, copy_metadata

import sockwave  # noqa: F401 # registers what `modules` names
from sockwave.socketio.server.extensions import modules

datas: list[tuple[str, str]] = [*collect_data_files("sockwave"), *copy_metadata("sockwave")]
"""The browser client, the demo's page, and the version that the command prints."""

hiddenimports: list[str] = [
    *modules(),
    "sockwave.contract.dependencies",
    "sockwave.contract.events",
]
"""What is imported when it is first used, by its name: what the server reaches (workers, relaying,
typed handlers), what these declare, and `sockwave.sync`."""

if find_spec("aiohttp") is not None:
    hiddenimports.append("sockwave.sync")
