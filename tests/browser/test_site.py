"""The documentation as a reader uses it, in Chromium: search, links, a phone, the dark.

Screenshots of each layout are left in pytest's temporary directory; `--basetemp=DIR` says where.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.browser.windows import DESKTOP, PHONE, Window
from tests.support import peers
from tests.support.site import serve_site, site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

WIDE: Final = """
const scrolls = (box) => box && (
  (["auto", "scroll"].includes(getComputedStyle(box).overflowX)
    && box.getBoundingClientRect().right <= innerWidth) || scrolls(box.parentElement));
const wide = [...document.querySelectorAll("article :is(table, pre)")]
  .filter((each) => each.getBoundingClientRect().right > innerWidth + 1
    || each.scrollWidth > each.clientWidth + 1);
return [document.documentElement.scrollWidth, wide.length,
  wide.filter((each) => !scrolls(each)).map((each) => each.textContent.slice(0, 60))];
"""
"""How wide a page is, how many of its tables and programs are wider than the window, and the
beginnings of those that cannot be scrolled there."""

BACKGROUND: Final = "return getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serve_site() as url:
        yield url


@pytest.fixture(scope="module")
def only_window() -> Iterator[Window]:
    window = Window(peers.browser())
    yield window
    window.close()


@pytest.fixture
def window(only_window: Window, url: str) -> Iterator[Window]:
    """A window of a reader who comes for the first time; nothing may fail in it."""
    only_window.resize(DESKTOP)
    only_window.driver.get(f"{url}index.html")
    only_window.run("localStorage.clear()")
    yield only_window
    assert only_window.errors() == []


def brightness(window: Window) -> int:
    red, green, blue = map(int, re.findall(r"\d+", window.run(BACKGROUND))[:3])
    return (red + green + blue) // 3


def follow(window: Window, selector: str) -> None:
    """Go where a link leads; by its key, since the page scrolls smoothly to what is clicked."""
    window.driver.find_element(By.CSS_SELECTOR, selector).send_keys(Keys.ENTER)


def results(window: Window) -> list[tuple[str, str]]:
    """Addresses and texts of what the search has found."""
    links = window.driver.find_elements(By.CSS_SELECTOR, "#search-results li > a")
    return [(link.get_attribute("href") or "", link.text) for link in links]


def test_search_finds_an_option_first_where_it_is_described(window: Window) -> None:
    field = window.find(".sidebar-search")
    assert field is not None
    field.send_keys("allow_request", Keys.ENTER)
    window.until(lambda: len(results(window)) > 2)
    address, text = results(window)[0]
    assert text == "Engine.allow_request"
    window.driver.get(address)
    window.until(lambda: window.find("tr:target"))
    row = window.find("tr:target")
    assert row is not None
    assert row.text.startswith("allow_request")
    assert "When to change it" in window.run(
        "return getComputedStyle(document.querySelector('tr:target td:last-child p'), '::before')"
        ".content"
    )


def test_search_works_without_a_server(window: Window) -> None:
    window.driver.get(f"{(site() / 'search.html').as_uri()}?q=ping_interval")
    window.until(lambda: len(results(window)) > 2)
    assert results(window)[0][1] == "Engine.ping_interval"
    window.errors()  # texts of the pages cannot be shown there: browsers do not read them


def test_search_finds_a_method(window: Window, url: str) -> None:
    window.driver.get(f"{url}search.html?q=fetch_sockets")
    window.until(lambda: results(window))
    assert any("reference/namespaces.html#" in address for address, _ in results(window))


def test_link_of_the_first_page_is_followed(window: Window) -> None:
    follow(window, "article a[href='tutorial.html']")
    window.until(lambda: window.texts("h1")[0].startswith("Tutorial"))
    here = window.driver.find_element(By.CSS_SELECTOR, ".sidebar-tree .current-page > a")
    assert here.text == "Tutorial"


def test_name_in_a_text_leads_to_the_reference(window: Window, url: str) -> None:
    window.driver.get(f"{url}options.html")
    follow(window, "a.name[href*='types-in-signatures']")
    window.until(lambda: window.find("dt:target"))


def test_program_that_a_page_names_can_be_read(window: Window, url: str) -> None:
    window.driver.get(f"{url}frameworks.html")
    follow(window, "a[href*='with_fastapi.py']")
    window.until(lambda: "with_fastapi" in window.texts("h1")[0])
    assert any("FastAPI" in text for text in window.texts("pre"))


def test_menu_has_groups_in_the_order_of_a_reader(window: Window) -> None:
    captions = window.texts(".sidebar-tree .caption")
    assert captions == ["Start", "Guides", "Reference", "Operating", "Evidence", "Project"]


def test_menu_of_a_phone_opens_and_leads_on(window: Window) -> None:
    window.resize(PHONE)
    drawer = window.driver.find_element(By.CSS_SELECTOR, ".sidebar-drawer")
    assert drawer.rect["x"] + drawer.rect["width"] <= 0
    window.driver.find_element(By.CSS_SELECTOR, "label.nav-overlay-icon").click()
    window.until(lambda: drawer.rect["x"] >= 0)
    follow(window, ".sidebar-tree a[href='options.html']")
    window.until(lambda: window.texts("h1")[0].startswith("Options"))


def pages() -> list[str]:
    """Addresses of all pages, and of one of what is found."""
    found = sorted(str(page.relative_to(site())) for page in site().rglob("*.html"))
    return [*found, "search.html?q=allow_request"]


@pytest.mark.timeout(600)  # there are many pages
def test_no_page_is_moved_sideways_on_a_phone(window: Window, url: str) -> None:
    window.resize(PHONE)
    moved: dict[str, int] = {}
    hidden: dict[str, list[str]] = {}
    boxes = 0
    for page in pages():
        window.driver.get(url + page)
        width, wide, out_of_reach = window.run(WIDE)
        boxes += wide
        if width > PHONE[0]:
            moved[page] = width
        if out_of_reach:
            hidden[page] = out_of_reach
    assert moved == {}
    assert hidden == {}, "neither scrolls in a box of its own"
    assert boxes > 50


@pytest.mark.parametrize("page", ["index.html", "options.html", "reference/server.html"])
def test_dark_system_has_a_dark_page(window: Window, url: str, page: str, tmp_path: Path) -> None:
    for size, name in ((DESKTOP, "desktop"), (PHONE, "phone")):
        for dark in (False, True):
            window.resize(size, dark=dark)
            window.driver.get(url + page)
            assert (brightness(window) < 60) == dark
            window.screenshot(tmp_path / f"{name}-{'dark' if dark else 'light'}.png")


def test_switch_makes_the_page_dark_and_is_remembered(window: Window, url: str) -> None:
    assert brightness(window) > 200
    switch = window.driver.find_element(By.CSS_SELECTOR, ".theme-toggle-content .theme-toggle")
    for _ in range(3):
        if brightness(window) < 60:
            break
        switch.click()
    assert brightness(window) < 60
    window.driver.get(f"{url}options.html")
    assert brightness(window) < 60


def test_film_of_the_demo_is_shown_and_rests_where_motion_is_unwanted(window: Window) -> None:
    image = window.driver.find_element(By.CSS_SELECTOR, "article img")
    window.until(lambda: window.run("return arguments[0].naturalWidth", image) > 1000)
    source = "return getComputedStyle(arguments[0]).content"
    assert "demo-desktop" not in window.run(source, image)
    window.prefer("prefers-reduced-motion", "reduce")
    window.until(lambda: "demo-desktop" in window.run(source, image))
