"""Walk the path of a stranger: an empty folder, the wheel, and the pages in the order of a reader.

    python -m scripts.strangers_path

The wheel is built, and installed as the pages say, into virtual environments outside the
repository, where nothing of it can help. Blocks of code are taken out of the pages, written into
files and run; clients look whether what the pages promise is so: ours from the wheel, and
JavaScript's in Node. A block that nobody runs is a failure: a stage of the path takes it, or
`scripts/stranger/elsewhere.py` names the test that runs it.
"""

from __future__ import annotations

import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scripts.engines import find_nginx, find_redis
from scripts.node import find_node, has_packages
from scripts.quiet import say, succeeds
from scripts.stranger import deployed, first_steps, ledger, logins, machines, several
from scripts.stranger.desk import Failed, Place
from scripts.stranger.elsewhere import ELSEWHERE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripts.stranger.ledger import Page

__all__ = ["PAGES", "walk"]

ROOT: Final = Path(__file__).resolve().parent.parent
CONSTRAINTS: Final = ROOT / "requirements" / "constraints.txt"

GROWTH: Final = "docs/from-one-process-to-three-machines.md"
PAGES: Final = (
    "README.md",
    "docs/index.md",
    "docs/tutorial.md",
    "docs/testing.md",
    "docs/authentication.md",
    "docs/scaling.md",
    "docs/redis.md",
    GROWTH,
    "docs/deployment.md",
)
"""In the order of a reader."""


def build(folder: Path) -> Path:
    """Build the wheel.

    Raises:
        Failed: It cannot be built.
    """
    command = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    if not succeeds(command):
        raise Failed("there is no wheel")
    (wheel,) = folder.glob("*.whl")
    return wheel


def walk(place: Place, pages: dict[str, Page]) -> Iterator[str]:
    """Do one stage after the other; after each, say which it was.

    Raises:
        Failed, AssertionError, LookupError, OSError: It is not as a page says.
    """
    readme, index, tutorial, testing, login, scaling, redis, growth, deployment = (
        pages[name] for name in PAGES
    )
    with ThreadPoolExecutor() as meanwhile:  # pip takes the most of the time
        chat_folder = meanwhile.submit(first_steps.chat_folder, place, tutorial)
        first = first_steps.first_example(place, readme, index)
        yield "README: the first example, and the demo"
        first_steps.make_client(first, readme)
        chat = chat_folder.result()
    first_steps.tutorial(chat, tutorial)
    yield "the tutorial to its end"
    first_steps.own_test(chat, first, testing)
    yield "a test of one's own"
    logins.token(chat, login)
    logins.token_that_is_refreshed(chat, login)
    logins.fastapi(chat, login)
    yield "FastAPI with authentication"
    several.workers(chat, scaling)
    machines.one_process(chat, growth)
    yield "two workers, and more"
    several.redis(chat, redis, scaling)
    yield "two servers on Redis"
    machines.three_machines(chat, growth)
    yield "three servers behind nginx"
    deployed.behind_nginx(chat, deployment)
    deployed.gunicorn(chat, deployment)
    yield "deployed behind nginx"


def missing() -> str | None:
    """What this machine lacks for it."""
    if find_node() is None or not has_packages():
        return "Node.js and its packages are missing: `make node`"
    if find_redis() is None or find_nginx() is None:
        return "Redis or nginx is missing: `make engines`"
    return None


def main() -> int:
    """Walk; returns the exit status."""
    if lack := missing():
        say(lack, failed=True)
        return 1
    pages = ledger.read(PAGES)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="stranger-") as folder:
        try:
            say("Building the wheel, and going a stranger's path with it")
            for stage in walk(Place(Path(folder), build(Path(folder)), CONSTRAINTS), pages):
                say(f"  {time.monotonic() - begin:3.0f} s  {stage}")
        except (Failed, AssertionError, LookupError, OSError, ValueError) as error:
            traceback.print_exc(limit=-2)
            say(f"The path ends here: {error}", failed=True)
            return 1
    faults = list(ledger.faults(pages, ELSEWHERE))
    for fault in faults:
        say(fault, failed=True)
    blocks = sum(len(page.blocks) for page in pages.values())
    theirs = sum(len(page.left()) for page in pages.values())
    say(f"{blocks} blocks of {len(pages)} pages: {blocks - theirs} run here, {theirs} by others")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
