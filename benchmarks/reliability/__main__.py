"""What it takes to disturb the server, measured: `make reliability [ARGS="NAME ..."]`.

slow_readers   1 MB to 500 clients, of which 50 never read
slow_writers   2,000 connections that send a request byte by byte
shared_port    half heads for an application on our port
floods         200 clients that flood and never read
sippers        clients that read 400 kB a second
compression    large answers, compressed, again and again
handlers       handlers that wait, that are cancelled, and that end others
inputs         single messages that cost as much as they can
crowd          10,000 clients that are cut in one moment
restart        10,000 clients of ours whose server is killed twice
limits         what all rate limits cost
connections    memory of a connection that does nothing
shutdown       SIGTERM with 10,000 clients
"""

from __future__ import annotations

import argparse
from importlib import import_module

NAMES = (
    "slow_readers",
    "slow_writers",
    "shared_port",
    "floods",
    "sippers",
    "compression",
    "handlers",
    "inputs",
    "crowd",
    "restart",
    "limits",
    "connections",
    "shutdown",
)


def main() -> None:
    """Measure, and print a table for docs/reliability.md."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="all by default")
    names = parser.parse_args().names or NAMES
    if unknown := set(names) - set(NAMES):
        parser.error(f"no such measure: {min(unknown)}")
    for name in names:
        print(f"\n| {name} | |\n|---|---|")
        for figure in import_module(f"benchmarks.reliability.{name}").measure():
            print(f"| {figure.what} | {figure.value} |", flush=True)


if __name__ == "__main__":
    main()
