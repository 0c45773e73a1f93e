"""`sockwave why`: what a running server knows of a connection, and why it has ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import click

from sockwave.cli.console import Failure, Number, as_json, printable

if TYPE_CHECKING:
    from sockwave.records.asking import Answer

__all__ = ["why"]

MAX_SECONDS: Final = 3_600


@click.command()
@click.argument("who")
@click.option(
    "--at",
    "directory",
    metavar="DIRECTORY",
    envvar="SOCKWAVE_INSPECT",
    show_envvar=True,
    required=True,
    help="The option inspect of the server.",
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=5, show_default=True,
              help="Most connections to show.")  # fmt: skip
@click.option(
    "--timeout",
    type=Number(0.01, MAX_SECONDS),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for a process that does not answer.",
)
@click.option("--json", "is_json", is_flag=True, help="Print a line of JSON for each connection.")
def why(who: str, directory: str, limit: int, timeout: float, is_json: bool) -> None:
    """Say why a client dropped: WHO is the id of a socket or of a session, an address or a user.

    \b
    sockwave why 9-kIXx85q-tMda6EOI16 --at /run/app    a socket, socket.id
    sockwave why 'MO8W...' --at /run/app               a session, as logs show it
    sockwave why 203.0.113.7 --at /run/app             all from an address
    sockwave why ann --at /run/app                     all of a user

    It asks a running server, and all of its workers, by the Unix sockets of the option inspect,
    which needs connection_records. The latest ones come first. Exit code 1: nobody knows of any.
    """
    from sockwave.platform import check_unix_sockets  # not at the top: `--version` needs none of it
    from sockwave.records.asking import ask
    from sockwave.records.inspecting import Question, check_owner

    try:
        check_unix_sockets("sockwave why")
        check_owner(directory)
        answers = ask(directory, Question(who, limit), timeout)
    except OSError as error:
        raise Failure(f"{directory} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise Failure(str(error)) from error
    if not answers:
        raise Failure(f"no server answers in {directory}: does it run, with inspect={directory!r}?")
    for answer in answers:
        if answer.error:
            click.echo(f"process {answer.pid}: {printable(answer.error)}", err=True)
    found = sorted(_connections(answers), key=_when, reverse=True)[:limit]
    for connection in found:
        if is_json:
            click.echo(as_json(connection))
        else:
            click.echo("\n".join(map(printable, lines(connection))) + "\n")
    if not found:
        asked = len(answers)
        processes = "1 process" if asked == 1 else f"{asked} processes"
        raise Failure(f"nothing is known of {who!r} ({processes} asked)")


def _connections(answers: list[Answer]) -> list[dict[str, Any]]:
    """All that they know, each with the process that knows it."""
    found = []
    for answer in answers:
        about: dict[str, Any] = {"pid": answer.pid}
        if answer.worker is not None:
            about["worker"] = answer.worker
        found += [{**about, **connection} for connection in answer.connections]
    return found


def _when(connection: dict[str, Any]) -> tuple[bool, float]:
    """Open ones first, then the latest."""
    ended = connection["ended"]
    return ended is None, connection["opened"] if ended is None else ended


def lines(connection: dict[str, Any]) -> list[str]:
    """What to print of one connection: the sentence first, then all that is known."""
    ended = connection["ended"]
    when = connection["opened"] if ended is None else ended
    title = [time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))]
    title += [connection["session"]] if connection["session"] else []
    title += [connection["address"] or "unix socket"]
    title += [f"user {connection['user']}"] if connection["user"] is not None else []
    place = f"process {connection['pid']}"
    title += [f"worker {connection['worker']}, {place}" if "worker" in connection else place]
    told = ["  ".join(title), f"  {connection['sentence']}"]
    told += [f"  {hint}" for hint in connection["hints"]]
    if not connection["session"]:
        return told
    lasted = "open for" if ended is None else "lasted"
    ways = ", then ".join(connection["transports"])
    told.append(f"  {lasted} {connection['seconds']:.1f} s, on {ways}")
    told += [f"  {_namespace(each)}" for each in connection["namespaces"]]
    for title_, name in (("from the client", "received"), ("to the client", "sent")):
        if connection[name]:
            last = ", ".join(f"{each['type']} {each['size']} B" for each in connection[name])
            told.append(f"  last {title_}: {last}")
    if connection["backlog"]:
        told.append(f"  held back at most: {connection['backlog']:_} bytes")
    if connection["user_agent"]:
        told.append(f"  program: {connection['user_agent']}")
    return told


def _namespace(namespace: dict[str, Any]) -> str:
    name = namespace["name"]
    if namespace["refused"] is not None:
        return f"{name}: refused, {namespace['refused']!r}"
    left = "" if namespace["left"] is None else f", left: {namespace['left']}"
    recovered = ", recovered" if namespace["recovered"] else ""
    return f"{name}: socket {namespace['socket']}{recovered}{left}"
