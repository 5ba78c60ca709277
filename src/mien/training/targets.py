"""From labels and votes to what the loss compares with: one distribution over classes a row and head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.data import ferplus
from mien.data.dataset import Dataset
from mien.errors import DataError
from mien.labels import FER2013, FERPLUS, FERPLUS_VOTES, expression_indices
from mien.recipe import HeadOptions

__all__ = ["Targets", "head_labels", "make_targets"]


@dataclass(frozen=True, eq=False)
class Targets:
    """What one head is to learn."""

    probs: NDArray[np.float32]
    """(N, C): a distribution, or for multi_target the set of right answers as ones."""
    counts: NDArray[np.float32]
    """(N,): 1 where the row counts, 0 where it does not."""
    any_of: bool = False
    """Whether any one of the marked classes is a right answer (FER+'s multi_target)."""


def head_labels(options: HeadOptions, data: Dataset) -> tuple[str, ...]:
    """Return the label names of a head, in the order of its logits."""
    named = {"fer2013": FER2013, "ferplus": FERPLUS, "ferplus-votes": FERPLUS_VOTES}
    return data.label_names if options.labels == "own" else named[options.labels].labels


def make_targets(options: HeadOptions, data: Dataset, chances: NDArray[np.floating]) -> Targets:
    """Make a head's targets.

    Args:
        options: Which labels, in which mode.
        data: N rows with labels or votes.
        chances: (N,) uniform in [0, 1): the luck of ``probability``, drawn anew each epoch.

    Raises:
        DataError: If the data lacks the labels or votes that the head learns from.
    """
    if options.labels in ("fer2013", "own"):
        return _hard(_class_labels(options, data), len(head_labels(options, data)))
    if data.votes is None:
        raise DataError(
            f"The head '{options.labels}' learns from FER+ votes and this data ({data.layout}) has none. "
            'Put fer2013new.csv beside it, or choose heads.labels = "fer2013".'
        )
    targets = _from_votes(options, data.votes, chances)
    if options.min_votes:
        enough = data.votes[:, : len(FERPLUS)].sum(axis=1) >= options.min_votes
        targets = Targets(targets.probs, targets.counts * enough, targets.any_of)
    return targets


def _class_labels(options: HeadOptions, data: Dataset) -> NDArray[np.int64]:
    """Labels in the head's order, whatever the order and spelling of the data's."""
    if options.labels == "own":
        return data.labels
    try:
        places = expression_indices(FER2013.labels, data.label_names)
    except ValueError as error:
        raise DataError(
            f"The head 'fer2013' cannot learn from this data's labels: {error} Choose heads.labels = \"own\"."
        ) from None
    return np.where(data.labels < 0, -1, places[data.labels]).astype(np.int64)


def _hard(labels: NDArray[np.int64], num_classes: int) -> Targets:
    known = labels >= 0
    probs = np.zeros((len(labels), num_classes), np.float32)
    probs[np.flatnonzero(known), labels[known]] = 1
    return Targets(probs, known.astype(np.float32))


def _from_votes(
    options: HeadOptions, votes: NDArray[np.uint8], chances: NDArray[np.floating]
) -> Targets:
    if options.labels == "ferplus-votes":
        labels = np.where(votes.any(axis=1), votes.argmax(axis=1), -1)
        return _hard(labels.astype(np.int64), len(FERPLUS_VOTES))
    expressions = votes[:, : len(FERPLUS)]
    if options.mode == "argmax":
        labels = np.where(expressions.any(axis=1), expressions.argmax(axis=1), -1)
        return _hard(labels.astype(np.int64), len(FERPLUS))
    if options.mode == "shares":
        total = expressions.sum(axis=1)  # (N,)
        shares = expressions / np.maximum(total, 1)[:, None]
        return Targets(shares.astype(np.float32), (total > 0).astype(np.float32))
    if options.mode == "majority":
        return _hard(ferplus.majority(votes), len(FERPLUS))
    if options.mode == "probability":
        return _hard(ferplus.probability(votes, chances), len(FERPLUS))
    mode = ferplus.crossentropy if options.mode == "crossentropy" else ferplus.multi_target
    probs = np.asarray(mode(votes), np.float32)
    usable = np.asarray(probs.any(axis=1), np.float32)
    return Targets(probs, usable, options.mode == "multi_target")
