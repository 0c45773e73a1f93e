"""PyInstaller's hook of this package: run when a program that imports sockwave is frozen."""

from __future__ import annotations

from importlib.util import find_spec

from PyInstaller.utils.hooks import collect_data_files, copy_metadata

datas = [*collect_data_files("sockwave"), *copy_metadata("sockwave")]
"""The browser client, the demo's page, and the version that the command prints."""

hiddenimports = ["sockwave.sync"] if find_spec("aiohttp") is not None else []
"""`sockwave.connect` and `sockwave.sync` are imported when they are first used, by their names."""
