"""`mien data`: what a data set holds; audit, augment, convert and preview are in files of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli import data_audit, data_convert, data_preview
from mien.cli.ending import removing_what_is_half_written
from mien.cli.outputs import check_not_read
from mien.replacing import check_target, write_whole

if TYPE_CHECKING:
    from rich.table import Table

    from mien.data import Dataset

__all__ = ["app"]

app = typer.Typer(
    help="Look at data sets, audit and write them.", no_args_is_help=True, add_completion=False
)


@app.callback()
def _data(context: typer.Context) -> None:
    context.with_resource(removing_what_is_half_written())


app.command("audit")(data_audit.audit)
app.command("augment")(data_convert.augment)
app.command("convert")(data_convert.convert)
app.command("preview")(data_preview.preview)


@app.command()
def info(
    path: Annotated[
        Path,
        typer.Argument(
            help="A folder or file: fer2013.csv (with fer2013new.csv beside it), parquet, FER+ picture "
            "folders, train/<label>/*.jpg; or the word synthetic for drawn faces."
        ),
    ],
    json: Annotated[
        Path | None, typer.Option(help="Write what was found to this file as JSON; - prints it.")
    ] = None,
    size: Annotated[
        int, typer.Option(min=8, max=1024, help="Height and width of the images, px.")
    ] = 48,
    cache: Annotated[
        bool, typer.Option(help="Use the cache; --no-cache reads the files anew.")
    ] = True,
) -> None:
    """Say what a data set holds: its layout, splits, classes and votes, and how it differs from FER2013."""
    from rich.console import Console

    is_printed = json == Path("-")
    if json is not None and not is_printed:
        check_target(json, "--json")
        check_not_read(json, "--json", None, path)
    found = _describe(path, size, cache)
    if is_printed:
        typer.echo(_as_json(found), nl=False)
        return
    if json is not None:
        write_whole(json, _as_json(found))
    console = Console(highlight=False)
    console.print(_facts(found))
    console.print(_counts(found))
    for note in found["notes"]:
        console.print(f"[yellow]note:[/] {_plain(note)}", soft_wrap=True)


def _describe(path: Path, size: int, use_cache: bool) -> dict[str, Any]:
    """Everything that is shown, as JSON takes it."""
    import time

    from mien.data import open_dataset

    start = time.perf_counter()
    dataset = open_dataset(path, size=size, use_cache=use_cache)
    seconds = time.perf_counter() - start
    return {
        "path": str(path),
        "layout": dataset.layout,
        "images": len(dataset),
        "size_px": size,
        "labels": list(dataset.label_names),
        "has_votes": dataset.votes is not None,
        "splits": _splits(dataset),
        "content_hash": dataset.content_hash,
        "seconds": round(seconds, 3),
        "notes": list(dataset.notes),
    }


def _splits(dataset: Dataset) -> dict[str, Any]:
    from mien.data import SPLITS
    from mien.data.ferplus import majority
    from mien.data.published import class_counts

    splits = {}
    for index, name in enumerate(SPLITS):
        rows = dataset.split == index
        if not rows.any():
            continue
        votes = None if dataset.votes is None else dataset.votes[rows]
        splits[name] = {
            "images": int(rows.sum()),
            "classes": dict(
                zip(dataset.label_names, class_counts(dataset, name).tolist(), strict=True)
            ),
            "unlabelled": int((dataset.labels[rows] < 0).sum()),
            "strict_majority": None if votes is None else int((majority(votes) >= 0).sum()),
        }
    return splits


def _facts(found: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    side = found["size_px"]
    table.add_row("path", _plain(found["path"]))
    table.add_row("layout", found["layout"])
    table.add_row("images", f"{found['images']:,} of {side} × {side} px, grey")
    table.add_row("FER+ votes", "yes" if found["has_votes"] else "no")
    table.add_row("content hash", found["content_hash"])
    table.add_row("time to load", f"{found['seconds']:.2f} s")
    return table


def _counts(found: dict[str, Any]) -> Table:
    """One column a split, one row a class."""
    from rich.table import Table

    splits = found["splits"]
    table = Table()
    table.add_column("class")
    for name in splits:
        table.add_column(name, justify="right")
    for label in found["labels"]:
        table.add_row(_plain(label), *(f"{split['classes'][label]:,}" for split in splits.values()))
    if any(split["unlabelled"] for split in splits.values()):
        table.add_row("(no label)", *(f"{split['unlabelled']:,}" for split in splits.values()))
    table.add_section()
    table.add_row("all", *(f"{split['images']:,}" for split in splits.values()))
    if found["has_votes"]:
        counts = (f"{split['strict_majority']:,}" for split in splits.values())
        table.add_row("FER+ strict majority", *counts)
    return table


def _plain(text: str) -> str:
    """Square brackets in a folder's name are no markup."""
    from rich.markup import escape

    return escape(text)


def _as_json(found: dict[str, Any]) -> str:
    import json

    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"
