"""FastAPI with sockets, to which jobs of cron emit.

`pip install "sockwave[redis]" fastapi`, start Redis, then in this folder
`sockwave run news:io --app news:app`. The file `crontab` beside it has the jobs: one is a line, the
other a program, disk.py.
"""

import os

from fastapi import FastAPI

from sockwave import Server, Socket
from sockwave.adapters import RedisAdapter

URL = os.environ.get("SOCKWAVE_URL", "redis://localhost:6379")

io = Server(adapter=RedisAdapter(URL))
app = FastAPI()


@io.on("connection")
async def connection(socket: Socket) -> None:
    if socket.handshake.auth.get("key") == os.environ.get("OPERATORS_KEY", "change me"):
        socket.join("operators")
    socket.join("readers")
    socket.emit("welcome")


@app.post("/headlines/{text}")
async def headline(text: str) -> str:
    io.to("readers").emit("headline", text)  # what serves sockets emits by itself
    return text
