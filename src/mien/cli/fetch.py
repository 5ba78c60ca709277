"""`mien fetch`: files that mien does not carry; nothing else ever downloads."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["fetch"]


def fetch(
    name: Annotated[str, typer.Argument(help="What to fetch: yunet, the better face detector.")],
    url: Annotated[
        str | None,
        typer.Option(
            "--url", help="Fetch it from here, such as a mirror of your own; it must be the same."
        ),
    ] = None,
) -> None:
    """Fetch a file once and keep it in mien's cache; only a file with the expected SHA-256 is kept."""
    # `--help` never loads OpenCV.
    from mien import download
    from mien.errors import UnknownNameError
    from mien.faces.yunet import FETCH_REMEDY, YUNET_FILE
    from mien.paths import cache_dir

    if name != "yunet":
        raise UnknownNameError("file to fetch", name, ["yunet"], "mien fetch --help")
    file, folder = YUNET_FILE, cache_dir()
    if download.is_intact(folder / file.name, file):
        typer.echo(f"{folder / file.name} is already there.")
        return
    typer.echo(
        f"Fetching {url or file.url} ({file.size_bytes / 1000:.0f} kB, licence: {file.licence}) …"
    )
    path = download.fetch(file, folder, FETCH_REMEDY, url)
    typer.echo(f"{path} is there; its SHA-256 is the expected one. `--detector auto` now uses it.")
