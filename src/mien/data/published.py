"""What FER2013 and FER+ are as published, and how a data set that looks like them differs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.data.classes import USAGES
from mien.data.dataset import SPLITS, Dataset
from mien.data.ferplus import majority
from mien.labels import FER2013

__all__ = ["CLASS_COUNTS", "STRICT_MAJORITY", "check", "class_counts"]

CLASS_COUNTS = {
    "train": (3995, 436, 4097, 7215, 4830, 3171, 4965),
    "valid": (467, 56, 496, 895, 653, 415, 607),
    "test": (491, 55, 528, 879, 594, 416, 626),
}
"""Images a class in each split of FER2013, in the order of `labels.FER2013`.

Source: the Kaggle challenge's ``fer2013.csv`` (Goodfellow et al. 2013, https://arxiv.org/abs/1307.0414)."""

STRICT_MAJORITY = {"train": 25_060, "valid": 3_199, "test": 3_153}
"""Images in each split that `ferplus.majority` keeps (https://github.com/microsoft/FERPlus)."""

_REPEATED_NAMES = {"train": 3}
"""Pictures that a FER+ folder has less than its votes have rows: ``fer2013new.csv`` gives fer0006953.png,
fer0008403.png and fer0011785.png to two rows each, all with a majority, and one file overwrites the other."""

_CLAIMS = ("csv", "parquet", "folders")
_FER2013_LIKE = 20_000
"""A folder or parquet file with FER2013's seven classes and this many images is taken for FER2013."""

_PUBLIC = np.array(CLASS_COUNTS["valid"])
_PRIVATE = np.array(CLASS_COUNTS["test"])


def class_counts(dataset: Dataset, split: str) -> NDArray[np.int64]:
    """Return how many images of each class a split has: (number of classes,); rows without a label are left out."""
    labels = dataset.labels[dataset.split == SPLITS.index(split)]
    return np.bincount(labels[labels >= 0], minlength=len(dataset.label_names)).astype(np.int64)


def check(dataset: Dataset) -> tuple[str, ...]:
    """Say how a data set that claims to be FER2013 or FER+ differs from what was published.

    The claim is made by the layout: a CSV, or seven classes called as FER2013's with about as many images.
    Of other data nothing is said.

    Returns:
        Sentences for the user; none when all is as published.
    """
    if dataset.layout == "ferplus":
        return _check_votes(dataset)
    if dataset.layout not in _CLAIMS or dataset.label_names != FER2013.labels:
        return ()
    if dataset.layout != "csv" and dataset.votes is None and len(dataset) < _FER2013_LIKE:
        return ()
    if not (dataset.labels >= 0).any():  # votes alone, converted from a FER+ folder
        return _check_votes(dataset)
    notes = (
        _check_folders(dataset) if dataset.layout == "folders" else _check_splits(dataset, SPLITS)
    )
    return notes + _check_votes(dataset)


def _check_splits(dataset: Dataset, splits: tuple[str, ...]) -> tuple[str, ...]:
    notes = []
    differences = []
    for split in splits:
        counts = class_counts(dataset, split)
        if not counts.any():
            usage = USAGES[SPLITS.index(split)]
            notes.append(
                f"There is no {split} split ({usage}, {sum(CLASS_COUNTS[split]):,} images)."
            )
        else:
            differences += _differences(split, counts, CLASS_COUNTS[split])
    if differences:
        notes.insert(0, f"This is not FER2013 as published: {'; '.join(differences)}.")
    return tuple(notes)


def _differences(split: str, counts: NDArray[np.int64], published: tuple[int, ...]) -> list[str]:
    if counts.sum() != sum(published):
        return [f"{split} has {counts.sum():,} images, published are {sum(published):,}"]
    wrong = [
        f"{count:,} {name} (published {expected:,})"
        for name, count, expected in zip(FER2013.labels, counts, published, strict=True)
        if count != expected
    ]
    return [f"{split} has {', '.join(wrong)}"] if wrong else []


def _check_folders(dataset: Dataset) -> tuple[str, ...]:
    """The folder layout says less of its origin: its test/ is one or both of FER2013's two."""
    has_valid = bool(class_counts(dataset, "valid").any())
    test = class_counts(dataset, "test")
    if np.array_equal(test, _PUBLIC + _PRIVATE):
        origin = (
            f"test/ mixes PublicTest and PrivateTest ({test.sum():,} images): a score on it is comparable with "
            "neither, and choosing anything on it is choosing on the final test."
        )
    elif np.array_equal(test, _PUBLIC):
        origin = f"test/ is PublicTest ({test.sum():,} images), which elsewhere is the valid split."
    elif np.array_equal(test, _PRIVATE):
        return _check_splits(
            dataset, ("train", "valid", "test") if has_valid else ("train", "test")
        )
    else:
        return _check_splits(dataset, SPLITS if has_valid else ("train", "test"))
    return (*_check_splits(dataset, ("train", "valid") if has_valid else ("train",)), origin)


def _check_votes(dataset: Dataset) -> tuple[str, ...]:
    if dataset.votes is None:
        return ()
    kept = majority(dataset.votes) >= 0
    differences = []
    for index, split in enumerate(SPLITS):
        rows = dataset.split == index
        count = int(kept[rows].sum())
        published = STRICT_MAJORITY[split]
        # The published folder lacks the repeated names; one made from all rows has them.
        repeated = _REPEATED_NAMES.get(split, 0) if dataset.layout == "ferplus" else 0
        if rows.any() and count not in (published, published - repeated):
            differences.append(f"{count:,} of {split} (published {published:,})")
    if not differences:
        return ()
    return (f"This is not FER+ as published: a strict majority keeps {', '.join(differences)}.",)
