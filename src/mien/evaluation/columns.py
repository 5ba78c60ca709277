"""Groups of one's own for slices: the columns of a CSV, and how large the faces were before they were resized."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from mien.data.dataset import Dataset
from mien.errors import DataError

__all__ = ["MAX_NUMBERS", "face_sizes", "number_groups", "read_columns"]

MAX_NUMBERS = 10
"""A column with more numbers than this is divided into thirds; one with fewer is taken as names."""

_KEYS = ("row", "name")
_NOTHING = "(empty)"


def read_columns(
    file: Path, dataset: Dataset, rows: NDArray[np.intp]
) -> dict[str, NDArray[np.str_]]:
    """Read one division from each column of a CSV with a header.

    A column ``row`` (counted from 0 in the data set) or ``name`` (a picture's, as the data set gives it) says which
    line is which picture; without either there is one line for each of ``rows``, in order. Columns of many numbers
    are divided into thirds. Empty cells are a group of their own.

    Args:
        file: The CSV, UTF-8.
        dataset: The data that is scored.
        rows: (n,) row numbers of the scored pictures.

    Returns:
        Column -> (n,) names of groups.

    Raises:
        DataError: If the file cannot be read, or does not name every scored picture exactly once.
    """
    header, lines = _read(file)
    columns = {name: [line[place] for line in lines] for place, name in enumerate(header)}
    key = next((key for key in _KEYS if key in columns), None)
    if key is None:
        if len(lines) != len(rows):
            raise DataError(
                f"{file} has {len(lines):,} lines for {len(rows):,} scored pictures; expected one each, or a column "
                "'row' or 'name' that says which picture a line is about."
            )
        order = np.arange(len(rows))
    else:
        order = _order(file, key, columns.pop(key), dataset, rows)
    for other in _KEYS:
        columns.pop(other, None)
    if not columns:
        raise DataError(f"{file} has no column to divide by beside {key}; add one.")
    return {name: number_groups([cells[i] for i in order]) for name, cells in columns.items()}


def number_groups(cells: Sequence[str]) -> NDArray[np.str_]:
    """Name groups by (n,) cells: thirds where the cells are many different numbers, else the cells themselves."""
    given = [cell.strip() for cell in cells]
    numbers = np.array([_number(cell) for cell in given])
    is_given = np.array([bool(cell) for cell in given])
    finite = np.isfinite(numbers)
    if not (finite | ~is_given).all() or len(np.unique(numbers[finite])) <= MAX_NUMBERS:
        return np.array([cell or _NOTHING for cell in given])
    low, high = np.quantile(numbers[finite], [1 / 3, 2 / 3])
    names = np.array([f"≤ {low:g}", f"{low:g} – {high:g}", f"> {high:g}", _NOTHING])
    place = np.where(finite, (numbers > low).astype(int) + (numbers > high), len(names) - 1)
    return np.asarray(names[place])


def face_sizes(
    path: Path, dataset: Dataset, rows: NDArray[np.intp]
) -> Mapping[str, NDArray[np.str_]]:
    """Divide pictures that lie in files by their shorter side, px, before the reader resized them.

    Args:
        path: The data set's folder.
        dataset: As read from it.
        rows: (n,) row numbers of the scored pictures.

    Returns:
        ``{"face size": …}``; nothing where the data is not in picture files, or all are of one size.
    """
    if dataset.names is None or not path.is_dir():
        return {}
    sides = []
    for row in rows:
        file = path / str(dataset.names[row])
        if not file.is_file():
            return {}
        with PIL.Image.open(file) as picture:  # the header only; the reader has decoded it before
            sides.append(min(picture.size))
    if len(set(sides)) == 1:
        return {}
    return {"face size": number_groups([str(side) for side in sides])}


def _read(file: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream)
            numbered = [(reader.line_num, line) for line in reader if line] or [(1, [])]
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} is no CSV in UTF-8: {error}.") from None
    header = [name.strip() for name in numbered[0][1]]
    if not header or not all(header) or len(set(header)) < len(header):
        raise DataError(
            f"{file} needs a first line with the name of each column, all different; got {header}."
        )
    for number, line in numbered[1:]:
        if len(line) != len(header):
            raise DataError(
                f"{file}, line {number}: {len(line)} cells under {len(header)} column names."
            )
    return header, [line for _, line in numbered[1:]]


def _order(
    file: Path, key: str, cells: Sequence[str], dataset: Dataset, rows: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Return which line is about each of the rows."""
    if key == "name" and dataset.names is None:
        raise DataError(
            f"{file} names pictures, and this data ({dataset.layout}) has row numbers only; give a column 'row'."
        )
    wanted = [
        str(row) if key == "row" or dataset.names is None else str(dataset.names[row])
        for row in rows
    ]
    places: dict[str, int] = {}
    for place, cell in enumerate(cells):
        if places.setdefault(cell.strip(), place) != place:
            raise DataError(f"{file} is about {key} {cell.strip()} twice; keep one line.")
    missing = [one for one in wanted if one not in places]
    if missing:
        raise DataError(
            f"{file} says nothing about {len(missing):,} of {len(rows):,} scored pictures, the first of them "
            f"{key} {missing[0]}. Add them, with empty cells where nothing is known."
        )
    return np.array([places[one] for one in wanted], np.intp)


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")
