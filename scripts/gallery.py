"""Take the picture of an example of the gallery: docs/images/gallery-NAME.png.

    python -m scripts.gallery NAME...

Two people use the example: one at a desk with a light screen, one on a phone with a dark one. What
they do is in `scripts/gallery_scenes/NAME.py`. Needs Chromium and Pillow.
"""

from __future__ import annotations

import importlib
import io
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PIL import Image

from scripts.browsers import find_chromium
from tests.browser.windows import Window
from tests.support.gallery import run_program

if TYPE_CHECKING:
    from collections.abc import Callable

PICTURES: Final = Path("docs/images")
DESK: Final = (880, 640)
PHONE: Final = (380, 640)
"""Sizes of the windows, in CSS pixels."""

GAP: Final = 20
FRAME: Final = "#8795a5"


def scene(name: str) -> Callable[[Window, Window, str], None]:
    """What is done on the pages of an example: with the desk, the phone, and the address."""
    play: Callable[[Window, Window, str], None]
    play = importlib.import_module(f"scripts.gallery_scenes.{name}").play
    return play


def set_up(desk: Window, phone: Window) -> None:
    """Make the windows what they stand for."""
    desk.resize(DESK)
    phone.resize(PHONE, dark=True)


def main(names: list[str]) -> int:
    """Write the pictures, and say how large they are."""
    chromium = find_chromium()
    if chromium is None or not names:
        print(__doc__ if chromium else "Chromium with its driver: make peers", file=sys.stderr)
        return 1
    for name in names:
        desk, phone = Window(chromium), Window(chromium)
        try:
            set_up(desk, phone)
            with tempfile.TemporaryDirectory() as folder, run_program(name, Path(folder)) as server:
                scene(name)(desk, phone, f"http://127.0.0.1:{server.port}/")
                picture = both(desk, phone)
        finally:
            desk.close()
            phone.close()
        target = PICTURES / f"gallery-{name}.png"
        picture.quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)
        print(f"{target}: {target.stat().st_size // 1000} kB")
    return 0


def both(desk: Window, phone: Window) -> Image.Image:
    """The two windows side by side."""
    images = []
    for window in (desk, phone):
        window.run("document.activeElement.blur()")  # no caret that blinks
        data = window.driver.get_screenshot_as_png()
        images.append(Image.open(io.BytesIO(data)).convert("RGB"))
    left, right = images
    whole = Image.new("RGB", (left.width + GAP + right.width, left.height), FRAME)
    whole.paste(left, (0, 0))
    whole.paste(right, (left.width + GAP, 0))
    return whole


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
