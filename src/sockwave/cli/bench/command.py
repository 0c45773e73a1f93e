"""`sockwave bench`: how a server does with many clients."""

from __future__ import annotations

import asyncio
import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from sockwave.cli.connect import json_object, parse_header, parse_line
from sockwave.cli.console import Failure, Number, printable
from sockwave.platform import has_terminal, open_files_limit

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.cli.bench.plan import First, Plan
    from sockwave.cli.bench.processes import Outcome

__all__ = ["bench"]

OWN_FILES: Final = 64
"""Descriptors that a process needs beside its connections."""

LONGEST: Final = 14_400
"""Seconds of load: each is kept, and drawn."""

TOLD_EVERY: Final = 5
"""Seconds between two lines of progress where no terminal is."""


@click.command()
@click.argument("url")
@click.argument("event", required=False)
@click.argument("arguments", nargs=-1, metavar="[JSON]...")
@click.option(
    "-c",
    "--connections",
    type=click.IntRange(1, 1_000_000),
    default=100,
    show_default=True,
    help="How many clients.",
)
@click.option(
    "--rate",
    type=Number(0, min_open=True),
    default=100.0,
    show_default=True,
    metavar="PER_SECOND",
    help="How many of them connect in a second.",
)
@click.option(
    "--duration",
    type=Number(0, LONGEST, min_open=True),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Of the load, which begins when all are connected.",
)
@click.option(
    "--every",
    type=Number(0, 86_400),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="Between two events of a client; 0 with --ack: the next as soon as one is acknowledged.",
)
@click.option(
    "--senders", type=click.IntRange(1), metavar="N", help="Only so many of the clients emit."
)
@click.option("--ack", is_flag=True, help="The server acknowledges the event: time that.")
@click.option(
    "--hear",
    metavar="EVENT",
    help="By which the server passes it on: time until clients get it. Needs {stamp} in JSON.",
)
@click.option(
    "--first",
    metavar="LINE",
    multiple=True,
    help="What each client sends at first, as a line of `sockwave connect`; or several.",
)
@click.option(
    "--rooms",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="How many numbers {room} stands for.",
)
@click.option(
    "--timeout",
    type=Number(0, 600, min_open=True),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="That a connection or an acknowledgement may take.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="That generate the load; no more than cores that are free.",
)
@click.option("--auth", metavar="JSON", help="Object that the server gets as `auth`.")
@click.option("--header", "headers", metavar="'NAME: VALUE'", multiple=True, help="Extra header.")
@click.option("--path", default="/socket.io", show_default=True, help="HTTP path of the server.")
@click.option(
    "--transport", type=click.Choice(["polling", "websocket"]), help="Use this transport alone."
)
@click.option("--insecure", is_flag=True, help="Do not check the server's certificate.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@click.option(
    "--chart",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Draw them, to a file whose name ends in .svg or .html.",
)
def bench(
    url: str,
    event: str | None,
    arguments: tuple[str, ...],
    connections: int,
    rate: float,
    duration: float,
    every: float,
    senders: int | None,
    ack: bool,
    hear: str | None,
    first: tuple[str, ...],
    rooms: int,
    timeout: float,
    processes: int,
    auth: str | None,
    headers: tuple[str, ...],
    path: str,
    transport: str | None,
    insecure: bool,
    as_json: bool,
    chart: Path | None,
) -> None:
    """Connect many clients to URL, let them emit EVENT, and say how long all takes.

    \b
    sockwave bench http://localhost:3000 -c 500 echo '"hello"' --ack
    sockwave bench http://localhost:3000 --first 'join "room-{room}"' --rooms 10 \\
        say '"room-{room}"' '"{stamp}"' --hear said

    In texts of the arguments, of --auth and of --first, {client} is the number of the client,
    {room} that of its room, and {stamp} tells when the event was sent. Without EVENT the clients
    only stay. Ctrl-C ends it with the figures until then. The exit code is 1 when no client could
    connect. Try your own servers: others take it for an attack.
    """
    from sockwave.cli.bench.plan import Plan

    options: dict[str, Any] = {"path": path, "ssl": not insecure}
    if auth is not None:
        options["auth"] = json_object("--auth", auth)
    if headers:
        options["extra_headers"] = dict(parse_header(header) for header in headers)
    if transport is not None:
        options["transports"] = [transport]
    plan = Plan(
        url=url,
        options=options,
        connections=connections,
        rate=rate,
        duration=duration,
        event=event,
        args=[_value(argument) for argument in arguments],
        every=every,
        senders=min(senders or connections, connections),
        ack=ack,
        hear=hear,
        first=[_first(line) for line in first],
        rooms=rooms,
        timeout=timeout,
        processes=min(processes, connections),
        run=f"sw{secrets.token_hex(4)}",
    )
    _check(plan, chart)
    if chart is not None:
        _write(chart, "")  # before the work: it may not be possible
    outcome = asyncio.run(_bench(plan))
    _show(plan, outcome, chart, as_json=as_json)
    if not outcome.figures.connected or outcome.failures:
        raise click.exceptions.Exit(1)


