"""The offline merge: a data set with mirrored and turned copies of its pictures beside them.

Augmenting while training (`augment`) is better, since no epoch sees the same copy twice; this is for tools that take
files, and for repeating work that did so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from mien.data.dataset import Dataset
from mien.data.row_names import is_named
from mien.data.turning import mirror, turn
from mien.errors import InputError

__all__ = ["MOST_DEG", "merge", "rows_to_copy"]

MOST_DEG = 90.0

_CHUNK = 1024


def merge(
    dataset: Dataset,
    *,
    flip: bool,
    rotate_deg: float,
    splits: Sequence[str],
    generator: np.random.Generator,
) -> Dataset:
    """Put a mirrored copy, a turned copy or both of each picture behind all pictures.

    Copies have the label, the votes and the split of their picture. Turning keeps its size and middle; see
    `turning.turn`.

    Args:
        dataset: The pictures.
        flip: Whether to add mirrored copies.
        rotate_deg: Add copies turned by a random angle of up to so much either way, 0 to `MOST_DEG`; 0 adds none.
        splits: Whose pictures get copies. Only ``"train"`` leaves scores comparable: a score counts each held-out
            picture once, as it is.
        generator: Draws the angles.

    Returns:
        All rows of ``dataset`` in their order, then the mirrored copies, then the turned ones.

    Raises:
        InputError: If there is nothing to add, the angle is out of range, or there is no such split.
        DataError: If the data has no rows in a split.
    """
    if not 0 <= rotate_deg <= MOST_DEG:
        raise InputError(f"The angle is {rotate_deg:g}°; expected 0 to {MOST_DEG:g}.")
    if not flip and not rotate_deg:
        raise InputError("There is nothing to add; ask for mirrored copies, turned ones, or both.")
    rows = rows_to_copy(dataset, splits)
    ways = (["mirrored"] if flip else []) + (["turned"] if rotate_deg else [])
    size, extra = len(dataset), len(rows)
    images = np.empty((size + len(ways) * extra, *dataset.images.shape[1:]), np.uint8)
    images[:size] = dataset.images
    for place, way in enumerate(ways):
        for start in range(0, extra, _CHUNK):  # so that nothing but the result is in memory
            some = dataset.images[rows[start : start + _CHUNK]]
            angles = (
                generator.uniform(-rotate_deg, rotate_deg, len(some)) if way == "turned" else None
            )
            begin = size + place * extra + start
            images[begin : begin + len(some)] = (
                mirror(some) if angles is None else turn(some, angles)
            )
    order = np.concatenate([np.arange(size), *[rows] * len(ways)])
    return replace(
        dataset,
        images=images,
        labels=dataset.labels[order],
        split=dataset.split[order],
        votes=None if dataset.votes is None else dataset.votes[order],
        names=_names(dataset, rows, ways),
        notes=(),
    )


def rows_to_copy(dataset: Dataset, splits: Sequence[str]) -> NDArray[np.intp]:
    """Return the rows of these splits that get copies, in order.

    Where there are votes, a picture that FER+ gives no name gets none: all ten voters saw no face in it, and FER+ leaves
    it out. Of FER2013's 35,887 pictures that leaves 35,714, and with a mirrored and a turned copy of each 107,315.

    Raises:
        InputError: If there is no such split, or none is given.
        DataError: If the data has no rows in a split.
    """
    if not splits:
        raise InputError("No split is given; expected one or several of train, valid, test.")
    rows = np.sort(np.concatenate([dataset.rows(split) for split in dict.fromkeys(splits)]))
    named = is_named(dataset)
    return rows[named[rows]] if dataset.votes is not None and named.any() else rows


def _names(
    dataset: Dataset, rows: NDArray[np.intp], ways: Sequence[str]
) -> NDArray[np.str_] | None:
    if dataset.names is None:
        return None
    names = dataset.names.tolist()
    paths = [PurePosixPath(names[row]) for row in rows.tolist()]
    copies = [
        str(path.with_name(f"{path.stem}-{way}{path.suffix}")) for way in ways for path in paths
    ]
    return np.array(names + copies, str)
