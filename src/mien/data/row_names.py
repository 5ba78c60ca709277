"""What the rows of a data set are called: readers give a number to those that have no name of their own."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from mien.data.dataset import Dataset

__all__ = ["is_named", "number_of", "row_name"]

_NUMBERED = re.compile(r"row (\d+)")


def is_named(dataset: Dataset) -> NDArray[np.bool_]:
    """Return (N,) which rows have a name of their own, and not only their number."""
    if dataset.names is None:
        return np.zeros(len(dataset), bool)
    return np.array([number_of(name) is None for name in dataset.names.tolist()], bool)


def number_of(name: str) -> int | None:
    """Return the number that a row is called by, as its reader counted; None where it has a name of its own."""
    numbered = _NUMBERED.fullmatch(name)
    return int(numbered[1]) if numbered else None


def row_name(dataset: Dataset, row: int) -> str:
    """Return a row's own name, or else its number, counted from 0 as predictions, columns and clean lists do."""
    name = "" if dataset.names is None else str(dataset.names[row])
    return name if name and number_of(name) is None else f"row {row}"
