"""The TypeScript compiler, on files of a test or of the repository."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any, Final

from scripts.node import NODE_MODULES
from tests.support import peers

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CLIENT", "add_client", "compiled", "problems"]

CLIENT: Final = NODE_MODULES / "sio4"
"""The stock client, with its types."""

OPTIONS: Final = {
    "strict": True,
    "noEmit": True,
    "target": "es2022",
    "module": "nodenext",
    "moduleResolution": "nodenext",
    "skipLibCheck": True,  # the client's own declarations
    "types": [],
}


def problems(folder: Path, *files: str, **options: Any) -> str:
    """What the compiler says of files in a folder, strictly, unless options say something else."""
    config = {"compilerOptions": {**OPTIONS, **options}, "files": files}
    (folder / "tsconfig.json").write_text(json.dumps(config))
    add_client(folder)
    return compiled(folder)


def add_client(folder: Path) -> None:
    """Install the stock client in a folder."""
    peers.node()
    (folder / "node_modules").mkdir()
    (folder / "node_modules" / "socket.io-client").symlink_to(CLIENT)


def compiled(folder: Path) -> str:
    """What the compiler says of a folder with a `tsconfig.json`: nothing, if all is well."""
    node = peers.node()
    run = subprocess.run(
        [node.executable, NODE_MODULES / "typescript" / "bin" / "tsc", "-p", folder],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = run.stdout + run.stderr
    assert said or run.returncode == 0, "the compiler has not run"
    return said
