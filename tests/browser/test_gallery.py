"""The pages of the gallery in Chromium: two people do what the pictures show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scripts.gallery import scene, set_up
from tests.browser.windows import Window
from tests.support import peers
from tests.support.gallery import BESIDE, GALLERY, run_example

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

NEEDS = {
    "django_celery": ("django", "celery"),
    "team_chat": ("fastapi", "aiosqlite"),
    "moving_from_flask": ("flask", "flask_login", "a2wsgi"),
}
"""Packages of the examples that need more than Starlette."""

NAMES = sorted([*BESIDE, *(page.parent.name for page in GALLERY.glob("*/index.html"))])


@pytest.fixture
def windows() -> Iterator[tuple[Window, Window]]:
    chromium = peers.browser()
    desk, phone = Window(chromium), Window(chromium)
    set_up(desk, phone)
    yield desk, phone
    desk.close()
    phone.close()


def is_late_poll(line: str) -> bool:
    """Whether a poll came for a session that the server had just ended, as with a logout."""
    return "/socket.io/?" in line and "transport=polling" in line and "400" in line


@pytest.mark.parametrize("name", NAMES)
def test_scene_plays(name: str, windows: tuple[Window, Window], tmp_path: Path) -> None:
    for package in NEEDS.get(name, ("starlette",)):
        peers.package(package)
    with run_example(name, tmp_path) as process:
        scene(name)(*windows, f"http://127.0.0.1:{process.port}/")
        for window in windows:
            assert [line for line in window.errors() if not is_late_poll(line)] == []
            assert window.run("return document.documentElement.scrollWidth <= innerWidth")
    assert "Traceback" not in process.output
