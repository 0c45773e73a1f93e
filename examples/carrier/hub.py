"""A hub: brings what one connection publishes in a channel to all that have subscribed to it.

It stands for what you have: a broker with channels. `python hub.py 4100`; hub_driver.py beside it
makes one server of all that use it.
"""

import asyncio
import sys
from collections import defaultdict

MAX_WAITING = 16 * 1024 * 1024  # bytes kept for a connection that does not read

listeners: defaultdict[bytes, set[asyncio.StreamWriter]] = defaultdict(set)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while line := await reader.readline():
            command, *words = line.split()
            if command == b"PING":
                writer.write(b"PONG\n")
            elif command == b"SUB":
                channel, number = words
                listeners[channel].add(writer)
                writer.write(b"OK %b\n" % number)
            elif command == b"UNSUB":
                listeners[words[0]].discard(writer)
            elif command == b"PUB":
                channel, size = words
                message = await reader.readexactly(int(size))
                pass_on(listeners[channel], b"MSG %b %b\n%b" % (channel, size, message))
    except (asyncio.IncompleteReadError, ConnectionError, ValueError):
        pass  # it has ended, or says what nobody understands
    finally:
        for channel in [channel for channel, them in listeners.items() if writer in them]:
            listeners[channel].discard(writer)
        writer.close()


def pass_on(writers: set[asyncio.StreamWriter], frame: bytes) -> None:
    for writer in writers:
        if writer.transport.get_write_buffer_size() > MAX_WAITING:
            writer.transport.abort()  # it comes back, and knows that it has missed something
        else:
            writer.write(frame)


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
