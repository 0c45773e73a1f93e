"""Ten devices come; one is told to blink at the desk, others to start anew."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.support.gallery import GALLERY

if TYPE_CHECKING:
    from tests.browser.windows import Window

COUNT = 10
CELSIUS = "#list li > div:first-child > span"
HEARS = "return socket.hasListeners('device')"
CLICK = """
const [name, what] = arguments;
const buttons = rows.get(name).item.querySelectorAll("button");
[...buttons].find((each) => each.textContent === what).click();
"""

STAND_STILL = """
socket.on("device", ({ name, here }) => {
  if (name === "sensor-06" && !here) socket.off();
});
"""
"""Hear no more when one is away: the picture is taken when the fleet has ended."""


def play(desk: Window, phone: Window, url: str) -> None:
    """Watch them come, command two, and see one go and come back."""
    for window in (desk, phone):
        window.driver.get(url)
        window.until(lambda window=window: window.text("status") == "no device yet")  # type: ignore[misc] # called at once
    program = str(GALLERY / "devices" / "device.py")
    with subprocess.Popen([sys.executable, program, url.rstrip("/"), str(COUNT)]) as fleet:
        try:
            for window in (desk, phone):
                window.until(lambda window=window: window.text("status") == "10 of 10 are here")  # type: ignore[misc] # called at once
            desk.run(CLICK, "sensor-02", "blink")
            desk.until(lambda: desk.text("said") == "sensor-02: has blinked, 1 so far")
            phone.run(CLICK, "sensor-04", "reboot")
            phone.until(lambda: phone.text("said") == "sensor-04: reboots")
            desk.until(lambda: desk.text("status") == "9 of 10 are here")
            desk.until(lambda: desk.text("status") == "10 of 10 are here")
            for window in (desk, phone):
                window.until(lambda window=window: all(window.texts(CELSIUS)))  # type: ignore[misc] # called at once
                window.until(lambda window=window: "connection 2" in window.texts("#list small")[3])  # type: ignore[misc] # called at once
                window.run(STAND_STILL)
            desk.run(CLICK, "sensor-06", "reboot")
            for window in (desk, phone):
                window.until(lambda window=window: not window.run(HEARS))  # type: ignore[misc] # called at once
                assert window.text("status") == "9 of 10 are here"
        finally:
            fleet.terminate()
