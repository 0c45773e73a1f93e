"""Browser windows on the demo, with words for what a person does and sees there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from selenium.webdriver.remote.webelement import WebElement

    from tests.support.peers import Chromium

__all__ = ["DESKTOP", "PHONE", "Window"]

DESKTOP = (1280, 800)
PHONE = (390, 844)
PATIENCE = 10.0
"""Seconds until something that should appear counts as missing."""

FLAGS = (
    "--headless=new",
    "--no-sandbox",  # refused to root otherwise
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--disable-gpu",
    "--hide-scrollbars",
)

_IS_STILL = "return document.getAnimations().every((each) => !(each instanceof CSSTransition))"


class Window:
    """A Chromium of its own, so that it shares neither storage nor connections with another."""

    def __init__(self, chromium: Chromium) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = str(chromium.browser)
        for flag in FLAGS:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(str(chromium.driver)))
        self.resize(DESKTOP)

    def close(self) -> None:
        """End the browser."""
        self.driver.quit()

    def resize(self, size: tuple[int, int], *, scale: int = 1, dark: bool = False) -> None:
        """Become a screen of `size` CSS pixels; a narrow one is a phone with a touch screen."""
        width, height = size
        phone = width < 600
        self._devtools(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=phone,
        )
        self._devtools("Emulation.setTouchEmulationEnabled", enabled=phone)
        self.prefer("prefers-color-scheme", "dark" if dark else "light")

    def prefer(self, feature: str, value: str) -> None:
        """Be a system whose user has chosen something, which style sheets ask for."""
        self._devtools("Emulation.setEmulatedMedia", features=[{"name": feature, "value": value}])

    def visit(self, url: str, name: str) -> None:
        """Open the page as somebody it does not know, and sign in."""
        # From outside: a page that remembers a name would connect before it could forget it.
        self._devtools(
            "Storage.clearDataForOrigin", origin=url.rstrip("/"), storageTypes="local_storage"
        )
        self.driver.get(url)
        self.sign_in(name)
        self.until_upgraded()

    def sign_in(self, name: str) -> None:
        """Answer the question for a name."""
        self.until(lambda: self.shows("name"))
        self["name"].send_keys(name, Keys.ENTER)
        self.until(lambda: self.text("room-title"))

    def until_upgraded(self) -> None:
        """Wait for the end of the upgrade: who goes away in its middle is seen for some time."""
        self.until(lambda: self.text("status") == "WebSocket")

    def go_offline(self) -> None:
        """Lose the network."""
        self._network(offline=True)

    def go_online(self) -> None:
        """Have it again."""
        self._network(offline=False)

    def _network(self, *, offline: bool) -> None:
        self._devtools("Network.enable")
        self._devtools(
            "Network.emulateNetworkConditions",
            offline=offline,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=-1,
        )

    def say(self, text: str) -> None:
        """Type a message and send it by the Enter key."""
        self["text"].send_keys(text, Keys.ENTER)

    def upload(self, path: Path) -> None:
        """Choose a file in the dialog of the picture button."""
        self["file"].send_keys(str(path))

    def create_room(self, name: str) -> None:
        """Create a room and wait to be in it."""
        self["room-name"].send_keys(name, Keys.ENTER)
        self.until(lambda: self.text("room-title") == name)

    def enter_room(self, name: str) -> None:
        """Click a room in the list and wait to be in it."""
        self.room(name).click()
        self.until(lambda: self.text("room-title") == name)

    def room(self, name: str) -> WebElement:
        """Find a room's button, as soon as the list has it."""
        button: WebElement = self.until(lambda: self.find(f'[data-room="{name}"]'))
        return button

    def messages(self) -> list[str]:
        """Return all texts in the room, oldest first."""
        return self.texts(".bubble:not(.picture)")

    def people(self) -> list[str]:
        """Return who is here."""
        return self.texts(".person")

    def texts(self, selector: str) -> list[str]:
        """Return the text of every element, in one step: lists change while one looks."""
        script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)"
        texts: list[str] = self.run(script, selector)
        return texts

    def text(self, id_: str) -> str:
        """Return an element's text, also where CSS hides it."""
        text: str = self.run("return document.getElementById(arguments[0]).textContent", id_)
        return text

    def shows(self, id_: str) -> bool:
        """Tell whether an element can be seen."""
        return self[id_].is_displayed()

    def find(self, selector: str) -> WebElement | None:
        """Return the first element that matches, if any."""
        return next(iter(self.driver.find_elements(By.CSS_SELECTOR, selector)), None)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run JavaScript in the page."""
        return self.driver.execute_script(script, *arguments)

    def until(self, condition: Callable[[], Any]) -> Any:
        """Return the first true answer of `condition`."""
        return WebDriverWait(self.driver, PATIENCE, poll_frequency=0.05).until(
            lambda _: condition()
        )

    def errors(self) -> list[str]:
        """Return what the console complained about since the last call: scripts, CSP, network."""
        entries: list[dict[str, str]] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]  # selenium's gap
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def screenshot(self, path: Path) -> None:
        """Save what is on the screen, when nothing is on its way between two looks."""
        self.until(lambda: self.run(_IS_STILL))
        assert self.driver.save_screenshot(str(path))

    def __getitem__(self, id_: str) -> WebElement:
        """Return the element with an id."""
        return self.driver.find_element(By.ID, id_)

    def _devtools(self, command: str, **parameters: Any) -> None:
        self.driver.execute_cdp_cmd(command, parameters)
