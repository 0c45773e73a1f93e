"""A language model that writes: token by token, stopped by a button, resumed after a cut.

`pip install sockwave starlette`, then `python examples/gallery/tokens/tokens.py`.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from sockwave import Server, Socket

PAGE = Path(__file__).with_name("index.html")
PACE = 0.03  # seconds that the model takes for a token
MAX_PROMPT = 2_000
MAX_TOKENS = 1_000  # of an answer
MAX_RUNNING = 50  # answers that are written at a time
MAX_KEPT = 200  # answers; then the oldest that is whole goes

TEXT = """You asked: “{prompt}”

A connection is a promise that a network does not keep. Phones change cells, laptops sleep, \
proxies restart. So the answer does not belong to the connection: the server writes it down \
first, and then tells whoever follows it.

Each piece says at which token it begins. A page that comes back says how many it has, gets the \
rest, and goes on as if nothing had been. Nothing is lost, nothing comes twice, and the model is \
asked once."""

log = logging.getLogger("tokens")


async def model(prompt: str) -> AsyncIterator[str]:
    """Put your own in here: whatever yields pieces of text."""
    for line in TEXT.format(prompt=prompt).splitlines(keepends=True):
        for word in line.split(" "):
            await asyncio.sleep(PACE)
            yield word if word.endswith("\n") else f"{word} "


@dataclass
class Answer:
    """What the model has written so far. Its key is a secret: who knows it may read and stop."""

    key: str
    prompt: str
    tokens: list[str] = field(default_factory=list)
    state: str = "running"  # then "done", "stopped" or "failed"
    task: asyncio.Task[None] | None = None

    def tell(self, offset: int) -> tuple[str, int, list[str], str]:
        return self.key, offset, self.tokens[offset:], self.state

    def end(self, state: str) -> None:
        """Once: who stops an answer that has just ended comes too late."""
        if self.state == "running":
            self.state = state
            io.to(self.key).emit("tokens", *self.tell(len(self.tokens)))

    async def write(self) -> None:
        """Runs whether somebody is connected or not."""
        try:
            async for token in model(self.prompt):
                self.tokens.append(token)
                io.to(self.key).emit("tokens", *self.tell(len(self.tokens) - 1))
                if len(self.tokens) == MAX_TOKENS:
                    break
        except Exception:
            log.exception("the model failed")
            self.end("failed")
        else:
            self.end("done")


answers: dict[str, Answer] = {}  # by key, oldest first
io = Server()


async def page(request: Request) -> FileResponse:
    return FileResponse(PAGE)


app = Starlette(routes=[Route("/", page)])


@io.event
def ask(socket: Socket, key: object, prompt: object) -> dict[str, str]:
    """Begin an answer. The page makes up the key, so asking again after a cut begins no second."""
    if not isinstance(key, str) or not 20 <= len(key) <= 50:
        return {"error": "A key has 20 to 50 characters"}
    if key in answers:
        return {}
    if not isinstance(prompt, str) or not 0 < len(prompt) <= MAX_PROMPT:
        return {"error": f"A question has 1 to {MAX_PROMPT} characters"}
    if sum(each.state == "running" for each in answers.values()) >= MAX_RUNNING:
        return {"error": "Too many questions at a time: try again in a moment"}
    if len(answers) >= MAX_KEPT:
        del answers[next(old for old, each in answers.items() if each.state != "running")]
    answer = answers[key] = Answer(key, prompt)
    answer.task = asyncio.get_running_loop().create_task(answer.write())
    return {}


@io.event
def follow(socket: Socket, key: object, offset: object) -> dict[str, str]:
    """Get all from a token on, and then each new one."""
    answer = answers.get(key) if isinstance(key, str) else None
    if answer is None:
        return {"error": "The server has forgotten this answer"}
    if type(offset) is not int or not 0 <= offset <= len(answer.tokens):
        return {"error": "Nothing begins there"}
    # In one step of the event loop, so no token falls between the two.
    socket.join(answer.key)
    socket.emit("tokens", *answer.tell(offset))
    return {"prompt": answer.prompt}


@io.event
def leave(socket: Socket, key: object) -> None:
    if isinstance(key, str) and key in answers:
        socket.leave(key)


@io.event
def stop(socket: Socket, key: object) -> None:
    """End it where it is: the model works no further."""
    answer = answers.get(key) if isinstance(key, str) else None
    if answer is not None and answer.task is not None:
        answer.end("stopped")
        answer.task.cancel()


if __name__ == "__main__":
    io.run(app=app, port=int(os.environ.get("PORT", "3000")))
