"""`sockwave reload`: replace the workers of a running server by new ones, with new code."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import click

from sockwave.cli.console import Failure, say

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["pid_file", "reload"]


@click.command()
@click.option("--pid", type=click.IntRange(1), help="Of the process that was started.")
@click.option("--pid-file", metavar="FILE", help="That sockwave run --pid-file has written.")
def reload(pid: int | None, pid_file: str | None) -> None:
    """Replace the workers of a running server by new ones, with the code as it is now.

    One after the other: no connection is refused meanwhile. It ends when all of them are new, or
    with code 1 and the reason, when a new one does not start: the others then stay as they are.
    Connections of the old ones end over the next 30 seconds, or over their --drain-period.

    Without an option it means the only server with workers that you run on this machine.
    """
    from sockwave.workers.orders import OrderFailed, order_reload  # `--version` needs none of it

    if pid is not None and pid_file is not None:
        raise click.UsageError("give --pid or --pid-file, not both")
    if pid_file is not None:
        pid = pid_in(pid_file)
    try:
        found = order_reload(pid)
    except (OrderFailed, ValueError) as error:
        raise Failure(str(error)) from error
    say(f"All workers of process {found} are new.")


def pid_in(name: str) -> int:
    """The process id that a file holds.

    Raises:
        Failure: There is no such file, or it holds something else.
    """
    try:
        with open(name, encoding="ascii", errors="replace") as file:
            text = file.read(100).strip()
    except OSError as error:
        raise Failure(f"{name} cannot be read: {error.strerror}") from error
    if not (text.isascii() and text.isdigit() and int(text)):
        raise Failure(f"{name} holds no process id")
    return int(text)


@contextlib.contextmanager
def pid_file(name: str | None) -> Iterator[None]:
    """Hold the id of this process in a file for as long as the context lasts.

    Raises:
        Failure: It cannot be written.
    """
    if name is None:
        yield
        return
    mine = f"{os.getpid()}\n"
    path = os.path.abspath(name)  # the program may go elsewhere
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(mine)
    except OSError as error:
        raise Failure(f"{name} cannot be written: {error.strerror}") from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            with open(path, encoding="ascii", errors="replace") as file:
                is_ours = file.read(100) == mine
            if is_ours:  # else somebody has taken its place
                os.unlink(path)
