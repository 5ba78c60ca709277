"""Labelled faces: readers for the layouts in which people have FER2013 and FER+, FER+'s votes, augmentation, drawn faces.

Everything that reads gives one `Dataset`; `open_dataset` finds out which reader a path needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mien.data.catalog import open_dataset
    from mien.data.dataset import SPLITS, Dataset

__all__ = ["SPLITS", "Dataset", "open_dataset"]

# Loaded when first used: the vote modes of `mien.data.ferplus` need NumPy and nothing else.
_HOMES = {
    "SPLITS": "mien.data.dataset",
    "Dataset": "mien.data.dataset",
    "open_dataset": "mien.data.catalog",
}


def __getattr__(name: str) -> Any:
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module 'mien.data' has no attribute '{name}'") from None
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return __all__
