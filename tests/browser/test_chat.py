"""The page of the tutorial, in Chromium."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.windows import Window
from tests.support import peers
from tests.support.examples import run_example
from tests.support.fronts import Wire
from tests.support.raw import within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.process import ServerProcess

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


@pytest.fixture
def window() -> Iterator[Window]:
    window = Window(peers.browser())
    yield window
    window.close()


def enter(window: Window, process: ServerProcess, name: str) -> None:
    """Open the page and answer its question."""
    window.run(f"setTimeout(() => location.assign('http://127.0.0.1:{process.port}/'))")
    alert = window.until(lambda: the_alert(window))
    alert.send_keys(name)
    alert.accept()


def the_alert(window: Window) -> object:
    from selenium.common.exceptions import NoAlertPresentException

    try:
        return window.driver.switch_to.alert
    except NoAlertPresentException:
        return None


async def talk_to(window: Window, process: ServerProcess) -> None:
    """Be the other one in the chat."""
    wire = Wire("127.0.0.1", process.port, "/socket.io/")
    grace = await wire.open_websocket()
    await grace.connect(auth={"name": "Grace"})
    await asyncio.to_thread(window.until, lambda: "Grace is here" in window.texts("li"))
    window["text"].send_keys("hello", Keys.ENTER)
    assert await grace.receive() == '42["said","Ada","hello"]'
    await grace.send('42["say","good morning"]')
    await asyncio.to_thread(window.until, lambda: len(window.texts("li")) == 4)
    await wire.aclose()


def test_page_of_the_tutorial_chats(window: Window, tmp_path: Path) -> None:
    peers.package("starlette")
    with run_example("chat", tmp_path) as process:
        enter(window, process, "Ada")
        window.until(lambda: window.texts("li") == ["You are connected"])
        asyncio.run(within(talk_to(window, process), 30))
        assert window.texts("li")[:4] == [
            "You are connected",
            "Grace is here",
            "You: hello (delivered)",
            "Grace: good morning",
        ]
        window.until(lambda: window.texts("li")[4:] == ["Grace has left"])


def test_page_of_the_tutorial_tells_why_nobody_comes_in(window: Window, tmp_path: Path) -> None:
    peers.package("starlette")
    with run_example("chat", tmp_path) as process:
        enter(window, process, "")
        window.until(lambda: window.texts("li") == ["Please give a name"])
