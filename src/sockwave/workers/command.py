"""What has started this process, so that each worker is started by the same."""

from __future__ import annotations

import os
import sys

from sockwave.engine.server.routing import STARTED_IN

__all__ = ["command_of_this_process", "directory_of_this_process"]


def command_of_this_process() -> list[str]:
    """What has started this interpreter, to be started again.

    Raises:
        RuntimeError: Its program cannot be read a second time, or is a part of another one.
    """
    source = getattr(sys.modules["__main__"], "__file__", None) or ""
    if hasattr(sys, "ps1") or source.startswith(("<stdin>", "/dev/")):
        raise RuntimeError(
            "workers: each worker runs this program again, which came from standard input or a"
            " terminal: put it into a file or a module"
        )
    multiprocessing = sys.modules.get("multiprocessing")  # there, if it has started this one
    if multiprocessing is not None and multiprocessing.parent_process() is not None:
        raise RuntimeError(
            "workers: each worker runs this program again, and this process was started by"
            " multiprocessing: run with workers in the main process"
        )
    arguments, script = sys.orig_argv[1:], "".join(sys.argv[:1])
    is_lost = not os.path.exists(os.path.join(directory_of_this_process() or "", script))
    if script in arguments and is_lost and os.path.isabs(source):
        # The program went elsewhere before it imported us, and the path leads nowhere any more.
        arguments[arguments.index(script)] = source
    return [sys.executable, *arguments]


def directory_of_this_process() -> str | None:
    """Where its command was started; None where it is now, if that directory is no more."""
    return STARTED_IN if STARTED_IN is not None and os.path.isdir(STARTED_IN) else None
