"""Two people play: each goes for coins until it has some."""

from __future__ import annotations

from typing import TYPE_CHECKING

from selenium.webdriver.common.keys import Keys

if TYPE_CHECKING:
    from tests.browser.windows import Window

CHASE = """
window.chase = setInterval(() => {
  if (!me || !now) return;
  const far = ([x, y]) => Math.hypot(x - me.x, y - me.y);
  const [x, y] = [...now.coins].sort((a, b) => far(a) - far(b))[0];
  target = { x, y };
}, 50);
"""
"""A finger that always points at the nearest coin."""

SCORE = "return now?.players.find(([number]) => number === rules.number)?.[3] ?? 0"


def play(desk: Window, phone: Window, url: str) -> None:
    """Come in, collect, and stand still for the picture."""
    for window, name in ((desk, "Ada"), (phone, "Grace")):
        window.driver.get(url)
        window.until(lambda window=window: window.text("status") == "collect the coins")  # type: ignore[misc] # called at once
        window["name"].send_keys(name, Keys.ENTER)
        window.until(lambda window=window: window.run("return me !== null"))  # type: ignore[misc] # called at once
    for window, goal in ((phone, 2), (desk, 4)):
        window.run(CHASE)
        window.until(lambda window=window, goal=goal: window.run(SCORE) >= goal)  # type: ignore[misc] # called at once
        window.run("clearInterval(chase); target = null")
    for window in (desk, phone):
        window.until(lambda window=window: window.run("return waiting.length === 0"))  # type: ignore[misc] # called at once
        window.until(lambda window=window: len(window.texts("#scores li")) == 2)  # type: ignore[misc] # called at once
