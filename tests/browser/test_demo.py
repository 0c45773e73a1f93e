"""The demo as people see it: two Chromium windows chat with each other.

Screenshots of every layout are left in pytest's temporary directory, `pytest --basetemp=DIR` says
where.
"""

from __future__ import annotations

import random
import struct
import zlib
from typing import TYPE_CHECKING

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.browser.windows import DESKTOP, PHONE, Window
from tests.cli.process import DemoProcess, free_port
from tests.support import peers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with DemoProcess(tmp_path_factory.mktemp("demo")) as demo:
        yield demo.url


@pytest.fixture(scope="module")
def windows() -> Iterator[tuple[Window, Window]]:
    chromium = peers.browser()
    first, second = Window(chromium), Window(chromium)
    yield first, second
    first.close()
    second.close()


@pytest.fixture
def ada(url: str, windows: tuple[Window, Window]) -> Iterator[Window]:
    """A window where Ada is in the Lobby; no script, picture or style may fail in it."""
    yield from signed_in(windows[0], url, "Ada Lovelace")


@pytest.fixture
def grace(url: str, windows: tuple[Window, Window]) -> Iterator[Window]:
    """The same for Grace."""
    yield from signed_in(windows[1], url, "Grace Hopper")


def signed_in(window: Window, url: str, name: str) -> Iterator[Window]:
    window.resize(DESKTOP)
    window.visit(url, name)
    yield window
    errors = window.errors()
    if window.shows("chat"):
        window.until_upgraded()
        errors += window.errors()
    else:  # the last poll of a client that was refused may cross its goodbye, and be too late
        errors = [error for error in errors if "transport=polling" not in error]
    assert errors == []
    window.driver.get("about:blank")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A PNG of 320 x 200 pixels."""
    path = tmp_path / "picture.png"
    path.write_bytes(png(320, 200))
    return path


def png(width: int, height: int, padding: int = 0) -> bytes:
    rows = b"".join(
        b"\0" + bytes(value for x in range(width) for value in (x * 255 // width, y, 160))
        for y in range(height)
    )
    return as_png(width, height, zlib.compress(rows), padding)


def as_png(width: int, height: int, packed: bytes, padding: int = 0) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
            chunk(b"IDAT", packed),
            chunk(b"tEXt", b"Comment\0" + b"x" * padding) if padding else b"",
            chunk(b"IEND", b""),
        )
    )


def test_name_is_remembered(ada: Window) -> None:
    ada.driver.refresh()
    ada.until(lambda: ada.text("my-name") == "Ada Lovelace" and ada.shows("chat"))
    assert not ada.shows("welcome")


def test_empty_name_is_explained(ada: Window) -> None:
    ada["sign-out"].click()
    ada["name"].clear()
    ada["name"].send_keys(Keys.ENTER)
    assert "what to call you" in ada["name-error"].text


def test_refused_name_is_explained_by_the_server(ada: Window) -> None:
    ada["sign-out"].click()
    ada.run("document.getElementById('name').value = 'A\\u202eda'")
    ada["name"].send_keys(Keys.ENTER)
    ada.until(lambda: ada["name-error"].text == "A name is made of visible characters.")
    assert not ada.shows("chat")


def test_connection_is_upgraded_to_websocket(ada: Window) -> None:
    assert ada["status"].text == "WebSocket"
    assert ada["status"].get_attribute("data-state") == "online"


def test_message_arrives_as_plain_text(ada: Window, grace: Window) -> None:
    text = "<img src=x onerror=alert(1)> <b>hello</b> & good morning"
    ada.say(text)
    grace.until(lambda: text in grace.messages())
    assert ada.messages()[-1] == text
    assert not ada["text"].get_attribute("value")
    assert grace.find(".bubble img, .bubble b") is None


def test_typing_is_seen_until_the_message_arrives(ada: Window, grace: Window) -> None:
    grace["text"].send_keys("On my way")
    ada.until(lambda: ada.text("typing-text") == "Grace Hopper is typing")
    assert not grace.text("typing-text")
    grace["text"].send_keys(Keys.ENTER)
    ada.until(lambda: "On my way" in ada.messages())
    assert not ada.text("typing-text")


def test_picture_arrives_and_can_be_enlarged(ada: Window, grace: Window, picture: Path) -> None:
    grace.enter_room("Music")
    ada.enter_room("Music")
    ada.upload(picture)
    image = grace.until(lambda: grace.find(".picture img"))
    assert grace.run("return arguments[0].naturalWidth", image) == 320
    assert image.accessible_name == "Picture from Ada Lovelace"
    image.click()
    grace.until(lambda: grace.shows("lightbox-image"))
    grace["lightbox"].send_keys(Keys.ESCAPE)
    grace.until(lambda: not grace.shows("lightbox"))


def test_picture_of_the_history_is_fetched(ada: Window, grace: Window, picture: Path) -> None:
    ada.enter_room("Travel")
    ada.upload(picture)
    ada.until(lambda: ada.find(".picture img"))
    grace.enter_room("Travel")
    image = grace.until(lambda: grace.find(".picture img"))
    assert grace.run("return arguments[0].naturalWidth", image) == 320


def noise(width: int, height: int) -> bytes:
    """A PNG that cannot be packed: as large as a photo of the same pixels, and more."""
    raw = b"".join(b"\0" + random.Random(row).randbytes(3 * width) for row in range(height))
    return as_png(width, height, zlib.compress(raw, 0))


@pytest.mark.parametrize(("width", "height"), [(2600, 1400), (900, 2400)])
def test_photo_of_any_size_is_made_smaller_before_it_is_sent(
    ada: Window, grace: Window, tmp_path: Path, width: int, height: int
) -> None:
    room = f"Photos {width}"
    ada.create_room(room)
    grace.enter_room(room)
    path = tmp_path / "photo.png"
    path.write_bytes(noise(width, height))
    assert path.stat().st_size > 6_000_000
    ada.upload(path)
    image = grace.until(lambda: grace.find(".picture img"))
    shown = grace.run("return [arguments[0].naturalWidth, arguments[0].naturalHeight]", image)
    assert 300 < max(shown) <= 2048  # and the server lets nothing through that is too large
    assert shown[0] / shown[1] == pytest.approx(width / height, rel=0.01)


def test_small_picture_in_a_large_file_keeps_its_pixels(ada: Window, tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(png(300, 200, padding=1_200_000))
    ada.create_room("Padded")
    ada.upload(path)
    image = ada.until(lambda: ada.find(".picture img"))
    assert ada.run("return arguments[0].naturalWidth", image) == 300


def test_file_that_is_no_picture_is_refused(ada: Window, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Not a picture")
    ada.upload(path)
    ada.until(lambda: ada["toast"].text == "This file is no picture that the browser can show.")


def test_room_switch_changes_history_and_people(ada: Window, grace: Window) -> None:
    ada.until(lambda: ada.people() == ["Ada Lovelace", "Grace Hopper"])
    ada.create_room("Engines")
    ada.until(lambda: ada.shows("empty"))
    assert ada.people() == ["Ada Lovelace"]
    grace.until(lambda: grace.people() == ["Grace Hopper"])
    ada.say("It weaves patterns")
    badge = grace.until(lambda: grace.find('[data-room="Engines"] .badge'))
    assert badge.accessible_name == "1 unread"
    grace.enter_room("Engines")
    assert grace.messages() == ["It weaves patterns"]
    ada.until(lambda: ada.people() == ["Ada Lovelace", "Grace Hopper"])
    assert grace.find(".badge") is None


def test_second_room_of_one_name_is_refused(ada: Window) -> None:
    ada["room-name"].send_keys("lobby", Keys.ENTER)
    ada.until(lambda: ada["room-error"].text == "There is already a room called Lobby.")


def test_who_leaves_is_taken_off_the_list(ada: Window, grace: Window) -> None:
    ada.until(lambda: "Grace Hopper" in ada.people())
    grace.driver.get("about:blank")
    ada.until(lambda: ada.people() == ["Ada Lovelace"])
    grace.driver.back()
    ada.until(lambda: "Grace Hopper" in ada.people())


def test_who_is_cut_off_is_shown_as_reconnecting(
    ada: Window, grace: Window, tmp_path: Path
) -> None:
    def states() -> list[str]:
        return ada.texts(".people small")

    ada.until(lambda: ada.people() == ["Ada Lovelace", "Grace Hopper"])
    grace.go_offline()
    try:
        grace.until(lambda: "reconnecting…" in grace.texts(".people small"))
        ada.until(lambda: states() == ["you", "reconnecting…"])
        assert ada.text("room-people") == "1 person here, 1 reconnecting"
        for size, dark in ((DESKTOP, False), (DESKTOP, True), (PHONE, True)):
            ada.resize(size, dark=dark)
            if size == PHONE:
                ada["open-people"].click()
                ada.until(lambda: ada.shows("people-panel"))
            ada.screenshot(tmp_path / f"reconnecting-{size[0]}-{dark}.png")
    finally:
        grace.go_online()
    ada.until(lambda: states() == ["you", ""])
    assert ada.people() == ["Ada Lovelace", "Grace Hopper"]
    grace.until(lambda: not grace.shows("banner"))
    grace.errors()  # of the attempts meanwhile


def test_graph_draws_a_point_each_second(ada: Window) -> None:
    def points() -> int:
        line = ada.find("#graph .line-out")
        path = line.get_attribute("d") if line else None
        return (path or "").count("C")

    ada.say("Draw me")
    ada.until(lambda: points() >= 2)
    assert ada.text("connections").endswith(("connection", "connections"))


def test_lost_connection_is_announced_and_comes_back(
    windows: tuple[Window, Window], tmp_path: Path
) -> None:
    window, port = windows[0], free_port()
    window.resize(DESKTOP)
    with DemoProcess(tmp_path, port=port) as demo:
        window.visit(demo.url, "Ada Lovelace")
        demo.kill()
        window.until(lambda: window.shows("banner"))
        window["text"].send_keys("Kept", Keys.ENTER)
        window.until(lambda: window["toast"].text == "There is no connection right now.")
        # Once there is a server the page may be faster than a click.
        window["retry"].click()
    with DemoProcess(tmp_path, port=port):
        window.until(lambda: not window.shows("banner"))
        assert window["text"].get_attribute("value") == "Kept"
        window["text"].send_keys(Keys.ENTER)
        window.until(lambda: window.messages() == ["Kept"])
    window.driver.get("about:blank")
    window.errors()  # while there was no server, they were to be expected


def test_every_control_has_a_name(ada: Window) -> None:
    for control in ada.driver.find_elements(By.CSS_SELECTOR, "button, input, textarea"):
        if control.is_displayed():
            assert control.accessible_name, control.get_attribute("outerHTML")


@pytest.mark.parametrize(
    ("opener", "panel"), [("open-rooms", "rooms-panel"), ("open-people", "people-panel")]
)
def test_panel_of_a_phone_opens_and_closes_by_keyboard(
    ada: Window, opener: str, panel: str
) -> None:
    ada.resize(PHONE)
    ada.until(lambda: not ada.shows(panel))
    ada[opener].send_keys(Keys.ENTER)
    ada.until(lambda: ada.shows(panel))
    assert ada[opener].get_attribute("aria-expanded") == "true"
    ada.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    ada.until(lambda: not ada.shows(panel))
    assert ada.driver.switch_to.active_element == ada[opener]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE, (900, 700), (320, 568)], ids=str)
def test_layout_fits_the_screen(
    ada: Window, picture: Path, tmp_path: Path, size: tuple[int, int], dark: bool
) -> None:
    ada.resize(size, dark=dark)
    ada.say("A message that is long enough to need more than one line on a small screen")
    ada.say("x" * 120)
    ada.upload(picture)
    ada.until(lambda: ada.find(".picture img"))
    ada.screenshot(tmp_path / "chat.png")
    assert ada.run("return document.scrollingElement.scrollWidth <= innerWidth")
    assert ada.run("return document.getElementById('log').scrollWidth <= innerWidth")
    composer = ada["composer"].rect
    assert composer["y"] + composer["height"] <= size[1]


def test_window_moves_to_webtransport_and_shows_it(
    tmp_path: Path, windows: tuple[Window, Window]
) -> None:
    pytest.importorskip("aioquic")
    window = windows[0]
    with DemoProcess(tmp_path, "--webtransport") as demo:
        window.resize(DESKTOP)
        window.driver.get(demo.url)  # of another port: it remembers nothing
        window.sign_in("Ada Lovelace")
        for _ in range(5):  # on a busy machine a WebSocket may be there first
            window.until(lambda: window["status"].text in ("WebSocket", "WebTransport"))
            if window["status"].text == "WebTransport":
                break
            window.driver.refresh()
        assert window["status"].text == "WebTransport"
        # The stock client lets go of the transport that was not first, and Chromium tells of that.
        assert [each for each in window.errors() if "/socket.io.min.js" not in each] == []
        window.driver.get("about:blank")
