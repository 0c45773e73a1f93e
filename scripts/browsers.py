"""Browsers for the tests: Chromium with its driver, and Firefox.

Run as `python -m scripts.browsers` it installs them where it can (root on a machine with apt).
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from scripts.quiet import report, say, succeeds

__all__ = ["Chromium", "find_chromium", "find_firefox", "set_up"]

CHROMIUM_PACKAGES = ("chromium", "chromium-driver")
FIREFOX_PACKAGES = ("firefox-esr",)


@dataclass(frozen=True, slots=True)
class Chromium:
    """The browser, and the driver that selenium talks to."""

    browser: Path
    driver: Path


def find_chromium() -> Chromium | None:
    """Chromium or Chrome on PATH together with a driver, else nothing."""
    browser = _first_of("chromium", "chromium-browser", "google-chrome")
    driver = _first_of("chromedriver", "chromium.chromedriver")
    return Chromium(browser, driver) if browser and driver else None


def find_firefox() -> Path | None:
    """Firefox on PATH; it needs no driver (WebDriver BiDi)."""
    return _first_of("firefox-esr", "firefox")


def _first_of(*names: str) -> Path | None:
    return next((Path(path) for name in names if (path := shutil.which(name))), None)


def set_up() -> str | None:
    """Install what is missing; returns what could not be had, in one line."""
    if (wanted := _missing()) and os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"Installing {' and '.join(wanted)} for the browser tests")
        apt = ("apt-get", "-qq")
        env = {"DEBIAN_FRONTEND": "noninteractive"}
        packages = [package for names in wanted.values() for package in names]
        # A stale third-party source fails the update; the install may succeed all the same.
        succeeds((*apt, "update"), env=env, show_failure=False)
        succeeds((*apt, "install", "-y", "--no-install-recommends", *packages), env=env)
    if wanted := _missing():
        packages = [package for names in wanted.values() for package in names]
        return f"No {' and no '.join(wanted)}: apt install {' '.join(packages)}"
    return None


def _missing() -> dict[str, tuple[str, ...]]:
    """What is not there, and the Debian packages that have it."""
    missing: dict[str, tuple[str, ...]] = {}
    if find_chromium() is None:
        missing["Chromium with its driver"] = CHROMIUM_PACKAGES
    if find_firefox() is None:
        missing["Firefox"] = FIREFOX_PACKAGES
    return missing


if __name__ == "__main__":
    sys.exit(report(set_up()))
