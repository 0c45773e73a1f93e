"""A process that generates load: `python -m sockwave.cli.bench.generator NUMBER`.

When it says that it is ready, its input is the plan, then `go`, then `stop`, or `abort` at any
time. It ends as well when the input does, so that it does not outlive the command. Its output is a
line of JSON each second.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any, Final

from sockwave.cli.bench.clients import Clients
from sockwave.cli.bench.plan import Plan
from sockwave.engine.client.loading import load_http
from sockwave.platform import new_event_loop

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["main"]

REPORT_EVERY: Final = 1.0
"""Seconds."""


def main() -> None:
    """Do the part of the plan that this process has."""
    logging.basicConfig(level=logging.CRITICAL)  # errors are counted, not logged
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(load_http())  # else the first connections would seem slow
        _say({"ready": True})
        line = sys.stdin.readline()
        if not line:
            return  # the command has ended
        plan = Plan.decode(line)
        runner.run(_generate(plan, int(sys.argv[1])))


async def _generate(plan: Plan, number: int) -> None:
    clients = Clients(plan, number)
    _obey({"go": clients.go, "stop": clients.end, "abort": clients.abort})
    telling = asyncio.ensure_future(_tell(clients))
    ready = asyncio.ensure_future(_tell_settled(clients))
    try:
        await clients.run()
    finally:
        for task in (telling, ready):
            task.cancel()
        await asyncio.gather(telling, ready, return_exceptions=True)
    _say(
        {
            "done": True,
            "here": clients.here,
            "figures": clients.take().encode(),
            "transports": clients.transports,
        }
    )


def _obey(orders: dict[str, Callable[[], None]]) -> None:
    """Do what the input says; its end is `abort`."""
    loop = asyncio.get_running_loop()

    def read() -> None:  # a thread that waits for a line cannot be cancelled: it is a daemon
        try:
            for line in sys.stdin:
                loop.call_soon_threadsafe(orders[line.strip()])
            loop.call_soon_threadsafe(orders["abort"])
        except RuntimeError:
            pass  # the loop has ended first

    threading.Thread(target=read, daemon=True).start()


async def _tell_settled(clients: Clients) -> None:
    await clients.settled()
    _say({"settled": clients.here})


async def _tell(clients: Clients) -> None:
    """Report each second, with the part of it in which this process worked."""
    began, worked = perf_counter(), process_time()
    while True:
        await asyncio.sleep(REPORT_EVERY)
        now, work = perf_counter(), process_time()
        busy = (work - worked) / (now - began)
        began, worked = now, work
        _say({"busy": busy, "here": clients.here, "figures": clients.take().encode()})


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(message)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
