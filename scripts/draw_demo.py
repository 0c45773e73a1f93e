"""Film the demo for the first page of the documentation: docs/images/demo.webp.

    python -m scripts.draw_demo

Two people talk in two windows of Chromium, and a picture goes from one to the other. Each step is a
frame of a WebP that plays three times and then rests on its last one. Needs Chromium and Pillow.
"""

from __future__ import annotations

import io
import math
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PIL import Image, ImageDraw

from scripts.browsers import find_chromium
from tests.browser.windows import Window
from tests.cli.process import DemoProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGET: Final = Path("docs/images/demo.webp")
SIZE: Final = (620, 640)
"""Of each window, in CSS pixels."""

GAP: Final = 20
FRAME: Final = "#d5dce4"
TIMES: Final = 3
QUALITY: Final = 82
READING: Final = 1600
"""Milliseconds that what has changed stays."""

TYPING: Final = 220
LAST: Final = 4000
HILLS: Final = [
    (0.30, 0.62, "#4a7c9b"),
    (0.55, 0.72, "#2f6587"),
    (0.9, 0.8, "#1c4a6b"),
    (1.4, 0.9, "#0d3450"),
]
"""Those of the picture that is sent: how steep, how low, and their colour."""


def main() -> int:
    """Write the picture, and say how large it is."""
    chromium = find_chromium()
    if chromium is None:
        print("Chromium with its driver is not installed: make peers", file=sys.stderr)
        return 1
    ada, grace = Window(chromium), Window(chromium)
    try:
        with tempfile.TemporaryDirectory() as folder, DemoProcess(Path(folder)) as demo:
            sunset = Path(folder, "sunset.png")
            draw_sunset().save(sunset)
            for window, name in ((ada, "Ada Lovelace"), (grace, "Grace Hopper")):
                window.resize(SIZE)
                window.visit(demo.url, name)
            film = list(play(ada, grace, sunset))
    finally:
        ada.close()
        grace.close()
    images = [image for image, _ in film]
    images[0].save(
        TARGET,
        save_all=True,
        append_images=images[1:],
        duration=[duration for _, duration in film],
        loop=TIMES,
        quality=QUALITY,
        method=6,
    )
    print(f"{TARGET}: {len(film)} frames, {TARGET.stat().st_size // 1000} kB")
    return 0


def play(ada: Window, grace: Window, sunset: Path) -> Iterator[tuple[Image.Image, int]]:
    """What happens, step by step, with the milliseconds that each step is shown."""
    grace.until(lambda: len(grace.people()) == 2)
    ada.say("Morning! Who is on the early ferry?")
    for window in (ada, grace):
        window.until(lambda window=window: window.messages())  # type: ignore[misc]
    grace.until(lambda: not grace.text("typing-text"))
    yield both(ada, grace), READING
    yield from say(grace, ada, "Here. The light is lovely today.")
    grace.upload(sunset)
    for window in (ada, grace):
        window.until(lambda window=window: window.find(".picture img"))  # type: ignore[misc] # bound at once
        window.until(lambda window=window: is_loaded(window))  # type: ignore[misc]
    yield both(ada, grace), READING
    yield from say(ada, grace, "Oh, that is worth the early start.", READING)
    yield both(ada, grace), LAST


def is_loaded(window: Window) -> bool:
    """Whether the picture is there, and the list has come to its rest below it."""
    return bool(
        window.run(
            "const image = document.querySelector('.picture img');"
            "const log = document.getElementById('log');"
            "return image.complete && image.naturalWidth > 0"
            " && log.scrollHeight - log.scrollTop - log.clientHeight < 2"
        )
    )


def say(
    one: Window, other: Window, text: str, shown: int = READING
) -> Iterator[tuple[Image.Image, int]]:
    """Type a message, word by word, seen by the other one, and send it."""
    order = (one, other) if one.text("my-name").startswith("Ada") else (other, one)
    words = text.split(" ")
    for count in range(0, len(words), 2):
        one["text"].send_keys(" ".join(words[count : count + 2]) + " ")
        other.until(lambda: other.text("typing-text"))
        yield both(*order), TYPING
    one.say("")
    for window in order:
        window.until(lambda window=window: text in [each.strip() for each in window.messages()])  # type: ignore[misc]
    other.until(lambda: not other.text("typing-text"))
    yield both(*order), shown


def both(left: Window, right: Window) -> Image.Image:
    """The two windows side by side."""
    width, height = SIZE
    whole = Image.new("RGB", (2 * width + GAP, height), FRAME)
    for at, window in ((0, left), (width + GAP, right)):
        window.run("document.activeElement.blur()")  # no caret that blinks
        data = window.driver.get_screenshot_as_png()
        whole.paste(Image.open(io.BytesIO(data)).convert("RGB"), (at, 0))
    return whole


def draw_sunset(size: tuple[int, int] = (960, 600)) -> Image.Image:
    """The picture that is sent: a sun over hills."""
    width, height = size
    image = Image.new("RGB", size)
    pen = ImageDraw.Draw(image)
    for y in range(height):
        part = y / height
        pen.line(
            ((0, y), (width, y)), (int(250 - 90 * part), int(190 - 30 * part), int(145 + 35 * part))
        )
    pen.ellipse((620, 110, 760, 250), "#fdecd0")
    for steep, low, colour in HILLS:
        ridge = [
            (x, height * low - 28 * math.sin(x / 120 * steep + low * 9) - 12 * math.sin(x / 41))
            for x in range(0, width + 8, 8)
        ]
        pen.polygon([*ridge, (width, height), (0, height)], colour)
    return image


if __name__ == "__main__":
    sys.exit(main())
