"""The order of a data set's classes, and which split a name speaks of: what several readers must agree on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mien.data.dataset import SPLITS
from mien.labels import FER2013, FERPLUS, canonical

__all__ = ["USAGES", "class_meaning", "class_order", "split_of_name", "split_of_usage"]

USAGES = ("Training", "PublicTest", "PrivateTest")
"""FER2013's own words for `SPLITS`."""

_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "dev": "valid",
    "test": "test",
    "testing": "test",
    "publictest": "valid",
    "privatetest": "test",
}


def class_meaning(name: str) -> str:
    """Return what names of one class have in common where folders hold them: happy, Happy and happiness."""
    return canonical(name) or name.casefold()


def class_order(found: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Bring class names to the order that the rest of mien knows.

    Args:
        found: Class names as a data set spells and orders them.

    Returns:
        The names in order: those of `labels.FER2013` or `labels.FERPLUS` when ``found`` is exactly one of these sets
        in any spelling, else ``found`` as it is. And (len(found),) where each found class stands in them.
    """
    keys = [canonical(name) or name for name in found]
    for known in (FER2013, FERPLUS):
        order = [canonical(name) or name for name in known.labels]
        if len(keys) == len(order) and set(keys) == set(order):
            return known.labels, np.array([order.index(key) for key in keys], np.int64)
    return tuple(found), np.arange(len(found), dtype=np.int64)


def split_of_name(name: str) -> int | None:
    """Return the index in `SPLITS` that a folder's name, or a word of a file, speaks of; None if of none."""
    split = _SPLIT_NAMES.get(name.strip().lower())
    return None if split is None else SPLITS.index(split)


def split_of_usage(usage: str) -> int | None:
    """Return the index in `SPLITS` of FER2013's word for it, in any case; None if it is no such word."""
    words = [word.lower() for word in USAGES]
    usage = usage.strip().lower()
    return words.index(usage) if usage in words else None
