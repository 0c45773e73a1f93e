"""Somebody draws a house, another one comes later, sees it, and adds a sun and a tree."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from selenium.webdriver.common.action_chains import ActionChains

if TYPE_CHECKING:
    from tests.browser.windows import Window

Path = list[tuple[float, float]]


def draw(window: Window, colour: int, path: Path) -> None:
    """Choose a pen and draw a line; coordinates are parts of the sheet."""
    window.run("document.querySelectorAll('#pens button')[arguments[0]].click()", colour)
    sheet = window["canvas"]
    wide, high = sheet.size["width"], sheet.size["height"]
    actions = ActionChains(window.driver, duration=10)
    for number, (x, y) in enumerate(path):
        actions.move_to_element_with_offset(sheet, int((x - 0.5) * wide), int((y - 0.5) * high))
        if number == 0:
            actions.click_and_hold()
    actions.release().perform()


def count(window: Window) -> list[int]:
    """How many points the lines have."""
    counts: list[int] = window.run("return [...lines.values()].map((each) => each.points.length)")
    return counts


def circle(x: float, y: float, radius: float) -> Path:
    """Around a point, on a sheet of 4 to 3."""
    turns = [2 * math.pi * part / 14 for part in range(15)]
    return [(x + radius * math.cos(a), y + radius * 4 / 3 * math.sin(a)) for a in turns]


def play(desk: Window, phone: Window, url: str) -> None:
    """Draw on both screens, and see the same."""
    desk.driver.get(url)
    desk.until(lambda: desk.text("status") == "you are alone")
    desk["width"].click()
    draw(desk, 2, [(0.25, 0.8), (0.25, 0.48), (0.6, 0.48), (0.6, 0.8), (0.25, 0.8)])
    draw(desk, 1, [(0.2, 0.5), (0.42, 0.25), (0.65, 0.5)])
    draw(desk, 0, [(0.38, 0.8), (0.38, 0.63), (0.47, 0.63), (0.47, 0.8)])
    draw(desk, 3, [(part / 10, 0.81 + 0.01 * (part % 2)) for part in range(1, 10)])
    phone.driver.get(url)
    phone.until(lambda: len(count(phone)) == 4)
    phone["width"].click()
    draw(phone, 4, circle(0.82, 0.2, 0.08))
    draw(phone, 3, circle(0.8, 0.53, 0.09))
    draw(phone, 5, [(0.8, 0.65), (0.8, 0.8)])
    phone["undo"].click()
    phone.until(lambda: len(count(phone)) == 6)
    draw(phone, 4, [(0.8, 0.65), (0.8, 0.8)])
    desk.until(lambda: len(count(desk)) == 7)
    desk.until(lambda: count(desk) == count(phone))
    desk.until(lambda: desk.find(".pen"))
    assert min(count(desk)) >= 4, "lines have come whole"
