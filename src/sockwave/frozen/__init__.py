"""What PyInstaller needs to know about this package; it finds the hooks by an entry point.

`pyinstaller chat.py` does the rest: data files, and the modules that are imported by name only.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["hook_directories"]


def hook_directories() -> list[str]:
    """Return the folders that hold hooks (entry point `pyinstaller40`, `hook-dirs`)."""
    return [str(Path(__file__).parent)]
