"""The data set that a command was given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mien.errors import ConfigError

if TYPE_CHECKING:
    from mien.data.dataset import Dataset
    from mien.recipe import Recipe

__all__ = ["open_data", "open_training_data"]


def open_data(path: Path, size: int, *, quiet: bool = False) -> Dataset:
    """Open a data set, and print its notes on the error stream unless that was done before.

    Args:
        path: What `mien.data.open_dataset` takes.
        size: Height and width of the images, px.
        quiet: Whether to keep the notes back.

    Raises:
        DataError: If it cannot be read.
    """
    from mien.data.catalog import open_dataset

    dataset = open_dataset(path, size=size)
    for note in () if quiet else dataset.notes:
        typer.echo(f"note: {note}", err=True)
    return dataset


def open_training_data(given: str, recipe: Recipe, *, quiet: bool = False) -> Dataset:
    """Open what was given with ``--data``, or else what the recipe names; see `open_data`.

    Raises:
        ConfigError: If neither names any.
        DataError: If it cannot be read.
    """
    source = given or recipe.data.source
    if not source:
        raise ConfigError(
            "Which data? Name its folder with --data PATH, or try --data synthetic:2000."
        )
    return open_data(Path(source), recipe.data.size, quiet=quiet)
