"""`mien data convert` and `mien data augment`: a data set written anew, in another layout or with copies of its faces."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.replacing import check_new_folder

if TYPE_CHECKING:
    from mien.data import Dataset

__all__ = ["augment", "convert"]


class _Layout(StrEnum):
    csv = "csv"
    folders = "folders"
    ferplus = "ferplus"
    parquet = "parquet"


class _Labels(StrEnum):
    own = "own"
    votes = "votes"


_PATH = typer.Argument(help="Labelled faces, in any layout of `mien data info`.")
_OUT = typer.Argument(help="A new folder; it appears whole or not at all.")
_SIZE = typer.Option(min=8, max=1024, help="Height and width of the images, px.")


def convert(
    path: Annotated[Path, _PATH],
    out: Annotated[Path, _OUT],
    to: Annotated[_Layout, typer.Option(help="The layout to write.")],
    labels: Annotated[
        _Labels,
        typer.Option(
            help="own: the data's labels; votes: FER+'s strict majority, pictures without one left out."
        ),
    ] = _Labels.own,
    size: Annotated[int, _SIZE] = 48,
) -> None:
    """Write a data set in another layout, and say what that layout cannot carry.

    Pictures are written as mien reads them, grey and of one size; those of 48 px that are grey already keep
    every pixel.
    """
    from mien.data import open_dataset
    from mien.data.convert import label_by_majority
    from mien.labels import FER2013, FERPLUS

    check_new_folder(out)
    dataset = open_dataset(path, size=size)
    if labels is _Labels.votes:
        dataset, left_out = label_by_majority(dataset, FER2013 if to is _Layout.csv else FERPLUS)
        _note(f"{left_out:,} pictures without a majority among these labels are left out.")
        _note(
            "The labels are now those of FER+'s voters; scores compare with no score on FER2013's."
        )
    _write(dataset, out, to)


def augment(  # noqa: PLR0913 - each option of the command is an argument
    path: Annotated[Path, _PATH],
    out: Annotated[Path, _OUT],
    flip: Annotated[bool, typer.Option("--flip", help="Add a mirrored copy of each face.")] = False,
    rotate: Annotated[
        float,
        typer.Option(
            min=0, max=90, help="Add a copy turned by a random angle of up to so many degrees."
        ),
    ] = 0.0,
    splits: Annotated[
        str,
        typer.Option(help="Whose faces get copies: train, or several such as train,valid,test."),
    ] = "train",
    to: Annotated[
        _Layout | None, typer.Option(help="The layout to write; default: the one that came in.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws the angles.")] = 0,
    size: Annotated[int, _SIZE] = 48,
) -> None:
    """Write a data set with mirrored and turned copies of its faces beside them.

    Only training faces get copies, unless --splits says otherwise: a score over copies counts each held-out face
    several times, altered, and compares with no other. Recipes augment while training, anew in each epoch; this
    command is for tools that take files, and for repeating work that merged its copies in.
    """
    import numpy as np

    from mien.data import open_dataset
    from mien.data.convert import check_layout
    from mien.data.offline import merge, rows_to_copy

    check_new_folder(out)
    wanted = [name.strip() for name in splits.split(",") if name.strip()]
    dataset = open_dataset(path, size=size)
    layout = to or _Layout(dataset.layout if dataset.layout in set(_Layout) else "csv")
    check_layout(dataset, layout.value)
    merged = merge(
        dataset, flip=flip, rotate_deg=rotate, splits=wanted, generator=np.random.default_rng(seed)
    )
    copied = len(rows_to_copy(dataset, wanted))
    asked = sum(len(dataset.rows(name)) for name in dict.fromkeys(wanted))
    typer.echo(
        f"{len(dataset):,} faces + {(len(merged) - len(dataset)) // copied if copied else 0} × {copied:,} copies "
        f"= {len(merged):,} rows"
    )
    if copied < asked:
        _note(
            f"{asked - copied:,} pictures have no copies: FER+ gives them no name, for no voter saw a face in them."
        )
    if set(wanted) != {"train"}:
        _note(
            "Held-out faces have copies now; a score over them compares with no other. Leave --splits away."
        )
    _write(merged, out, layout)


def _write(dataset: Dataset, out: Path, layout: _Layout) -> None:
    from mien.data.convert import write_dataset

    for sentence in write_dataset(dataset, out, layout.value):
        _note(sentence)
    side = dataset.images.shape[1]
    typer.echo(
        f"written: {out} ({len(dataset):,} pictures of {side} × {side} px, grey, layout {layout.value})",
        err=True,
    )


def _note(sentence: str) -> None:
    typer.echo(f"note: {sentence}", err=True)
