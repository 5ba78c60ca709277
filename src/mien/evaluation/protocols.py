"""What each head of a model is scored against, and what that score is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mien.data.classes import USAGES
from mien.data.dataset import SPLITS, Dataset
from mien.data.ferplus import majority
from mien.data.likeness import fingerprint
from mien.data.published import CLASS_COUNTS, STRICT_MAJORITY
from mien.errors import DataError
from mien.labels import FER2013, FERPLUS, FERPLUS_VOTES, canonical, expression_indices
from mien.modelfile import Head

__all__ = ["Protocol", "copies_of_training", "is_chosen_on", "protocols"]

_LAST_TESTS = ("privatetest", "test")


@dataclass(frozen=True, eq=False, kw_only=True)
class Protocol:
    """The pictures and the truth that one head is scored on."""

    name: str
    """For example ``"fer2013-publictest"``: the data's own name only where its counts are the published ones."""
    head: str
    """Which head of the model answers."""
    rows: NDArray[np.intp]
    """(n,) row numbers in the data set."""
    targets: NDArray[np.int64]
    """(n,) true classes, as places in the head's labels."""
    shares: NDArray[np.float64] | None = None
    """(n, C) how the FER+ votes for the eight expressions were spread; None for labels without votes."""

    def without(self, keep: NDArray[np.bool_]) -> Protocol:
        """Return the protocol on fewer pictures, under a name of its own: such a score compares with no other.

        Args:
            keep: (N,) for every row of the data set, whether it stays.
        """
        kept = keep[self.rows]
        return replace(
            self,
            name=f"{self.name}-clean",
            rows=self.rows[kept],
            targets=self.targets[kept],
            shares=None if self.shares is None else self.shares[kept],
        )


def protocols(heads: Sequence[Head], dataset: Dataset, split: str) -> tuple[Protocol, ...]:
    """Return how each head can be scored on this data; heads that it says nothing about are left out.

    A head with all FER+ expressions is scored on the strict majority of the votes; one that has *unknown* and *NF*
    too, on the most voted of the ten columns besides, and on that alone beside a head with just the eight. Other heads
    are scored on the labels that they share with the data. FER2013's labels are never used for a FER+ head when another
    head answers them: the two agree on two thirds of the pictures only.

    Args:
        heads: Of the model.
        dataset: Labelled faces.
        split: One of `mien.data.dataset.SPLITS`.

    Raises:
        DataError: If no head can be scored, or the split is not there.
        InputError: If there is no such split.
    """
    rows = dataset.rows(split)
    found = []
    for head in heads:
        if dataset.votes is not None and _has_all(head.labels, FERPLUS.labels):
            if _answers(head, heads, FERPLUS.labels):
                found.append(_on_votes(head, dataset, rows, split))
            if _keys(head.labels) == _keys(FERPLUS_VOTES.labels):
                found.append(_on_columns(head, dataset, rows, split))
        elif _answers(head, heads, dataset.label_names):
            found.append(_on_labels(head, dataset, rows, split))
    scored = tuple(protocol for protocol in found if len(protocol.rows))
    if not scored:
        answers = "; ".join(f"{head.name}: {', '.join(head.labels)}" for head in heads)
        raise DataError(
            f"Nothing in the {split} split can score this model. The data's labels are {', '.join(dataset.label_names)}"
            f"{'' if dataset.votes is None else ' and FER+ votes'}; the model answers {answers}. "
            "Use data whose labels the model knows."
        )
    return scored


def is_chosen_on(name: str) -> bool:
    """Tell of a protocol's name whether among its faces are some that networks and settings are chosen by.

    All but the last test's are; PublicTest's whatever the split is called that holds it, alone or beside PrivateTest.
    """
    return not any(word in _LAST_TESTS for word in name.split("-"))


def copies_of_training(dataset: Dataset, rows: NDArray[np.intp]) -> NDArray[np.bool_] | None:
    """Tell which pictures have a pixel-identical copy among the training pictures.

    Returns:
        (n,) for each of ``rows``; None when the data holds no training pictures to compare with.
    """
    training = np.flatnonzero(dataset.split == SPLITS.index("train"))
    if not len(training):
        return None
    known = {fingerprint(dataset.images[row]) for row in training}
    return np.array([fingerprint(dataset.images[row]) in known for row in rows], bool)


