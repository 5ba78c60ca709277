"""`mien data audit`: what is odd about a data set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.outputs import check_not_read
from mien.errors import InputError
from mien.replacing import check_target, write_whole

if TYPE_CHECKING:
    from rich.console import Console

    from mien.data.audit import Audit

__all__ = ["audit"]


def audit(
    path: Annotated[
        Path, typer.Argument(help="Labelled faces, in any layout of `mien data info`.")
    ],
    html: Annotated[
        Path | None, typer.Option(help="Write one HTML page with pictures to this file.")
    ] = None,
    json: Annotated[
        Path | None, typer.Option(help="Write the counts to this file as JSON; - prints them.")
    ] = None,
    write_clean: Annotated[
        Path | None,
        typer.Option(
            help="Write the rows that a clean score leaves out to this file, for mien evaluate --clean."
        ),
    ] = None,
    size: Annotated[
        int, typer.Option(min=8, max=1024, help="Height and width of the images, px.")
    ] = 48,
    cache: Annotated[
        bool, typer.Option(help="Use the cache; --no-cache reads the files anew.")
    ] = True,
) -> None:
    """Look for copies, leaks between splits, labels that disagree, blank pictures, ties, imbalance.

    Identical copies are found to the pixel; near ones by a perceptual hash and the correlation of their pixels;
    mirrored and turned ones are looked for across splits, where they betray data that was augmented before it
    was split.
    """
    from rich.console import Console

    from mien.data import open_dataset
    from mien.data.audit import audit as look
    from mien.data.audit import clean_lists

    is_printed = json == Path("-")
    to_write = None if is_printed else json
    _check_files({"--html": html, "--json": to_write, "--write-clean": write_clean}, path)
    console = Console(highlight=False, stderr=is_printed)
    waiting = Console(stderr=True)
    with waiting.status("Reading the data"):
        dataset = open_dataset(path, size=size, use_cache=cache)
    with waiting.status(f"Comparing {len(dataset):,} pictures"):
        found = look(dataset)
    try:  # first: a pager that is left ends the command
        if html is not None:
            from mien.data.audit_page import audit_page

            _write(html, audit_page(dataset, found, path.resolve().name or str(path)))
        if write_clean is not None:
            from mien.data.clean import write_clean as write_lists

            write_lists(clean_lists(dataset, found), write_clean)
            typer.echo(f"written: {write_clean}", err=True)
        if json is not None:
            text = _as_json(path, len(dataset), dataset.content_hash, found)
            if is_printed:
                typer.echo(text, nl=False)
            else:
                _write(json, text)
    finally:
        _show(console, found, f"{path}: {len(dataset):,} pictures, layout {dataset.layout}")
        for note in dataset.notes:
            console.print(f"[yellow]note:[/] {_plain(note)}", soft_wrap=True)


def _check_files(files: Mapping[str, Path | None], data: Path) -> None:
    """Refuse what could not, or must not, be written before half a minute is spent on it."""
    given = {option: file for option, file in files.items() if file is not None}
    for option, file in given.items():
        check_target(file, option)
        check_not_read(file, option, None, data)
    if len({file.resolve() for file in given.values()}) < len(given):
        raise InputError("Two options name the same file to write; give each its own.")


def _show(console: Console, found: Audit, title: str) -> None:
    """One row a finding; a mark where something should be done about it."""
    from rich.table import Table

    table = Table(title=_plain(title), title_justify="left", show_lines=False)
    table.add_column("looked for", no_wrap=True)
    table.add_column("count", justify="right", no_wrap=True)
    table.add_column("what that means")
    for one in found.findings:
        mark = "[yellow]![/]" if one.is_notable else " "
        table.add_row(f"{mark} {_plain(one.title)}", f"{one.count:,}", _plain(one.says))
    console.print(table)


def _as_json(path: Path, num_rows: int, content_hash: str, found: Audit) -> str:
    import json

    fields: dict[str, Any] = {
        "path": str(path),
        "images": num_rows,
        "content_hash": content_hash,
        "findings": found.as_dict(),
        "label_agreement": None if found.agreement is None else found.agreement.tolist(),
    }
    return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"


def _write(file: Path, text: str) -> None:
    write_whole(file, text)
    typer.echo(f"written: {file}", err=True)


def _plain(text: str) -> str:
    """Square brackets in a folder's name are no markup."""
    from rich.markup import escape

    return escape(text)
