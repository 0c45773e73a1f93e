"""Several processes of uvicorn as one server: rooms reach the clients of all, and polling works.

`pip install sockwave`, `python examples/with_uvicorn_workers.py`; which is
`uvicorn with_uvicorn_workers:app --port 3000 --workers 4` in `examples/`.

The other hosts of docs/hosting.md take `app` in the same way. No balancer has to keep a client with
its process, and none of the processes is special.
"""

import os

import uvicorn

from sockwave import Server, Socket
from sockwave.adapters import WorkersAdapter

# A directory for the processes alone: of systemd (`RuntimeDirectory=chat`, and the mode 0700), or
# one that is made here.
io = Server(adapter=WorkersAdapter(os.environ.get("RUNTIME_DIRECTORY", "/tmp/chat-sockets")))


@io.on("connection")
def connection(socket: Socket) -> None:
    @socket.on("enter")
    def enter(room: str) -> int:
        socket.join(room)
        return os.getpid()

    @socket.on("say")
    def say(room: str, text: str) -> None:
        io.to(room).emit("said", text)


app = io  # or io.wrap(app) of yours

if __name__ == "__main__":
    uvicorn.run(
        "with_uvicorn_workers:app",
        app_dir=os.path.dirname(os.path.abspath(__file__)),
        port=int(os.environ.get("PORT", "3000")),
        workers=4,
        timeout_graceful_shutdown=1,  # else it waits for polls that wait
    )
