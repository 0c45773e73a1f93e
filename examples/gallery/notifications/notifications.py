"""Notifications for each user, on all screens, whichever of several workers those came to.

`pip install sockwave starlette`, then `python examples/gallery/notifications/notifications.py`.
"""

import asyncio
import json
import os
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse
from starlette.routing import Route

from sockwave import AckTimeout, ConnectError, Server, Socket

PAGE = Path(__file__).with_name("index.html")
DATABASE = os.environ.get("NOTIFICATIONS", "notifications.db")
WORKERS = 2
MAX_NAME = 30
MAX_TEXT = 500
MAX_BODY = 10_000  # bytes of a request
KEPT = 50  # notifications of a user; then the oldest goes
SCHEMA = """CREATE TABLE IF NOT EXISTS notifications
    (id INTEGER PRIMARY KEY, user TEXT, text TEXT, at REAL, seen INTEGER DEFAULT 0)"""
OLD = """DELETE FROM notifications WHERE user = ? AND id NOT IN
    (SELECT id FROM notifications WHERE user = ? ORDER BY id DESC LIMIT ?)"""

io = Server()


def run_sql(*statements: tuple[object, ...]) -> list[tuple[object, ...]]:
    """In one transaction; the rows of the last one. The workers share the file."""
    with closing(sqlite3.connect(DATABASE, timeout=10)) as database, database:
        rows: list[tuple[object, ...]] = []
        for sql, *values in statements:
            rows = database.execute(str(sql), values).fetchall()
        return rows


async def query(*statements: tuple[object, ...]) -> list[tuple[object, ...]]:
    """In a thread: the clients of this worker do not wait for the disk."""
    return await asyncio.to_thread(run_sql, *statements)


def is_name(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= MAX_NAME and name.strip() == name


def room(user: str) -> str:
    return f"user:{user}"


async def page(request: Request) -> FileResponse:
    return FileResponse(PAGE)


async def notify(request: Request) -> JSONResponse:
    """Take a notification. Whichever worker gets this request, it reaches the user's screens."""
    if request.headers.get("content-type") != "application/json":
        return JSONResponse({"error": "Send JSON"}, 415)  # a form of another site cannot
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY:
            return JSONResponse({"error": "Too large"}, 413)
    try:
        asked = json.loads(body)
        user, text = asked["user"], asked["text"]
    except (ValueError, TypeError, KeyError):
        return JSONResponse({"error": 'Send {"user": ..., "text": ...}'}, 400)
    if not is_name(user) or not isinstance(text, str) or not 0 < len(text) <= MAX_TEXT:
        return JSONResponse({"error": f"A name, and 1 to {MAX_TEXT} characters"}, 400)
    at = time.time()
    insert = "INSERT INTO notifications (user, text, at) VALUES (?, ?, ?)"
    ((number,),) = await query(
        (OLD, user, user, KEPT - 1), (insert, user, text, at), ("SELECT last_insert_rowid()",)
    )
    # First the database, then the screens: who is not there finds it later.
    io.to(room(user)).emit("notifications", [told(number, text, at, 0)])
    return JSONResponse({"id": number, "worker": io.worker.number})


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    await query((SCHEMA,))  # in each worker; the first one makes it
    yield


routes = [Route("/", page), Route("/notify", notify, methods=["POST"])]
app = Starlette(routes=routes, lifespan=lifespan)


@io.use
def authenticate(socket: Socket) -> None:
    """Put your login in here: this takes everybody's word for who they are."""
    user = socket.handshake.auth.get("user")
    if not is_name(user):
        raise ConnectError(f"A name has 1 to {MAX_NAME} characters")
    socket.data["user"] = user


@io.on("connection")
async def connection(socket: Socket) -> None:
    user = socket.data["user"]
    socket.join(room(user))
    socket.emit("welcome", user, io.worker.number, io.worker.count)
    try:
        # What they answer comes after the join: from then on all workers know of this socket.
        await io.server_side_emit_with_ack("are you there")
    except AckTimeout:
        pass  # one is just being replaced
    # So nothing falls between this and what is emitted; what comes twice has the same id.
    sql = "SELECT id, text, at, seen FROM notifications WHERE user = ? ORDER BY id"
    socket.emit("notifications", [told(*row) for row in await query((sql, user))])


@io.on("are you there")
def here() -> int:
    return io.worker.number


@io.event
async def see(socket: Socket, number: object) -> None:
    """Read on one screen is read on all of them."""
    if type(number) is int and abs(number) < 2**63:
        user = socket.data["user"]
        sql = "UPDATE notifications SET seen = 1 WHERE id = ? AND user = ? RETURNING id"
        if await query((sql, number, user)):
            io.to(room(user)).emit("seen", number)


def told(number: object, text: object, at: object, seen: object) -> dict[str, object]:
    return {"id": number, "text": text, "at": at, "seen": bool(seen)}


if __name__ == "__main__":
    io.run(app=app, port=int(os.environ.get("PORT", "3000")), workers=WORKERS)
