"""Asks all processes that have a socket in a directory, for `sockwave why`."""

from __future__ import annotations

import asyncio
import os
from typing import Any, Final

import msgspec

from sockwave.records.inspecting import SUFFIX, Question

__all__ = ["Answer", "ask"]

_LONGEST_ANSWER: Final = 64 * 1024 * 1024


class Answer(msgspec.Struct, frozen=True):
    """What one process says.

    Attributes:
        pid: Its id.
        worker: Which of several workers it is; None where it serves alone.
        connections: What it knows of those that were asked for, as `ConnectionRecord.as_dict`.
        error: Why it says nothing; empty where it does.
    """

    pid: int
    worker: int | None = None
    connections: list[dict[str, Any]] = []
    error: str = ""


def ask(directory: str, question: Question, timeout: float) -> list[Answer]:
    """Ask all of them at the same time.

    Args:
        timeout: Seconds that each has for its answer.

    Returns:
        An answer of each, by process id; sockets that nobody listens on are left out.

    Raises:
        OSError: There is no such directory, or it cannot be read.
    """
    names = sorted(name for name in os.listdir(directory) if name.endswith(SUFFIX))
    return asyncio.run(
        _ask_all([os.path.join(directory, name) for name in names], question, timeout)
    )


async def _ask_all(paths: list[str], question: Question, timeout: float) -> list[Answer]:
    answers = await asyncio.gather(*(_ask(path, question, timeout) for path in paths))
    return [answer for answer in answers if answer is not None]


async def _ask(path: str, question: Question, timeout: float) -> Answer | None:
    pid = _pid_of(path)
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_unix_connection(path, limit=_LONGEST_ANSWER)
            try:
                writer.write(msgspec.json.encode(question) + b"\n")
                line = await reader.readline()
            finally:
                writer.close()
        return msgspec.json.decode(line, type=Answer)
    except (ConnectionRefusedError, FileNotFoundError):
        return None  # its process is gone
    except TimeoutError:
        return Answer(pid, error=f"it did not answer within {timeout:g} s: is it busy?")
    except (OSError, ValueError, msgspec.DecodeError) as error:
        return Answer(pid, error=str(error) or type(error).__name__)


def _pid_of(path: str) -> int:
    digits = os.path.basename(path).partition("-")[0]
    return int(digits) if digits.isascii() and digits.isdigit() else 0
