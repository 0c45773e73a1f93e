"""PyInstaller's hook of this package: run when a program that imports sockwave is frozen."""

from __future__ import annotations

from importlib.util import find_spec

from PyInstaller.utils.hooks import collect_data_files, copy_metadata

datas = [*collect_data_files("sockwave"), *copy_metadata("sockwave")]
"""The browser client, the demo's page, and the version that the command prints."""

hiddenimports = [f"sockwave.workers.{module}" for module in ("cluster", "neighbours", "running")]
"""What is imported when it is first used, by its name: `sockwave.connect` and `sockwave.sync`, and
what workers and a `WorkersAdapter` need."""

if find_spec("aiohttp") is not None:
    hiddenimports.append("sockwave.sync")
