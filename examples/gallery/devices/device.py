"""The program of a device, or of many for trying: they measure, obey, and come back.

`python examples/gallery/devices/device.py http://127.0.0.1:3000 12`
"""

import asyncio
import math
import os
import sys
import time

import sockwave

TOKEN = os.environ.get("DEVICE_TOKEN", "only for trying")
PACE = 1.0  # seconds between two measurements
BOOT = 1.0  # seconds that a device is away to start anew
LATER = 30.0  # seconds until one that was turned away asks again


class Device:
    """One device; `run` never ends by itself, whatever the network does."""

    def __init__(self, url: str, name: str) -> None:
        self.name = name
        self.blinks = 0
        auth = {"token": TOKEN, "name": name}
        # Attempts for ever, by default after 1, 2, 4, 5, 5, ... seconds, each a bit other: after
        # a restart of the server not all come in the same moment.
        self.socket = sockwave.connect(f"{url}/devices", auth=auth, transports=["websocket"])
        self.socket.on("blink", self.blink)
        self.socket.on("measure", self.measure)
        self.socket.on("reboot", self.reboot)
        self.socket.on("connect_error", self.turned_away)
        self.socket.on("disconnect", self.turned_away)

    def celsius(self) -> float:
        """A sensor that nobody has to buy."""
        phase = sum(self.name.encode())
        return round(21 + 4 * math.sin(phase + time.time() / 20), 1)

    def blink(self) -> str:
        """What a handler returns is the answer."""
        self.blinks += 1
        return f"has blinked, {self.blinks} so far"

    def measure(self) -> str:
        return f"{self.celsius()} °C"

    def reboot(self) -> str:
        """Answer first, and go away then."""
        loop = asyncio.get_running_loop()
        loop.call_later(0.2, self.socket.disconnect)
        loop.call_later(0.2 + BOOT, self.socket.connect)
        return "reboots"

    def turned_away(self, *why: object) -> None:
        """A refusal, or a goodbye of the server, ends the attempts; a device asks again later."""
        print(self.name, *why, flush=True)
        if not self.socket.active:
            asyncio.get_running_loop().call_later(LATER, self.socket.connect)

    async def run(self) -> None:
        while True:
            self.socket.volatile.emit("telemetry", self.celsius())  # not kept when away
            await asyncio.sleep(PACE)


async def main(url: str, count: int) -> None:
    fleet = [Device(url, f"sensor-{number:02}") for number in range(1, count + 1)]
    async with asyncio.TaskGroup() as group:
        for device in fleet:
            group.create_task(device.run())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
