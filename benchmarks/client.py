"""Echoes per second of a client's own CPU, beside the JavaScript client and python-socketio.

One process echoes 32 bytes with 16 in flight, against the same socket.io server on Node:

    python benchmarks/client.py [--seconds 4] [--rounds 3]

The aim is at least 4 times python-socketio and 1.0 times the JavaScript client. Both Python
clients run on uvloop. Machines are noisy: believe ratios of one run.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.node import INTEROP, NODE_MODULES, find_node, has_packages

IN_FLIGHT = 16
TEXT = "x" * 32


class Counter:
    """Echoes seen."""

    def __init__(self) -> None:
        self.count = 0


def cpu() -> float:
    """Seconds of CPU that this process has used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def measure(counter: Counter, seconds: float) -> None:
    """Let it warm up, then count."""
    await asyncio.sleep(0.5)
    counter.count, before = 0, cpu()
    await asyncio.sleep(seconds)
    print(counter.count, cpu() - before, flush=True)


async def sockwave_client(url: str, seconds: float) -> None:
    """Ours."""
    from sockwave import connect

    counter = Counter()
    async with connect(url, transports=["websocket"]) as socket:

        @socket.on("echo")
        def echo(text: str) -> None:
            counter.count += 1
            socket.emit("echo", text)

        for _ in range(IN_FLIGHT):
            socket.emit("echo", TEXT)
        await measure(counter, seconds)


async def python_socketio_client(url: str, seconds: float) -> None:
    """Theirs, in its asyncio form."""
    import socketio

    counter = Counter()
    client: Any = socketio.AsyncClient()

    async def echo(text: str) -> None:
        counter.count += 1
        if client.connected:
            await client.emit("echo", text)

    client.on("echo", echo)
    await client.connect(url, transports=["websocket"])
    for _ in range(IN_FLIGHT):
        await client.emit("echo", TEXT)
    await measure(counter, seconds)
    os._exit(0)  # its tasks that still emit would print tracebacks


CLIENTS = {"sockwave": sockwave_client, "python-socketio": python_socketio_client}


def run_client(name: str, url: str, seconds: float) -> float:
    """Run a client in a process of its own; gives echoes per CPU second."""
    found = find_node()
    assert found is not None
    if name == "socket.io-client":
        script = str(INTEROP / "clients" / "echo.cjs")
        command = [str(found.node), script, url, str(IN_FLIGHT), str(seconds)]
    else:
        command = [sys.executable, __file__, "--client", name, "--url", url]
        command += ["--seconds", str(seconds)]
    run = subprocess.run(
        command,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=seconds + 30,
        env={**os.environ, "NODE_PATH": str(NODE_MODULES)},
    )
    count, used = run.stdout.split()[:2]
    return int(count) / float(used)


def compare(seconds: float, rounds: int) -> None:
    """Run all clients in turn and print the medians."""
    found = find_node()
    if found is None or not has_packages():
        sys.exit("Node.js and the packages of interop/ are needed: make peers")
    with subprocess.Popen(
        [str(found.node), str(INTEROP / "servers" / "behaviour.cjs")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "NODE_PATH": str(NODE_MODULES)},
    ) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        names = ("sockwave", "socket.io-client", "python-socketio")
        results: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(rounds):
            for name in names:
                results[name].append(run_client(name, url, seconds))
        server.kill()
    medians = {name: statistics.median(values) for name, values in results.items()}
    print(f"{'client':<20}{'echoes per CPU second':>24}{'sockwave is':>14}")
    for name, value in medians.items():
        print(f"{name:<20}{value:>24,.0f}{medians['sockwave'] / value:>13.2f}x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--client", choices=CLIENTS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.client is None:
        compare(arguments.seconds, arguments.rounds)
        return
    import uvloop

    uvloop.run(CLIENTS[arguments.client](arguments.url, arguments.seconds))


if __name__ == "__main__":
    main()
