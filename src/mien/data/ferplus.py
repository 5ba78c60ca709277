"""From ten FER+ votes to a training target: the four modes of the FER+ authors, over whole arrays.

NumPy only. Reading ``fer2013new.csv`` is `mien.data.votes`; the order of the columns is `labels.FERPLUS_VOTES`.

What the modes share: a single vote counts as a slip of the hand and is set to zero, so that shares are taken of
the votes that are left. *Unknown* and *NF* (not a face) stand for election like the expressions do, and count in
the total; a row that they win, and a row without any vote, is unusable. Once a row is accepted its target is
spread over the eight expressions alone.

Source:
    Barsoum et al. 2016, https://arxiv.org/abs/1608.01041, section 4; where the paper leaves room, their program
    https://github.com/microsoft/FERPlus (``src/ferplus.py``) decides.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.labels import FERPLUS, FERPLUS_VOTES

__all__ = [
    "NOT_A_FACE_VOTES",
    "crossentropy",
    "majority",
    "multi_target",
    "not_a_face",
    "probability",
]

NOT_A_FACE_VOTES = 5
"""From this many of ten votes for *NF* on, a picture is taken for no face."""

_EXPRESSIONS = len(FERPLUS)
_COLUMNS = len(FERPLUS_VOTES)


def majority(votes: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the expression that more than half of the votes name.

    Args:
        votes: (N, 10) counts in the order of `labels.FERPLUS_VOTES`.

    Returns:
        (N,) indices into `labels.FERPLUS`; -1 where nothing has more than half of the votes that are left after
        single ones are dropped, or where what has is *unknown* or *NF*.

    Raises:
        InputError: If the array is not (N, 10).
    """
    counts = _without_single_votes(votes)
    top = counts.argmax(axis=1)  # (N,)
    strict = 2 * counts.max(axis=1, initial=0) > counts.sum(axis=1)
    return np.where(strict & (top < _EXPRESSIONS), top, -1)


def crossentropy(votes: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return the distribution of the leading expressions.

    Votes are taken from the highest count down until they hold three quarters of all, at most three expressions;
    equal counts are taken together. A row is unusable when equal counts make that more than three expressions,
    when what was taken is not more than half, or when *unknown* or *NF* leads alone. Either of them further down
    ends the taking and is left out.

    Args:
        votes: (N, 10) counts in the order of `labels.FERPLUS_VOTES`.

    Returns:
        (N, 8) in the order of `labels.FERPLUS`; rows sum to 1, those of unusable rows to 0.

    Raises:
        InputError: If the array is not (N, 10).
    """
    left = _without_single_votes(votes)
    total = left.sum(axis=1)
    taken = np.zeros_like(left[:, :_EXPRESSIONS])
    passed = np.zeros_like(total)  # votes gone through, those of unknown and NF among them
    count = np.zeros_like(total)
    is_open = np.ones(len(left), bool)
    for _ in range(3):  # each round takes at least one expression, or closes the row
        is_open &= (4 * passed < 3 * total) & (count < 3)
        highest = left.max(axis=1, initial=0)
        tied = (left == highest[:, None]) & (is_open & (highest > 0))[:, None]
        taken += np.where(tied, left, 0)[:, :_EXPRESSIONS]
        count += tied[:, :_EXPRESSIONS].sum(axis=1)
        passed += np.where(tied, left, 0).sum(axis=1)
        left = np.where(tied, 0, left)
        is_open &= ~tied[:, _EXPRESSIONS:].any(axis=1)
    usable = (2 * taken.sum(axis=1) > total) & (count <= 3)
    return _shares(taken, usable)


def probability(votes: NDArray[np.integer], uniform: NDArray[np.floating]) -> NDArray[np.int64]:
    """Draw one expression a picture from its `crossentropy` distribution; drawn anew each time it is presented.

    Args:
        votes: (N, 10) counts in the order of `labels.FERPLUS_VOTES`.
        uniform: (N,) draws in [0, 1). They are passed in so that a run can be repeated.

    Returns:
        (N,) indices into `labels.FERPLUS`; -1 where the row is unusable.

    Raises:
        InputError: If the array is not (N, 10), or there is not one draw a row.
    """
    shares = crossentropy(votes)
    if uniform.shape != (len(shares),):
        raise InputError(f"{len(shares)} rows of votes need as many draws; got {uniform.shape}.")
    usable = shares.any(axis=1)
    below = np.cumsum(shares, axis=1, dtype=np.float64)  # (N, 8)
    # Float32 shares may add up to a little less than 1; divided, a draw never falls behind the last expression.
    below /= np.where(usable, below[:, -1], 1.0)[:, None]
    drawn = (uniform[:, None] >= below).sum(axis=1)
    return np.where(usable, drawn, -1)


def multi_target(votes: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return every expression with at least 30 % of the votes, each as good as the others.

    A row is unusable when those columns, *unknown* and *NF* among them, hold no more than half of the votes, or
    when *unknown* or *NF* has more votes than every expression. The authors' program also moves each target a
    thousandth towards 1, for its loss; that is left to the loss.

    Args:
        votes: (N, 10) counts in the order of `labels.FERPLUS_VOTES`.

    Returns:
        (N, 8) of 0 and 1 in the order of `labels.FERPLUS`; all 0 where the row is unusable.

    Raises:
        InputError: If the array is not (N, 10).
    """
    counts = _without_single_votes(votes)
    total = counts.sum(axis=1)
    kept = np.where(10 * counts >= 3 * total[:, None], counts, 0)
    usable = (2 * kept.sum(axis=1) > total) & (kept.argmax(axis=1) < _EXPRESSIONS)
    is_target = (kept[:, :_EXPRESSIONS] > 0) & usable[:, None]
    return np.asarray(is_target, np.float32)


def not_a_face(votes: NDArray[np.integer], least: int = NOT_A_FACE_VOTES) -> NDArray[np.bool_]:
    """Tell which rows have so many votes for *NF*.

    Args:
        votes: (N, 10) counts in the order of `labels.FERPLUS_VOTES`.
        least: Votes that suffice.

    Returns:
        (N,)
    """
    return votes[:, FERPLUS_VOTES.labels.index("NF")] >= least


def _without_single_votes(votes: NDArray[np.integer]) -> NDArray[np.int64]:
    if votes.ndim != 2 or votes.shape[1] != _COLUMNS:
        raise InputError(
            f"FER+ votes are (N, {_COLUMNS}): {', '.join(FERPLUS_VOTES.labels)}; got {votes.shape}."
        )
    return np.where(votes > 1, votes, 0).astype(np.int64)


def _shares(counts: NDArray[np.int64], usable: NDArray[np.bool_]) -> NDArray[np.float32]:
    total = counts.sum(axis=1, keepdims=True)
    shares = np.zeros(counts.shape, np.float32)
    shares[usable] = counts[usable] / total[usable]  # a usable row has votes
    return shares
