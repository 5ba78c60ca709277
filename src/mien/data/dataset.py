"""The one thing that every reader gives: labelled faces in memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError, InputError

__all__ = ["SPLITS", "Dataset"]

SPLITS = ("train", "valid", "test")
"""Training, PublicTest, PrivateTest in FER2013's words."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Dataset:
    """Labelled faces, all of one size, as arrays of N rows."""

    images: NDArray[np.uint8]
    """(N, H, W) grey."""
    labels: NDArray[np.int64]
    """(N,) indices into `label_names`; -1 where a picture has no label."""
    label_names: tuple[str, ...]
    """What the labels mean."""
    split: NDArray[np.uint8]
    """(N,) indices into `SPLITS`."""
    votes: NDArray[np.uint8] | None = None
    """(N, 10) FER+ votes in the order of `labels.FERPLUS_VOTES`; all zero where a row has none. None without FER+."""
    names: NDArray[np.str_] | None = None
    """(N,) what a row is called, for messages and error sheets; None when rows have only a number."""
    layout: str = "memory"
    """Which reader it came through."""
    notes: tuple[str, ...] = ()
    """What the user should know about this data: the warnings of `mien data info`."""

    def __post_init__(self) -> None:
        n = len(self.images)
        if self.images.ndim != 3 or self.images.dtype != np.uint8:
            raise InputError(
                f"Images are uint8 (N, H, W); got {self.images.dtype} {self.images.shape}."
            )
        for field in ("labels", "split", "votes", "names"):
            values = getattr(self, field)
            if values is not None and len(values) != n:
                raise InputError(f"{n} images have {len(values)} {field}.")
        if n and not -1 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.label_names):
            raise InputError(f"Labels lie outside 0…{len(self.label_names) - 1} (or -1 for none).")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def is_blank(self) -> NDArray[np.bool_]:
        """(N,) where all pixels of an image are the same."""
        flat = self.images.reshape(len(self), -1)
        blank: NDArray[np.bool_] = flat.min(axis=1) == flat.max(axis=1)
        return blank

    @property
    def content_hash(self) -> str:
        """SHA-256 over everything that training or a score depends on, as 64 hex digits."""
        digest = hashlib.sha256()
        digest.update(repr((self.images.shape, self.label_names)).encode())
        for values in (self.images, self.labels.astype("<i8"), self.split, self.votes):
            if values is not None:
                digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()

    def rows(self, split: str) -> NDArray[np.intp]:
        """Return the row numbers of a split, in order.

        Raises:
            InputError: If there is no such split.
            DataError: If this data has no rows in it.
        """
        if split not in SPLITS:
            raise InputError(f"There is no split '{split}'; expected one of {', '.join(SPLITS)}.")
        rows = np.flatnonzero(self.split == SPLITS.index(split))
        if not len(rows):
            present = [name for i, name in enumerate(SPLITS) if (self.split == i).any()]
            raise DataError(
                f"This data has no {split} split; it has {', '.join(present) or 'no rows'}."
            )
        return rows

    def take(self, rows: NDArray[np.intp]) -> Dataset:
        """Return the given rows as a data set of their own."""
        return replace(
            self,
            images=self.images[rows],
            labels=self.labels[rows],
            split=self.split[rows],
            votes=None if self.votes is None else self.votes[rows],
            names=None if self.names is None else self.names[rows],
        )
