"""A site of nginx, without TLS."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tests.live.balancers import NGINX
from tests.live.commands import Command
from tests.support import peers

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["site"]


def site(text: str, port: int, folder: Path) -> Command:
    """nginx that reads a file with this text; each request is a line of the file `passed`.

    Args:
        text: As it stands in `conf.d`.
        port: On which it listens by that.
        folder: For its files.
    """
    (folder / "chat.conf").write_text(text)
    user = "user root;\n" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(user + NGINX.format(folder))
    options = f"-p {folder} -c {folder}/nginx.conf -e stderr"
    return Command(f"{peers.nginx()} {options}", folder, port=port)
