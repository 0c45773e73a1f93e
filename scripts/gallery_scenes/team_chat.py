"""Two people log in and talk; one of them looks in later and finds what was said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from selenium.webdriver.common.keys import Keys

if TYPE_CHECKING:
    from tests.browser.windows import Window


def log_in(window: Window, url: str, name: str) -> None:
    """Come in as somebody."""
    window.driver.get(url)
    window.until(lambda: window.shows("name"))
    window["name"].send_keys(name)
    window["password"].send_keys("a long password", Keys.ENTER)
    window.until(lambda: window.shows("text"))


def say(window: Window, other: Window | None, text: str) -> None:
    """Send a message, and see it arrive."""
    window["text"].send_keys(text, Keys.ENTER)
    for each in (window, other):
        if each:
            window.until(lambda each=each: any(text in line for line in each.texts("#log li")))  # type: ignore[misc] # called at once
    window.until(lambda: window["text"].get_property("value") == "")


def play(desk: Window, phone: Window, url: str) -> None:
    """Talk, leave a message, and come later."""
    log_in(desk, url, "Ada")
    say(desk, None, "Good morning. The release is at noon.")
    say(desk, None, "Who reads the change list once more?")
    log_in(phone, url, "Grace")
    phone.until(lambda: len(phone.texts("#log li")) == 2)
    say(phone, desk, "I do! Reading it on the train.")
    say(phone, desk, "Two small things, in the paragraph about the cookies. I send you a patch.")
    say(desk, phone, "Thank you. It goes out as soon as it is in.")
    desk.until(lambda: desk.text("people") == "Ada, Grace")
