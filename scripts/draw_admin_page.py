"""Take the picture of the Admin UI: docs/images/admin-page.png.

    python -m scripts.draw_admin_page

The dashboard, and one socket, of three workers with some clients. Needs Chromium, Pillow, and the
web for the icons: without it their buttons are blank.
"""

from __future__ import annotations

import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PIL import Image

import sockwave.sync
from scripts.browsers import find_chromium
from tests.browser.windows import Window
from tests.support.admin_page import Person, three_workers

if TYPE_CHECKING:
    from scripts.browsers import Chromium

TARGET: Final = Path("docs/images/admin-page.png")
SIZE: Final = (1_280, 740)
"""Of the window, in CSS pixels."""


def main() -> int:
    """Write the picture, and say how large it is."""
    chromium = find_chromium()
    if chromium is None:
        print("Chromium with its driver: make peers", file=sys.stderr)
        return 1
    first, second = shots(chromium)
    picture = Image.new("RGB", (first.width, first.height + second.height + 8), "#888")
    picture.paste(first, (0, 0))
    picture.paste(second, (0, first.height + 8))
    picture.quantize(128, dither=Image.Dither.NONE).save(TARGET, optimize=True)
    print(f"{TARGET}: {TARGET.stat().st_size // 1000} kB")
    return 0


def shots(chromium: Chromium) -> tuple[Image.Image, Image.Image]:
    """The dashboard, and a socket."""
    window = Window(chromium)
    with tempfile.TemporaryDirectory() as folder, three_workers(Path(folder)) as port:
        url = f"http://127.0.0.1:{port}"
        clients = [sockwave.sync.connect(url, transports=["websocket"]) for _ in range(8)]
        try:
            window.resize(SIZE)
            for client in clients:
                client.emit_with_ack("pid")
            person = Person(window, port)
            person.log_in("open sesame")
            person.reads("CONNECTED", "/admin", "100.0 %")
            dashboard = shot(window)
            person.go(f"#/n/%2F/sockets/{clients[0].id}")
            person.reads("Ada", "lobby", "Join a room")
            return dashboard, shot(window)
        finally:
            window.close()
            for client in clients:
                client.close()


def shot(window: Window) -> Image.Image:
    """What it shows when nothing moves any more: its charts are drawn bit by bit."""
    before = b""
    while (now := window.driver.get_screenshot_as_png()) != before:
        before = now
        time.sleep(0.3)
    return Image.open(BytesIO(now)).convert("RGB")


if __name__ == "__main__":
    sys.exit(main())