async def _bench(plan: Plan) -> Outcome:
    from sockwave.cli.bench.processes import run

    is_terminal = has_terminal()
    outcome = await run(plan, _progress(plan, is_terminal=is_terminal))
    if is_terminal:
        click.echo("\r\x1b[K", nl=False, err=True)
    return outcome


def _show(plan: Plan, outcome: Outcome, chart: Path | None, *, as_json: bool) -> None:
    from sockwave.cli.bench import report
    from sockwave.cli.bench.chart import draw

    if as_json:
        click.echo(json.dumps(report.as_value(plan, outcome), indent=2))
    else:
        click.secho(printable(f"{report.target(plan)}: {report.place(plan)}"), bold=True)
        for line in report.lines(plan, outcome):
            click.echo(printable(line))
        for warning in report.warnings(plan, outcome):
            click.echo()
            click.secho(printable(warning), fg="yellow")
    if chart is not None:
        _write(chart, draw(plan, outcome, as_page=chart.suffix.lower() == ".html"))
        click.echo(f"The chart is in {chart}.", err=True)


def _progress(plan: Plan, *, is_terminal: bool) -> Callable[[Outcome], None]:
    from sockwave.cli.bench.report import progress_line

    told = 0

    def tell(outcome: Outcome) -> None:
        nonlocal told
        line = printable(progress_line(plan, outcome))
        if is_terminal:
            click.echo(f"\r\x1b[K{line}", nl=False, err=True)
        elif len(outcome.seconds) >= told + TOLD_EVERY:
            told = len(outcome.seconds)
            click.echo(line, err=True)

    return tell


def _check(plan: Plan, chart: Path | None) -> None:
    """Refuse what cannot be done, before any process is started.

    Raises:
        Failure: It cannot.
        click.UsageError: Options do not go together.
    """
    from sockwave.cli.bench.plan import has

    if plan.event is None and (plan.ack or plan.hear is not None):
        raise click.UsageError("--ack and --hear are about an EVENT, which is missing")
    if plan.event is not None and not plan.every and not plan.ack:
        raise click.UsageError("--every 0 goes with --ack: what else says when to go on?")
    if plan.hear is not None and not has(plan.args, "stamp"):
        raise click.UsageError(
            "--hear needs {stamp} in the JSON, to know which event is heard: '\"{stamp}\"'"
        )
    if chart is not None and chart.suffix.lower() not in (".svg", ".html"):
        raise click.UsageError("--chart: the name of the file must end in .svg or .html")
    limit = open_files_limit()
    needed = -(-plan.connections // plan.processes) + OWN_FILES
    if limit is not None and needed > limit:
        raise Failure(
            f"a process may open {limit} files, and needs {needed}: raise it with "
            f"`ulimit -n {needed}`, or take more --processes"
        )
    _check_client(plan)


def _check_client(plan: Plan) -> None:
    from sockwave import Manager
    from sockwave.socketio.core.outgoing import check_event_name

    options = {name: value for name, value in plan.options.items() if name != "auth"}
    try:
        Manager(plan.url, **options)
        for name in (plan.event, *(each.event for each in plan.first)):
            if name is not None:
                check_event_name(name)
    except (ValueError, TypeError, ImportError) as error:
        raise Failure(str(error)) from error


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Failure(f"not JSON: {text[:60]} (text needs quotes: '\"...\"')") from None


def _first(line: str) -> First:
    from sockwave.cli.bench.plan import First

    try:
        event, wants_ack, args = parse_line(line)
    except ValueError as error:
        raise Failure(f"--first: {error}") from error
    return First(event, args, wants_ack)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}") from error
