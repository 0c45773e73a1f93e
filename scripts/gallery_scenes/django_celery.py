"""Two people order in the shop; each sees what becomes of the own orders, and of no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.browser.windows import Window


def order(window: Window, dish: str) -> None:
    """Press the button of a dish."""
    find = (
        "[...document.querySelectorAll('button')].find((each) => each.textContent === arguments[0])"
    )
    window.run(f"{find}.click()", dish)


def orders(window: Window, state: str) -> list[str]:
    """Dishes of which this is the last that was heard."""
    return window.texts(f"#orders > li.{state} > b")


def play(desk: Window, phone: Window, url: str) -> None:
    """Order four dishes; the picture is taken while the last one is on its way."""
    for window in (desk, phone):
        window.driver.get(url)
        window.until(lambda window=window: window.text("status") == "open")  # type: ignore[misc] # called at once
    order(desk, "Tomato soup")
    desk.until(lambda: orders(desk, "ready") == ["Tomato soup"])
    order(phone, "Apple cake")
    phone.until(lambda: orders(phone, "ready") == ["Apple cake"])
    order(phone, "Dumplings")
    phone.until(lambda: orders(phone, "ready") == ["Dumplings", "Apple cake"])
    order(desk, "Apple cake")
    desk.until(lambda: desk.texts("#orders > li > b") == ["Apple cake", "Tomato soup"])