def _has_all(labels: Sequence[str], wanted: Sequence[str]) -> bool:
    return _keys(wanted) <= _keys(labels)


def _keys(labels: Sequence[str]) -> set[str]:
    return {canonical(label) or label for label in labels}


def _answers(head: Head, heads: Sequence[Head], label_names: Sequence[str]) -> bool:
    """A head with exactly these labels goes before heads that know them among others."""
    if any(_keys(other.labels) == _keys(label_names) for other in heads):
        return _keys(head.labels) == _keys(label_names)
    return _has_all(head.labels, label_names)


def _on_votes(head: Head, dataset: Dataset, rows: NDArray[np.intp], split: str) -> Protocol:
    assert dataset.votes is not None
    winners = majority(dataset.votes[rows])
    kept = winners >= 0
    places = expression_indices(head.labels, FERPLUS.labels)  # (8,) of FER+ expressions in the head
    counts = dataset.votes[rows[kept], : len(FERPLUS)].astype(np.float64)
    shares = np.zeros((len(counts), len(head.labels)))
    shares[:, places] = counts / counts.sum(axis=1, keepdims=True)
    return Protocol(
        name=f"ferplus-majority-{_ferplus_title(int(kept.sum())) or split}",
        head=head.name,
        rows=rows[kept],
        targets=places[winners[kept]].astype(np.int64),
        shares=shares,
    )


def _on_columns(head: Head, dataset: Dataset, rows: NDArray[np.intp], split: str) -> Protocol:
    """Score on the most voted column, ties to the first one, as projects do that read the votes as a label.

    Pictures in which all voters saw no face have no file name in ``fer2013new.csv``, so that such projects never
    see them; they are left out here too, however the data came.
    """
    assert dataset.votes is not None
    votes = dataset.votes[rows]
    kept = votes[:, : FERPLUS_VOTES.labels.index("NF")].any(axis=1)
    # (10,), of the columns in the head.
    places = expression_indices(head.labels, FERPLUS_VOTES.labels)
    title = _ferplus_title(int((majority(votes) >= 0).sum()))
    return Protocol(
        name=f"ferplus-argmax10-{title or split}",
        head=head.name,
        rows=rows[kept],
        targets=places[votes[kept].argmax(axis=1)].astype(np.int64),
    )


def _on_labels(head: Head, dataset: Dataset, rows: NDArray[np.intp], split: str) -> Protocol:
    labels = dataset.labels[rows]
    kept = labels >= 0
    places = expression_indices(head.labels, dataset.label_names)
    title = None if (labels < 0).any() else _fer2013_title(dataset.label_names, labels)
    name = f"labels-{split}" if title is None else f"fer2013-{title}"
    # A head that knows more labels can also answer wrongly in more ways: not the same task, not the same name.
    is_same = _keys(head.labels) == _keys(dataset.label_names)
    return Protocol(
        name=name if is_same else f"{name}-by-{head.name}",
        head=head.name,
        rows=rows[kept],
        targets=places[labels[kept]].astype(np.int64),
    )


def _ferplus_title(num_strict: int) -> str | None:
    """Recognise a split of FER+ by how many of its pictures have a strict majority."""
    for name, usage in zip(SPLITS, USAGES, strict=True):
        if STRICT_MAJORITY[name] == num_strict:
            return usage.lower()
    return None


def _fer2013_title(label_names: Sequence[str], labels: NDArray[np.int64]) -> str | None:
    """Recognise a split of FER2013 by its counts, because the folder layout's ``test/`` may be any of them."""
    if _keys(label_names) != _keys(FER2013.labels):
        return None
    order = expression_indices(label_names, FER2013.labels)
    counts = np.bincount(labels, minlength=len(FER2013))[order]
    known = {
        usage.lower(): np.array(CLASS_COUNTS[split])
        for split, usage in zip(SPLITS, USAGES, strict=True)
    }
    known["bothtests"] = known["publictest"] + known["privatetest"]
    for title, published in known.items():
        if np.array_equal(counts, published):
            return title
    return None
