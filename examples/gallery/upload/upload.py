"""Uploads of large files in pieces: with progress, and going on after a cut.

`pip install sockwave starlette`, then `python examples/gallery/upload/upload.py`.
"""

import asyncio
import hashlib
import os
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from sockwave import Server, Socket

PAGE = Path(__file__).with_name("index.html")
FOLDER = Path(os.environ.get("UPLOADS", "uploads"))
CHUNK = 128_000  # bytes of one piece
MAX_FILE = 50_000_000
MAX_OPEN = 20  # uploads that are not finished
MAX_KEPT = 20  # files; then the oldest goes
PATIENCE = 3_600.0  # seconds that a cut may last

Answer = dict[str, object]


@dataclass
class Upload:
    """A file of which `received` bytes are there. Its key is a secret: who knows it may go on."""

    name: str
    size: int
    key: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    received: int = 0
    sha256: str = ""
    touched: float = field(default_factory=time.monotonic)
    public: str = field(default_factory=lambda: secrets.token_hex(8))

    def __post_init__(self) -> None:
        self._hash = hashlib.sha256()

    @property
    def path(self) -> Path:
        """Never of the name that a client gives."""
        return FOLDER / self.public

    def append(self, data: bytes) -> None:
        """In a thread. A piece that was written by halves is written again."""
        with self.path.open("r+b" if self.received else "wb") as file:
            file.seek(self.received)
            file.write(data)
        self._hash.update(data)
        self.received += len(data)
        if self.received == self.size:
            self.sha256 = self._hash.hexdigest()

    def told(self) -> Answer:
        return {"id": self.public, "name": self.name, "size": self.size, "sha256": self.sha256}


uploads: dict[str, Upload] = {}  # by key
files: dict[str, Upload] = {}  # those that are whole, by their public name
# Who sends a larger message is cut off. A piece is a third larger while a client polls, as Base64.
io = Server(max_payload=CHUNK * 4 // 3 + 10_000)


async def page(request: Request) -> FileResponse:
    return FileResponse(PAGE)


async def download(request: Request) -> FileResponse:
    file = files.get(request.path_params["name"])
    if file is None:
        raise HTTPException(404)
    # As an attachment: what somebody has uploaded never runs as a page of this site.
    return FileResponse(file.path, filename=file.name, media_type="application/octet-stream")


app = Starlette(routes=[Route("/", page), Route("/files/{name}", download)])


@io.on("connection")
def connection(socket: Socket) -> None:
    socket.emit("files", [file.told() for file in files.values()])


@io.event
def begin(socket: Socket, name: object, size: object, key: object) -> Answer:
    """Begin an upload, or go on with that of a key: the answer says from which byte."""
    if not isinstance(name, str) or not 0 < len(name) <= 200:
        return {"error": "A file has a name of 1 to 200 characters"}
    if type(size) is not int or not 0 < size <= MAX_FILE:
        return {"error": f"A file has 1 to {MAX_FILE // 1_000_000} million bytes"}
    upload = uploads.get(key) if isinstance(key, str) else None
    if upload is None or upload.size != size:
        forget_the_lost()
        if sum(not each.sha256 for each in uploads.values()) >= MAX_OPEN:
            return {"error": "Too many uploads at a time: try again later"}
        upload = Upload(name, size)
        uploads[upload.key] = upload
    upload.touched = time.monotonic()
    return {"key": upload.key, "offset": upload.received, "chunk": CHUNK}


def by_key(socket: Socket, key: object, *rest: object) -> str:
    return str(key)


@io.event(order=by_key)  # one piece of a file after the other, whoever sends them
async def chunk(socket: Socket, key: object, offset: object, data: object) -> Answer:
    """Take a piece; the answer says from where to go on, and of the last one that all is there."""
    upload = uploads.get(key) if isinstance(key, str) else None
    if upload is None:
        return {"error": "unknown"}
    if not isinstance(data, bytes) or not 0 < len(data) <= CHUNK:
        return {"error": f"A piece has 1 to {CHUNK} bytes"}
    upload.touched = time.monotonic()
    if offset != upload.received:
        return {"offset": upload.received}  # sent again, its answer was lost: nothing is wrong
    if upload.received + len(data) > upload.size:
        return {"error": "more than was said"}
    await asyncio.to_thread(upload.append, data)
    if upload.received == upload.size:
        await keep(upload)
        return {"offset": upload.received, "sha256": upload.sha256}
    return {"offset": upload.received}


@io.event(order=by_key)  # not in the middle of a piece
async def cancel(socket: Socket, key: object) -> None:
    upload = uploads.pop(key, None) if isinstance(key, str) else None
    if upload is not None and upload.public not in files:
        await asyncio.to_thread(upload.path.unlink, missing_ok=True)


async def keep(upload: Upload) -> None:
    """Show it to all. Its key stays for a while: the last answer may be lost, too."""
    files[upload.public] = upload
    if len(files) > MAX_KEPT:
        oldest = files.pop(next(iter(files)))
        uploads.pop(oldest.key, None)
        await asyncio.to_thread(oldest.path.unlink, missing_ok=True)
    io.emit("files", [file.told() for file in files.values()])


def forget_the_lost() -> None:
    """Take away what nobody has gone on with, and the keys of what is whole."""
    for upload in [each for each in uploads.values() if each.touched + PATIENCE < time.monotonic()]:
        del uploads[upload.key]
        if upload.public not in files:
            upload.path.unlink(missing_ok=True)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    io.run(app=app, port=int(os.environ.get("PORT", "3000")))
