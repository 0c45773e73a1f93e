"""Take the picture of the page that shows a contract: docs/images/contract-page.png.

    python -m scripts.draw_contract_page

At a desk an order is placed, on a phone one is refused. The browser tests play the same. Needs
Chromium and Pillow.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PIL import Image

from scripts.browsers import find_chromium
from scripts.gallery import both
from tests.browser.windows import Window
from tests.support.contract_page import served_shop

if TYPE_CHECKING:
    from selenium.webdriver.remote.webelement import WebElement

TARGET: Final = Path("docs/images/contract-page.png")
DESK: Final = (1280, 820)
PHONE: Final = (390, 820)
"""Sizes of the windows, in CSS pixels."""


def main() -> int:
    """Write the picture, and say how large it is."""
    chromium = find_chromium()
    if chromium is None:
        print("Chromium with its driver: make peers", file=sys.stderr)
        return 1
    desk, phone = Window(chromium), Window(chromium)
    try:
        desk.resize(DESK)
        phone.resize(PHONE, dark=True)
        with served_shop() as url:
            play(desk, phone, url)
            picture = both(desk, phone)
    finally:
        desk.close()
        phone.close()
    picture.quantize(256, dither=Image.Dither.NONE).save(TARGET, optimize=True)
    print(f"{TARGET}: {TARGET.stat().st_size // 1000} kB")
    return 0


def play(desk: Window, phone: Window, url: str) -> None:
    """Place an order at the desk; on the phone, forget when it is picked up."""
    for window in (desk, phone):
        visit(window, url)
        fill_order(window)
    when = part(desk, '[data-event="place"] [data-name="at"] input')
    when.send_keys("2026-01-31T12:00:00Z")
    for window, outcome in ((desk, "Acknowledged"), (phone, "Refused")):
        part(window, '[data-event="place"] .primary').click()
        until_answered(window, "place", outcome)
    desk.run("document.querySelector('[data-event=place]').scrollIntoView()")
    show(phone, '[data-event="place"] [data-name="at"]')


def visit(window: Window, url: str) -> None:
    """Open the page, and wait until the contract is on it."""
    window.driver.get(url)
    window.until(lambda: window.run("return 'ready' in document.documentElement.dataset"))


def fill_order(window: Window) -> None:
    """Write an order that says nothing of when it is picked up."""
    part(window, '[data-event="place"] summary strong').click()
    place = '[data-event="place"] '
    part(window, place + '[data-name="id"] input').send_keys("6e5a0b0e-3c4f-4a63-8f8b-0a1b2c3d4e5f")
    part(window, place + '[data-name="items"] .add').click()
    part(window, place + '[data-name="items"] [data-name="name"] input').send_keys("Tea")
    part(window, place + '[data-name="price"] input').send_keys("2.50")


def part(window: Window, selector: str) -> WebElement:
    """The first element that matches, as soon as there is one; in the middle of the window."""
    found: WebElement = window.until(lambda: window.find(selector))
    show(window, selector)
    return found


def show(window: Window, selector: str) -> None:
    """Scroll to an element."""
    window.run("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", selector)


def until_answered(window: Window, event: str, outcome: str) -> None:
    """Wait for what is said of an event that was sent."""
    result = f'[data-event="{event}"] .result'
    window.until(lambda: "".join(window.texts(result)).startswith(outcome))


if __name__ == "__main__":
    sys.exit(main())
