"""Authentication: a token, one that is refreshed, and FastAPI with the same one for its routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scripts.stranger.desk import Failed
from scripts.stranger.javascript import javascript

if TYPE_CHECKING:
    from scripts.stranger.desk import Desk
    from scripts.stranger.ledger import Page

__all__ = ["fastapi", "token", "token_that_is_refreshed"]

FASTAPI: Final = "FastAPI: the same dependency for routes and sockets"
REFRESHED: Final = "A token that is refreshed"


def token(chat: Desk, page: Page) -> None:
    """The first program of the page, and the page of its client."""
    desk = chat.beside("token")
    (server,) = page.take("python", "Authentication")
    (client,) = page.take("js", "Authentication")
    desk.write("login.py", server.code)
    with desk.serve("sockwave run login:io") as process:
        refused = javascript(
            desk,
            client.code,
            before=f"""
const io = (options) => client({desk.url()!r}, options);
const token = "wrong";
const location = {{ assign: (to) => {{ console.log(`goes to ${{to}}`); process.exit(); }} }};
""",
        )
        if refused.strip() != "goes to /login":
            raise Failed(f"a client without a token prints {refused!r}")
        admitted = javascript(
            desk,
            client.code,
            before=f"""
const io = (options) => client({desk.url()!r}, options);
const token = "s3cret";
""",
            after='socket.on("welcome", (name) => { console.log(name); socket.close(); });',
        )
        if admitted.strip() != "ada":
            raise Failed(f"a client with its token prints {admitted!r}")
        process.end()


def made(desk: Desk, *seconds: int) -> list[str]:
    """Tokens for the program `login.py` that are good for so long."""
    code = (
        "import jwt, login, time; "
        f"ends = [time.time() + each for each in {seconds}]; "
        "print(*[jwt.encode(dict(sub='ada', exp=end), login.KEY) for end in ends])"
    )
    return desk.run(f'python -c "{code}"').split()


def token_that_is_refreshed(chat: Desk, page: Page) -> None:
    """Who has a new token stays, who has none goes."""
    line = "pip install pyjwt"
    if f"`{line}`" not in page.text:
        raise Failed(f"{page.name} does not tell of {line}")
    chat.run(line)
    desk = chat.beside("refreshed")
    (server,) = page.take("python", REFRESHED)
    connecting, connected = page.take("js", REFRESHED)
    desk.write("login.py", server.code)
    short, soon, long = made(desk, 20, 32, 900)  # the next is asked for 30 s before the end
    with desk.serve("sockwave run login:io") as process:
        for second, wanted in ((soon, "renewed"), (short, "let go")):
            printed = javascript(
                desk,
                f"{connecting.code}\n{connected.code}",
                before=f"""
const io = (options) => client({desk.url()!r}, options);
const tokens = [{short!r}, {second!r}, {long!r}];
const end = (how) => {{ console.log(how); process.exit(); }};
const freshToken = async () => {{
  if (tokens.length === 1) end("renewed");  // the one before was good
  return tokens.shift();
}};
const showLogin = () => end("let go");
""",
            )
            if printed.strip() != wanted:
                raise Failed(f"a client of {page.name} prints {printed!r}, not {wanted!r}")
        process.end()


def fastapi(chat: Desk, page: Page) -> None:
    """One login for routes and for sockets."""
    desk = chat.beside("fastapi")
    (program,) = page.take("python", FASTAPI)
    (commands,) = page.take("sh", FASTAPI)
    desk.write("login.py", program.code)
    install, run = desk.lines(commands)
    desk.run(install)
    (good,) = made(desk, 900)
    with desk.serve(run) as process:
        desk.client("login", desk.url(), good)
        process.end()
