"""How the page that shows a contract looks, and what a real hand does on it.

What it does, in Firefox too, is the matter of `interop/test_docs_page.py`. Screenshots are left in
pytest's temporary directory, `pytest --basetemp=DIR` says where.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from scripts.draw_contract_page import fill_order, part, play, until_answered, visit
from tests.browser.windows import DESKTOP, PHONE, Window
from tests.support import peers
from tests.support.contract_page import served_shop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

LOW_CONTRAST = """
const gamma = (value) => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const channel = (value) => gamma(value / 255);
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const parsed = (text) => text.match(/[\\d.]+/g).map(Number);
const ground = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const colour = parsed(getComputedStyle(each).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour;
  }
};
const poor = [];
for (const element of document.querySelectorAll("body *")) {
  const says = [...element.childNodes].some((each) => each.nodeType === 3 && each.data.trim());
  if (!says || !element.checkVisibility() || element.tagName === "OPTION") continue;
  const [a, b] = [light(parsed(getComputedStyle(element).color)), light(ground(element))];
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (contrast < 4.5) poor.push(`${element.className}: ${element.textContent} ${contrast}`);
}
return poor;
"""
"""Texts that are hard to read (WCAG 2, 1.4.3)."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served_shop() as url:
        yield url


@pytest.fixture(scope="module")
def chromium() -> Iterator[Window]:
    window = Window(peers.browser())
    yield window
    window.close()


@pytest.fixture
def window(chromium: Window, url: str) -> Window:
    """The page as somebody sees it who comes."""
    chromium.resize(DESKTOP)
    visit(chromium, url)
    chromium.errors()
    return chromium


def test_scene_of_the_picture_plays(url: str) -> None:
    desk, phone = Window(peers.browser()), Window(peers.browser())
    try:
        desk.resize(DESKTOP)
        phone.resize(PHONE, dark=True)
        play(desk, phone, url)
        assert desk.errors() == phone.errors() == []
        assert "Invalid RFC3339 encoded datetime" in phone.texts(".field-error")
    finally:
        desk.close()
        phone.close()


@pytest.mark.parametrize("size", [DESKTOP, (820, 1180), PHONE], ids=["desk", "tablet", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_page_fits_and_can_be_read(
    window: Window, size: tuple[int, int], dark: bool, tmp_path: Path
) -> None:
    window.resize(size, dark=dark)
    for event in window.driver.find_elements(By.CSS_SELECTOR, ".event"):
        window.run("arguments[0].open = true", event)
    window.until(lambda: len(window.texts(".event-content form")) == 7)
    window.run(
        "document.querySelectorAll('.event .optional input').forEach((each) => each.click())"
    )
    window.screenshot(tmp_path / "page.png")
    assert window.run("return document.documentElement.scrollWidth") <= size[0]
    assert window.run(LOW_CONTRAST) == []
    assert window.errors() == []


def test_page_is_dark_where_the_system_is(window: Window) -> None:
    def brightness() -> int:
        colour = window.run("return getComputedStyle(document.body).backgroundColor")
        return sum(int(each) for each in colour[4:-1].split(","))

    assert brightness() > 600
    window.resize(DESKTOP, dark=True)
    assert brightness() < 100


def test_log_of_a_phone_is_a_sheet(window: Window, tmp_path: Path) -> None:
    window.resize(PHONE)
    assert not window.shows("log-panel")
    window["open-log"].click()
    window.until(lambda: window.shows("log-panel"))
    window.screenshot(tmp_path / "log.png")
    assert window["open-log"].get_attribute("aria-expanded") == "true"
    window["close-log"].click()
    window.until(lambda: not window.shows("log-panel"))


def test_log_is_in_the_clipboard_after_a_click(window: Window) -> None:
    part(window, '[data-event="rename"] summary strong').click()
    part(window, '[data-event="rename"] [data-name="name"] input').send_keys("Ada", Keys.ENTER)
    until_answered(window, "rename", "Acknowledged")
    window["copy"].click()
    window.until(lambda: window.text("log-status") == "Copied.")
    window["search"].send_keys(Keys.CONTROL, "v")
    pasted = window["search"].get_attribute("value") or ""
    assert '→  /  rename  ["Ada"]' in pasted
    assert '✓  /  rename  ["Ada"]' in pasted


def test_slash_leads_to_the_search(window: Window) -> None:
    window.driver.find_element(By.TAG_NAME, "body").send_keys("/")
    assert window.run("return document.activeElement.id") == "search"
    window["search"].send_keys("/staff")
    assert window["search"].get_attribute("value") == "/staff"


def test_enter_in_a_field_emits(window: Window) -> None:
    fill_order(window)
    part(window, '[data-event="place"] [data-name="at"] input').send_keys(
        "2026-01-31T12:00:00Z", Keys.ENTER
    )
    until_answered(window, "place", "Acknowledged")
    assert '"total": "2.50"' in "".join(window.texts('[data-event="place"] .result'))


def test_every_control_has_a_name(window: Window) -> None:
    for event in window.driver.find_elements(By.CSS_SELECTOR, ".event"):
        window.run("arguments[0].open = true", event)
    window.until(lambda: len(window.texts(".event-content form")) == 7)
    window.run("document.querySelectorAll('.event .add').forEach((each) => each.click())")
    controls = window.driver.find_elements(By.CSS_SELECTOR, "input, select, textarea, button")
    nameless = [
        each.get_attribute("outerHTML")
        for each in controls
        if each.is_displayed() and not each.accessible_name.strip()
    ]
    assert nameless == []
