"""Clients that only stay, in a process of their own.

    python -m benchmarks.reliability.members PORT COUNT

When the process is killed, all of them are cut in one moment, as when a proxy goes down.
"""

from __future__ import annotations

import asyncio
import sys

from benchmarks.load import WebSocketClient
from benchmarks.reliability.report import allow_many_descriptors
from sockwave.platform import new_event_loop


async def stay(port: int, count: int) -> None:
    """Connect, say so, and answer pings until killed."""
    clients = [await WebSocketClient.connect(port) for _ in range(count)]
    print("ready", flush=True)
    await asyncio.Event().wait()
    del clients


def main() -> None:
    """Run them."""
    allow_many_descriptors()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(stay(int(sys.argv[1]), int(sys.argv[2])))


if __name__ == "__main__":
    main()
