"""`mien keys`: who may use the service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(
    help="API keys of the service: make, list, revoke. Only their hashes are kept.",
    no_args_is_help=True,
    add_completion=False,
)

KeysFile = Annotated[
    Path, typer.Option("--file", envvar="MIEN_SERVICE_KEYS", help="File of the keys.")
]


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Who it is for; stands in the log.")], file: KeysFile
) -> None:
    """Make a key and show it, this once."""
    from mien.service.keys import add_key

    typer.echo(add_key(file, name))
    typer.echo(f"It is kept nowhere else; {file} holds its hash.", err=True)


@app.command("list")
def list_(file: KeysFile) -> None:
    """List the keys by name: since when, until when."""
    from mien.service.keys import read_keys

    for key in read_keys(file):
        typer.echo(
            f"{key.name}\tcreated {key.created}\t{'revoked ' + key.revoked if key.revoked else 'active'}"
        )


@app.command("revoke")
def revoke(name: Annotated[str, typer.Argument(help="Whose.")], file: KeysFile) -> None:
    """Make a key invalid; a service that runs notices within a second."""
    from mien.service.keys import revoke_key

    revoke_key(file, name)
    typer.echo(f"{name} is revoked.")
