"""The order of training: which rows come when, as a pure function of (seed, epoch)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["epoch_batches", "num_batches"]


def num_batches(num_rows: int, batch_size: int) -> int:
    """Return the batches of an epoch. A last partial one is left out, for BN needs full ones; a lone one stays."""
    return max(1, num_rows // batch_size)


def epoch_batches(
    num_rows: int, batch_size: int, seed: int, epoch: int, first: int = 0
) -> Iterator[NDArray[np.intp]]:
    """Yield the row numbers of each batch of a shuffled epoch, from batch ``first`` on."""
    order = np.random.default_rng([seed, epoch, 0]).permutation(num_rows)
    for batch in range(first, num_batches(num_rows, batch_size)):
        yield order[batch * batch_size : (batch + 1) * batch_size]
