"""The `sockwave` command.

Commands live in a module each and are imported here only to be registered; what they need beyond
click they import when they run, so that `sockwave --version` stays quick.
"""

from __future__ import annotations

from importlib.metadata import version

import click

from sockwave.cli.bench.command import bench
from sockwave.cli.completion import completion
from sockwave.cli.connect import connect
from sockwave.cli.contract import contract
from sockwave.cli.demo.command import demo
from sockwave.cli.dev_cert import dev_cert
from sockwave.cli.doctor.command import doctor
from sockwave.cli.emit import emit
from sockwave.cli.reload import reload
from sockwave.cli.run import run
from sockwave.cli.why import why

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("sockwave"), prog_name="sockwave")
def main() -> None:
    """Socket.IO for Python."""


main.add_command(run)
main.add_command(reload)
main.add_command(demo)
main.add_command(connect)
main.add_command(emit)
main.add_command(doctor)
main.add_command(why)
main.add_command(bench)
main.add_command(contract)
main.add_command(dev_cert)
main.add_command(completion)
