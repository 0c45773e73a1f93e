"""Somebody uploads, and the connection is cut meanwhile; another one sees the files come."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.browser.windows import Window

SLOW = """
const plain = File.prototype.slice;
File.prototype.slice = function (...where) {
  window.pieces = (window.pieces ?? 0) + 1;
  if (pieces === 20) socket.io.engine.close();
  if (pieces >= 90) return { arrayBuffer: () => new Promise(() => {}) };
  return plain.apply(this, where);
};
"""
"""Cut the connection at the 20th piece, and stand still at the 90th, for a picture."""


def finished(window: Window) -> list[str]:
    """What the page says of each upload that has ended well."""
    return window.texts("#sending .good small")


def play(desk: Window, phone: Window, url: str) -> None:
    """Upload three files: a small one, one with a cut, and one that is on its way."""
    for window in (desk, phone):
        window.driver.get(url)
        window.until(lambda window=window: window.text("status") == "connected")  # type: ignore[misc] # called at once
    with tempfile.TemporaryDirectory() as folder:
        files = {"minutes.pdf": 45_000, "harbour at dawn.jpg": 4_600_000, "concert.wav": 12_400_000}
        paths = [Path(folder, name) for name in files]
        for path, size in zip(paths, files.values(), strict=True):
            path.write_bytes(b"sample" * (size // 6))
        desk.run(SLOW)
        desk["file"].send_keys("\n".join(map(str, paths)))
        desk.until(lambda: len(finished(desk)) == 2)
        assert finished(desk)[0].endswith("after 1 cut")
        phone.until(lambda: len(phone.texts("#files li")) == 2)
        desk.until(lambda: desk.run("return window.pieces") == 90)
        desk.until(lambda: desk.text("status") == "connected")
