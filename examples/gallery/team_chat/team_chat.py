"""A chat for a team: accounts, a login, and a history in a database.

`pip install sockwave fastapi aiosqlite`, then `python examples/gallery/team_chat/team_chat.py`.
"""

import asyncio
import hashlib
import hmac
import os
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import aiosqlite
from fastapi import Cookie, FastAPI, HTTPException, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from sockwave import ConnectError, Server, Socket

PAGE = Path(__file__).with_name("index.html")
DATABASE = os.environ.get("CHAT_DATABASE", "team_chat.db")
SESSION = 7 * 86_400  # seconds that a login lasts
HISTORY = 50  # messages that a page is given at once
MAX_TEXT = 2_000
SCHEMA = """
CREATE TABLE IF NOT EXISTS users (name TEXT PRIMARY KEY, salt BLOB, hash BLOB);
CREATE TABLE IF NOT EXISTS logins (token BLOB PRIMARY KEY, name TEXT, ends REAL);
CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, name TEXT, text TEXT, at REAL);
"""


class Database:
    """One connection, opened when the application starts; SQLite runs in a thread of its own."""

    connection: aiosqlite.Connection

    async def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self.connection.execute_fetchall(sql, values)]

    async def write(self, sql: str, *values: object) -> tuple[int, int]:
        """The id of the new row, and how many rows have changed."""
        async with self.connection.execute(sql, values) as cursor:
            await self.connection.commit()
            return cursor.lastrowid or 0, cursor.rowcount


class Credentials(BaseModel):
    name: str = Field(min_length=1, max_length=30, pattern=r"^\S(.*\S)?$")
    password: str = Field(min_length=8, max_length=200)


database = Database()
io = Server()
SessionCookie = Annotated[str, Cookie(alias="session")]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with aiosqlite.connect(DATABASE) as database.connection:
        await database.connection.executescript(SCHEMA)
        await database.write("DELETE FROM logins WHERE ends < ?", time.time())
        yield


app = FastAPI(lifespan=lifespan)


def digest(token: str) -> bytes:
    """What the database keeps of a token: who reads it cannot log in with that."""
    return hashlib.sha256(token.encode()).digest()


async def stretch(password: str, salt: bytes) -> bytes:
    """Slow on purpose, so in a thread: the others go on talking."""
    return await asyncio.to_thread(
        hashlib.scrypt, password.encode(), salt=salt, n=2**14, r=8, p=1, dklen=32
    )


async def user_of(token: str) -> str | None:
    sql = "SELECT name FROM logins WHERE token = ? AND ends > ?"
    rows = await database.rows(sql, digest(token), time.time())
    return rows[0][0] if rows else None


@app.get("/")
async def page() -> FileResponse:
    return FileResponse(PAGE)


@app.post("/login")
async def login(who: Credentials, response: Response) -> dict[str, str]:
    """Log in; a name that nobody has becomes an account."""
    salt = secrets.token_bytes(16)
    rows = await database.rows("SELECT salt, hash FROM users WHERE name = ?", who.name)
    if not rows:
        hashed = await stretch(who.password, salt)
        sql = "INSERT OR IGNORE INTO users VALUES (?, ?, ?)"
        _, made = await database.write(sql, who.name, salt, hashed)
        if not made:
            raise HTTPException(409, "Somebody has just taken that name")
    elif not hmac.compare_digest(rows[0][1], await stretch(who.password, rows[0][0])):
        raise HTTPException(403, "That is not the password of this account")
    token = secrets.token_urlsafe(32)
    ends = time.time() + SESSION
    await database.write("INSERT INTO logins VALUES (?, ?, ?)", digest(token), who.name, ends)
    # Lax: a page of another site cannot open a socket with it. Behind TLS add secure=True.
    response.set_cookie("session", token, max_age=SESSION, httponly=True, samesite="lax")
    return {"name": who.name}


@app.post("/logout")
async def logout(response: Response, session: SessionCookie = "") -> None:
    await database.write("DELETE FROM logins WHERE token = ?", digest(session))
    response.delete_cookie("session")
    io.in_(f"login:{digest(session).hex()}").disconnect_sockets()  # all tabs of this login


@io.use
async def authenticate(socket: Socket) -> None:
    token = socket.handshake.cookies.get("session", "")
    name = await user_of(token)
    if name is None:
        raise ConnectError("Please log in")
    socket.data["name"] = name
    socket.join(f"login:{digest(token).hex()}")


@io.on("connection")
async def connection(socket: Socket) -> None:
    since = socket.handshake.auth.get("since")  # after a cut: the last message that the page has
    tell_who_is_here()
    socket.emit("welcome", socket.data["name"])
    sql = "SELECT * FROM messages WHERE id > ? ORDER BY id DESC LIMIT ?"
    rows = await database.rows(sql, since if isinstance(since, int) else 0, HISTORY)
    # What is said meanwhile overtakes this; the page sorts by id.
    socket.emit("messages", [message(*row) for row in reversed(rows)])


@io.event
def disconnect(socket: Socket, reason: str) -> None:
    tell_who_is_here()


@io.event
async def say(socket: Socket, text: object) -> dict[str, object]:
    if not isinstance(text, str) or not 0 < len(text := text.strip()) <= MAX_TEXT:
        return {"error": f"A message has 1 to {MAX_TEXT} characters"}
    name, at = socket.data["name"], time.time()
    sql = "INSERT INTO messages (name, text, at) VALUES (?, ?, ?)"
    number, _ = await database.write(sql, name, text, at)
    io.emit("messages", [message(number, name, text, at)])
    return {"id": number}  # it is in the database now


@io.event
async def older(socket: Socket, before: object) -> list[dict[str, object]]:
    if not isinstance(before, int):
        return []
    sql = "SELECT * FROM messages WHERE id < ? ORDER BY id DESC LIMIT ?"
    return [message(*row) for row in reversed(await database.rows(sql, before, HISTORY))]


def message(number: int, name: str, text: str, at: float) -> dict[str, object]:
    return {"id": number, "name": name, "text": text, "at": at}


def tell_who_is_here() -> None:
    io.emit("people", sorted({socket.data["name"] for socket in io.sockets.values()}))


if __name__ == "__main__":
    io.run(app=app, port=int(os.environ.get("PORT", "3000")))
