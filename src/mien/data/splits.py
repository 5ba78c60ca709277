"""Making a validation split where a data set has none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mien.data.dataset import SPLITS, Dataset
from mien.data.likeness import fingerprint
from mien.errors import DataError, InputError

__all__ = ["hold_out", "with_validation"]


def with_validation(dataset: Dataset, fraction: float, seed: int) -> Dataset:
    """Return the data with the validation faces that a run of this seed holds out of training.

    The data's own validation faces are then untouched by the run, and become test faces.

    Args:
        dataset: Data with a train split.
        fraction: Of the training images, in (0, 1).
        seed: Of the run.

    Raises:
        InputError, DataError: As `hold_out` does.
    """
    own = dataset.split == SPLITS.index("valid")
    split = np.where(own, SPLITS.index("test"), dataset.split).astype(np.uint8)
    generator = np.random.default_rng([seed, 5])
    return hold_out(replace(dataset, split=split), fraction, generator)


def hold_out(dataset: Dataset, fraction: float, generator: np.random.Generator) -> Dataset:
    """Turn part of the train split into the valid split, the same part of every class.

    The same data, fraction and seed give the same rows. FER2013 holds pixel-identical copies; those of one class stay
    together, so that a held-out face has not been trained on.

    Args:
        dataset: Data with a train split and no valid split.
        fraction: Of the training images, in (0, 1).
        generator: Chooses the rows.

    Returns:
        The same rows in the same order, with some of train marked valid.

    Raises:
        InputError: If the fraction is out of range, or so small that nothing would be held out.
        DataError: If there is a valid split already, or no train split.
    """
    if not 0 < fraction < 1:
        raise InputError(
            f"The part to hold out is {fraction}; expected a fraction between 0 and 1."
        )
    valid = SPLITS.index("valid")
    num_valid = int((dataset.split == valid).sum())
    if num_valid:
        raise DataError(f"This data has a valid split of {num_valid:,} images already; use that.")
    rows = dataset.rows("train")
    chosen = [
        _choose(dataset, rows[dataset.labels[rows] == label], fraction, generator)
        for label in np.unique(dataset.labels[rows])
    ]
    held_out = np.concatenate(chosen)
    if not len(held_out):
        raise InputError(
            f"A fraction of {fraction} of {len(rows):,} images holds out none; take a larger one."
        )
    split = dataset.split.copy()
    split[held_out] = valid
    return replace(dataset, split=split)


def _choose(
    dataset: Dataset, rows: NDArray[np.intp], fraction: float, generator: np.random.Generator
) -> NDArray[np.intp]:
    """Rows of one class: shuffled groups of copies, until the fraction is reached."""
    copies: dict[bytes, list[int]] = {}
    for row in rows.tolist():
        copies.setdefault(fingerprint(dataset.images[row]), []).append(row)
    groups = list(copies.values())
    num_wanted = round(fraction * len(rows))
    chosen: list[int] = []
    for place in generator.permutation(len(groups)):
        if len(chosen) >= num_wanted:
            break
        chosen += groups[place]
    return np.array(chosen, np.intp)
