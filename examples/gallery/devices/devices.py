"""A fleet of devices: who is there, what they measure, and commands that they answer.

`pip install sockwave[client] starlette`, then `python examples/gallery/devices/devices.py`.
"""

import asyncio
import hmac
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from sockwave import AckTimeout, ConnectError, Disconnected, Server, Socket

PAGE = Path(__file__).with_name("index.html")
TOKEN = os.environ.get("DEVICE_TOKEN", "only for trying")
MAX_DEVICES = 1_000
COMMANDS = ("blink", "reboot", "measure")
PATIENCE = 5.0  # seconds that a device has to answer
GATHER = 0.3  # seconds of measurements that go to the pages together


@dataclass
class Device:
    """One that has been here; it stays on the list when it is away."""

    name: str
    socket: Socket | None = None
    celsius: float | None = None
    since: float = field(default_factory=time.time)
    connections: int = 0

    def told(self) -> dict[str, object]:
        return {
            "name": self.name,
            "here": self.socket is not None,
            "celsius": self.celsius,
            "since": self.since,
            "connections": self.connections,
        }


fleet: dict[str, Device] = {}
measured: dict[str, float] = {}  # and not told to the pages yet
io = Server(ping_interval=5.0, ping_timeout=5.0)  # who is silent for ten seconds is away
devices = io.of("/devices")


async def page(request: Request) -> FileResponse:
    return FileResponse(PAGE)


app = Starlette(routes=[Route("/", page)])


@devices.use
def admit(socket: Socket) -> None:
    """In earnest each device has a secret of its own."""
    token, name = (socket.handshake.auth.get(key) for key in ("token", "name"))
    if not isinstance(token, str) or not hmac.compare_digest(token.encode(), TOKEN.encode()):
        raise ConnectError("This is not a device of ours")
    if not isinstance(name, str) or not 0 < len(name) <= 40:
        raise ConnectError("A device has a name of 1 to 40 characters")
    if name not in fleet and len(fleet) >= MAX_DEVICES:
        raise ConnectError("There are too many devices")
    socket.data["name"] = name


@devices.on("connection")
def arrived(socket: Socket) -> None:
    name = socket.data["name"]
    device = fleet.setdefault(name, Device(name))
    old, device.socket = device.socket, socket
    device.since = time.time()
    device.connections += 1
    io.emit("device", device.told())
    if old is not None:
        old.disconnect()  # its network has gone without a word, and it is back already


@devices.event
def disconnect(socket: Socket, reason: str) -> None:
    device = fleet[socket.data["name"]]
    if device.socket is socket:  # and not the newer connection of the same device
        device.socket = None
        device.since = time.time()
        io.emit("device", device.told())


@devices.event
def telemetry(socket: Socket, celsius: object) -> None:
    device = fleet[socket.data["name"]]
    if isinstance(celsius, int | float) and -100 < celsius < 200 and device.socket is socket:
        device.celsius = float(celsius)
        if not measured:
            asyncio.get_running_loop().call_later(GATHER, tell_measured)
        measured[device.name] = device.celsius


def tell_measured() -> None:
    """All at once: of many volatile events in one moment a page would get the first ones only."""
    io.volatile.emit("measured", dict(measured))
    measured.clear()


@io.on("connection")
def watching(socket: Socket) -> None:
    socket.emit("fleet", [device.told() for device in fleet.values()], COMMANDS)


@io.event
async def command(socket: Socket, name: object, what: object) -> dict[str, object]:
    """Pass a command on, and the device's answer back."""
    device = fleet.get(name) if isinstance(name, str) else None
    if device is None or what not in COMMANDS:
        return {"error": "There is no such device, or command"}
    if device.socket is None:
        return {"error": "The device is away"}
    try:
        # To this connection alone: a command is not kept for later, when nobody expects it.
        answer = await device.socket.emit_with_ack(str(what), timeout=PATIENCE)
    except AckTimeout:
        return {"error": f"No answer within {PATIENCE:.0f} seconds; perhaps it was done"}
    except Disconnected:
        return {"error": "The device went away; perhaps it was done"}
    return {"answer": str(answer)[:200]}


if __name__ == "__main__":
    io.run(app=app, port=int(os.environ.get("PORT", "3000")))
