"""The command itself: its options, and its exit code."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

import click

from sockwave.cli.connect import parse_header
from sockwave.cli.console import Failure, Number

if TYPE_CHECKING:
    from sockwave.cli.doctor.findings import Finding
    from sockwave.cli.doctor.target import Target

__all__ = ["doctor"]

MOST_PATIENT = 3600.0
"""Seconds: no time-out of a proxy is longer."""

ORIGIN: Final = re.compile(r"null|[A-Za-z][A-Za-z0-9+.-]*://(?:(?![/?#@\\])[!-~])+/?")
"""As browsers send it, or with the slash that people add: a scheme, a host, perhaps a port."""


@click.command()
@click.argument("url")
@click.option("--path", default="/socket.io", show_default=True, help="HTTP path of the server.")
@click.option(
    "--origin", help="Origin of pages that are to connect, such as https://app.example.com."
)
@click.option("--credentials", is_flag=True, help="These pages send cookies (withCredentials).")
@click.option("--header", "headers", metavar="'NAME: VALUE'", multiple=True, help="Extra header.")
@click.option(
    "--patience",
    type=Number(0, MOST_PATIENT),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to be silent at most, to see who cuts a poll or a WebSocket; 0 leaves that out.",
)
@click.option("--insecure", is_flag=True, help="Do not judge the server's certificate.")
@click.option("--json", "wants_json", is_flag=True, help="Print one JSON object, for programs.")
def doctor(
    url: str,
    path: str,
    origin: str | None,
    credentials: bool,
    headers: tuple[str, ...],
    patience: float,
    insecure: bool,
    wants_json: bool,
) -> None:
    """Examine the way to a Socket.IO server at URL, through the proxies before it.

    Polling, WebSocket, upgrade, TLS, time-outs, stickiness, CORS, limits: what is seen of each, and
    which line of nginx or HAProxy to change where something is wrong. The path of URL is the
    namespace that is connected to.

    The exit code is 0 when all is well, 1 when something is wrong. It opens about twenty-five
    sessions, nearly all one after the other, and sends one large body (2 MB at most).
    """
    from sockwave.cli.doctor.examining import examine
    from sockwave.cli.doctor.report import as_json_text, is_well, lines, summary

    target = _target(url, path, origin, headers)
    target.credentials, target.insecure, target.patience = credentials, insecure, patience
    found: list[Finding] = []
    told: set[str] = set()

    def tell(finding: Finding) -> None:
        found.append(finding)
        if not wants_json:
            click.echo("\n".join(lines(finding, told)))

    shown = target.own_origin  # without name, password and query, which are secrets
    if patience and not wants_json:
        silence = f"silence is tried last, for up to {patience:g} s."
        click.secho(f"Examining {shown}; {silence}", fg="bright_black", err=True)
    try:
        asyncio.run(examine(target, tell))
    except KeyboardInterrupt:
        raise click.Abort from None
    click.echo(as_json_text(shown, found) if wants_json else summary(found))
    if not is_well(found):
        click.get_current_context().exit(1)


def _target(url: str, path: str, origin: str | None, headers: tuple[str, ...]) -> Target:
    """Read what the user gives; a header or an origin that could end its line is refused.

    The own address is no origin of others.
    """
    from sockwave.cli.doctor.target import Target
    from sockwave.engine.client.url import parse_url

    try:
        server = parse_url(url)
    except ValueError as error:
        raise Failure(str(error)) from error
    if origin is not None and not ORIGIN.fullmatch(origin):
        raise Failure(f"--origin: {origin!r} is not of the form https://app.example.com")
    target = Target(server=server, path=path, headers=tuple(map(parse_header, headers)))
    if origin is not None and origin.rstrip("/").lower() != target.own_origin.lower():
        target.origin = origin.rstrip("/")
    return target
