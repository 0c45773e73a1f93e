"""Orders of a Django shop, live: its views and its Celery tasks emit to sockets of this server.

`pip install "sockwave[redis]" django celery`, start Redis, then in this folder, each in a terminal:
`sockwave run live:io`, `celery -A shop worker` and `python manage.py runserver`.

The page is at http://127.0.0.1:8000/. It asks this server for the number of an order, and is told
what becomes of it; with that number it orders, by a POST to `/orders/NUMBER/soup`.
"""

import os
import secrets

from sockwave import Server, Socket
from sockwave.adapters import RedisAdapter

io = Server(
    adapter=RedisAdapter(os.environ.get("REDIS_URL", "redis://localhost:6379")),
    cors=[os.environ.get("SHOP_URL", "http://127.0.0.1:8000")],  # where the pages of the shop are
)


@io.event
def begin(socket: Socket) -> str:
    order = secrets.token_urlsafe(12)  # nobody guesses it: who has it may listen to it
    socket.join(order)
    return order
