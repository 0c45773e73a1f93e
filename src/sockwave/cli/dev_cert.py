"""`sockwave dev-cert`: a certificate for trying WebTransport without an authority."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sockwave.cli.certificate import OWN_NAMES, make_certificate, write_private
from sockwave.cli.console import Failure, as_json, printable

if TYPE_CHECKING:
    from sockwave.cli.certificate import DevCertificate

__all__ = ["dev_cert", "javascript_options"]

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("dev-cert")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--certfile", type=_FILE, default="cert.pem", show_default=True,
              help="Where the certificate goes.")  # fmt: skip
@click.option("--keyfile", type=_FILE, default="key.pem", show_default=True,
              help="Where its key goes.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace files that are there.")
@click.option("--json", "is_json", is_flag=True, help="Print a line of JSON instead.")
def dev_cert(
    names: tuple[str, ...], certfile: Path, keyfile: Path, force: bool, is_json: bool
) -> None:
    """Make a certificate for WebTransport that browsers take by its hash.

    \b
    sockwave dev-cert                                  for this machine alone
    sockwave dev-cert 192.168.1.20 laptop.local        for others in the network, too

    It is for localhost, 127.0.0.1, ::1 and each NAME, a host or an address, and valid for 13 days:
    browsers take no hash of one that is valid for more than 14. No authority has signed it, so each
    client is given the hash. Not for production.
    """
    if certfile.absolute() == keyfile.absolute():
        raise click.UsageError("--certfile and --keyfile must be two files.")
    all_names = list(dict.fromkeys([*OWN_NAMES, *names]))
    try:
        made = make_certificate(all_names)
    except ImportError as error:
        raise Failure(str(error)) from error
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="NAME") from error
    _write(certfile, keyfile, made, force=force)
    if is_json:
        click.echo(as_json(_fields(made, all_names, certfile, keyfile)))
    else:
        click.echo("\n".join(map(printable, _lines(made, all_names, certfile, keyfile))))


def _write(certfile: Path, keyfile: Path, made: DevCertificate, *, force: bool) -> None:
    """Both files or, where one is there already, none."""
    for path in (certfile, keyfile):
        if path.exists() and not force:
            raise Failure(f"{path} is there already: --force replaces it")
    path = keyfile
    try:
        write_private(keyfile, made.key, replace=force)
        path = certfile
        certfile.write_bytes(made.certificate)
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}") from error


def javascript_options(made: DevCertificate) -> str:
    """The second argument of `io()` in JavaScript, by which a client takes the certificate."""
    values = ", ".join(map(str, made.hash))
    hashes = f'[{{ algorithm: "sha-256", value: new Uint8Array([{values}]) }}]'
    return f"{{ transportOptions: {{ webtransport: {{ serverCertificateHashes: {hashes} }} }} }}"


def _fields(
    made: DevCertificate, names: list[str], certfile: Path, keyfile: Path
) -> dict[str, object]:
    return {
        "certfile": str(certfile),
        "keyfile": str(keyfile),
        "names": names,
        "sha256": made.hash.hex(),
        "until": made.until.isoformat(),
        "javascript": javascript_options(made),
    }


def _lines(made: DevCertificate, names: list[str], certfile: Path, keyfile: Path) -> list[str]:
    return [
        f"{certfile} and {keyfile}: for {', '.join(names)}, until {made.until:%Y-%m-%d %H:%M} UTC",
        f"SHA-256: {made.hash.hex()}",
        "",
        "Server, whose transports have webtransport among them:",
        f"  io.run(port=3000, webtransport=WebTransport({_quoted(certfile)}, {_quoted(keyfile)}))",
        "JavaScript, with the address of that server:",
        f'  io("http://127.0.0.1:3000", {javascript_options(made)})',
        "Python:",
        '  sockwave.connect("http://127.0.0.1:3000", transports=["webtransport"],',
        f'                   server_certificate_hashes=["{made.hash.hex()}"])',
    ]


def _quoted(path: Path) -> str:
    return json.dumps(str(path), ensure_ascii=False)
