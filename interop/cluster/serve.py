"""A server of ours of a mixed cluster, in a process of its own: it does what `server.cjs` does.

`python -m interop.cluster.serve`, with CARRIER, ENGINE, NAME and RECOVERY in its environment.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from interop.cluster.cluster import CARRIERS
from interop.cluster.servers import PythonServer
from interop.node import LINE_LIMIT, pack, unpack
from sockwave.platform import new_event_loop


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(pack(message)) + "\n")
    sys.stdout.flush()


async def _input() -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=LINE_LIMIT)
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    return reader


async def _obey(server: PythonServer, request: dict[str, Any]) -> None:
    id_ = request.pop("id")
    try:
        _say({"id": id_, "result": await server.do(**request)})
    except Exception as error:
        _say({"id": id_, "error": repr(error)})


async def main() -> None:
    """Serve until standard input ends."""
    carrier = CARRIERS[os.environ["CARRIER"]]
    options: dict[str, Any] = {}
    if os.environ.get("RECOVERY") == "1":
        options["connection_state_recovery"] = True
    adapter = carrier.make_adapter(os.environ["ENGINE"])
    async with PythonServer(os.environ["NAME"], adapter, **options) as server:
        server.noting = lambda namespace, args: _say(
            {"event": "note", "namespace": namespace, "args": args}
        )
        lines = await _input()
        _say({"port": int(server.url.rpartition(":")[2])})
        async with asyncio.TaskGroup() as tasks:
            while line := await lines.readline():
                request = json.loads(line, object_hook=unpack)
                tasks.create_task(_obey(server, request))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main())
