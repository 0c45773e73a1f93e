"""Somebody with two screens is told something; what is read on one is read on the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from selenium.webdriver.common.keys import Keys

if TYPE_CHECKING:
    from tests.browser.windows import Window

TEXTS = (
    "Your parcel is at the door",
    "Grace has answered your question",
    "The build of main is green again",
    "Lunch is at half past twelve today",
)


def notify(window: Window, text: str) -> None:
    """Fill in the form, and wait until a worker has taken it."""
    window["user"].clear()
    window["user"].send_keys("Ada")
    window["text"].send_keys(text, Keys.ENTER)
    window.until(lambda: window["text"].get_property("value") == "")


def play(desk: Window, phone: Window, url: str) -> None:
    """Come in on the desk, be told, look at the phone, and read one there."""
    for number, window in enumerate((desk, phone)):
        window.driver.get(url)
        window["name"].send_keys("Ada", Keys.ENTER)
        window.until(lambda window=window: window.shows("text"))  # type: ignore[misc] # called at once
        for text in TEXTS[2 * number : 2 * number + 2]:
            notify(window, text)
    for window in (desk, phone):
        window.until(lambda window=window: len(window.texts("#list li")) == 4)  # type: ignore[misc] # called at once
    for item in phone.driver.find_elements("css selector", "#list li button")[2:3]:
        item.click()
    for window in (desk, phone):
        window.until(lambda window=window: len(window.texts("#list .seen")) == 1)  # type: ignore[misc] # called at once
        window.until(lambda window=window: window.text("count") == "3")  # type: ignore[misc] # called at once
