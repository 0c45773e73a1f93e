"""The client for scripts and threads: the asyncio client behind calls that block.

import sockwave.sync

with sockwave.sync.connect("http://localhost:3000") as socket:
    socket.emit("hello")
    print(socket.emit_with_ack("echo", "hi", timeout=5.0))
    for (text,) in socket.events("message", timeout=60.0): ...
"""

from sockwave.sync.client import EndOfEvents, Events, Manager, Operator, Socket, connect

__all__ = ["EndOfEvents", "Events", "Manager", "Operator", "Socket", "connect"]
