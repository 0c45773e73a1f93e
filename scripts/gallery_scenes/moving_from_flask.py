"""Two people log in to Flask and talk over Sockwave; one announces something by a view of Flask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from selenium.webdriver.common.keys import Keys

if TYPE_CHECKING:
    from tests.browser.windows import Window


def enter(window: Window, url: str, name: str) -> None:
    """Log in, and wait to be connected."""
    window.driver.get(f"{url}static/chat.html")
    window["name"].send_keys(name, Keys.ENTER)
    window.until(lambda: window.shows("text"))


def say(one: Window, other: Window, text: str) -> None:
    """Say something, and wait until it is on both pages."""
    one["text"].send_keys(text, Keys.ENTER)
    for window in (one, other):
        window.until(lambda window=window: any(text in each for each in window.texts("li.said")))  # type: ignore[misc] # called at once


def play(desk: Window, phone: Window, url: str) -> None:
    """Come in, talk, and announce."""
    enter(desk, url, "Ada")
    enter(phone, url, "Grace")
    desk.until(lambda: desk.texts("li.note") == ["Grace is here"])
    say(phone, desk, "Did the move work?")
    say(desk, phone, "The logins are Flask's, as before")
    say(desk, phone, "and the sockets are asyncio now")
    say(phone, desk, "I have noticed nothing. That is good, is it?")
    desk["text"].send_keys("Lunch is at half past twelve")
    desk["announce"].click()
    for window in (desk, phone):
        window.until(lambda window=window: len(window.texts("li.announced")) == 1)  # type: ignore[misc] # called at once
