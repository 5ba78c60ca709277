"""`mien timeline`: a table of `mien watch` becomes a picture and a page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from mien.cli.options import Language
from mien.errors import ConfigError
from mien.replacing import check_target

__all__ = ["timeline"]


def timeline(
    table: Annotated[
        Path, typer.Argument(help="What mien watch --table wrote: .csv, .jsonl or .parquet.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The picture (.png) or the page (.html) to write; without it, both beside the table.",
        ),
    ] = None,
    lang: Annotated[
        Language, typer.Option("--lang", help="Language of the expressions.")
    ] = Language.EN,
) -> None:
    """Draw who showed which expression when: one row a track, one colour an expression."""
    # os.path, as it calls a name that is too long no folder, where Path raises OSError.
    if os.path.isdir(table):  # noqa: PTH112
        raise ConfigError(f"The table {table} is a folder. Name a file of mien watch --table.")
    outputs = [output] if output else [table.with_suffix(".png"), table.with_suffix(".html")]
    for path in outputs:
        check_target(path, "--output" if output else "The timeline", (".png", ".html"))

    from mien.recognition.table import read_table
    from mien.recognition.timeline import Timeline
    from mien.recognition.timeline_picture import write_timeline_html, write_timeline_png

    collected = Timeline(read_table(table))
    for path in outputs:
        write = write_timeline_png if path.suffix.lower() == ".png" else write_timeline_html
        write(collected, path, table.name, lang)
        print(path)
