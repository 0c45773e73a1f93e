"""Two people watch; one of them pokes the server, the other lets it work."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.browser.windows import Window


def at_least(window: Window, key: str, least: float) -> bool:
    """Whether so much of something is on the charts."""
    script = "return Math.max(0, ...samples.map((each) => each[arguments[0]])) >= arguments[1]"
    return bool(window.run(script, key, least))


def play(desk: Window, phone: Window, url: str) -> None:
    """Watch, poke, load, and see it on both screens."""
    desk.driver.get(url)
    desk.until(lambda: at_least(desk, "n", 6))
    desk["poke"].click()
    phone.driver.get(url)
    for pokes in (2, 7, 5, 3):
        number = desk.run("return samples.at(-1).n")
        for _ in range(pokes):
            desk["poke"].click()
        desk.until(lambda number=number: at_least(desk, "n", number + 2))  # type: ignore[misc] # called at once
    phone["load"].click()
    phone.until(lambda: not phone["load"].is_enabled())
    desk.until(lambda: desk["load"].is_enabled() is False)
    desk.until(lambda: desk["load"].is_enabled())
    for window in (desk, phone):
        window.until(lambda window=window: at_least(window, "cpu", 5))  # type: ignore[misc] # called at once
        window.until(lambda window=window: window.text("watching").strip() == "2")  # type: ignore[misc] # called at once
        number = window.run("return samples.at(-1).n")
        window.until(lambda window=window, number=number: at_least(window, "n", number + 2))  # type: ignore[misc] # called at once
