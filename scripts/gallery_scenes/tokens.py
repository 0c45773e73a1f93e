"""Somebody stops an answer, and loses the connection in another; the phone gets one, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from selenium.webdriver.common.keys import Keys

if TYPE_CHECKING:
    from tests.browser.windows import Window


def ask(window: Window, prompt: str, tokens: int) -> None:
    """Ask, and wait for the first tokens."""
    window["text"].send_keys(prompt, Keys.ENTER)
    window.until(lambda: window.run("return answer.have") >= tokens)


def play(desk: Window, phone: Window, url: str) -> None:
    """Ask, stop, ask again, cut, and see the whole answer."""
    for window in (desk, phone):
        window.driver.get(url)
        window.until(lambda window=window: window.text("status") == "connected")  # type: ignore[misc] # called at once
    ask(desk, "What is a socket?", 12)
    desk["stop"].click()
    desk.until(lambda: desk.find(".answer.stopped"))
    ask(desk, "What happens in a tunnel?", 20)
    desk["cut"].click()
    desk.until(lambda: desk.find(".answer.done"))
    assert desk.texts(".answer.done small")[0].endswith(", 1 cut")
    whole = desk.texts(".answer.done p")[0].removeprefix("You asked: “What happens in a tunnel?”")
    ask(phone, "And after a reload?", 20)
    phone.driver.refresh()
    phone.until(lambda: phone.find(".answer.done"))
    text = phone.texts(".answer.done p")[0]
    assert text.removeprefix("You asked: “And after a reload?”") == whole
    desk.until(lambda: desk.text("status") == "connected")
