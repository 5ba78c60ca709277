"""The mistakes of a network, the surest first, and which of them may be the label's mistake instead."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.data.dataset import Dataset
from mien.data.ferplus import majority, not_a_face
from mien.data.likeness import fingerprint
from mien.data.row_names import row_name
from mien.errors import InputError
from mien.evaluation.predictions import Predictions
from mien.labels import FERPLUS, FERPLUS_VOTES, canonical

__all__ = ["DOUBTS", "Mistake", "Mistakes", "find_mistakes"]

DOUBTS: Mapping[str, str] = {
    "votes": "FER+'s voters chose the model's answer over the label",
    "label": "FER2013's label is the model's answer, and FER+'s majority is not",
    "copy": "an identical picture in the data carries the model's answer as its label",
    "not a face": "half of FER+'s voters or more saw no face",
    "blank": "all pixels are the same",
}
"""Reasons to doubt a label rather than the model."""


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """One picture that the network called something else than its label."""

    row: int
    """Row number in the data set."""
    name: str
    """What the picture is called; its row number where it has no name."""
    truth: str
    answer: str
    confidence: float
    """Of the answer, 0 to 1."""
    truth_prob: float
    """Probability that the network left for the truth, 0 to 1."""
    doubts: Mapping[str, str]
    """Those of `DOUBTS` that hold, with what was found: ``{"votes": "happiness 8, neutral 2"}``."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Mistakes:
    """All mistakes of a result."""

    found: tuple[Mistake, ...]
    """The most confident first."""
    n: int
    """Pictures scored."""
    counts: Mapping[str, int]
    """Doubt -> mistakes to which it applies."""
    doubtful: int
    """Mistakes with any doubt."""
    confusions: Mapping[tuple[str, str], int]
    """(truth, answer) -> mistakes, the most frequent first."""


def find_mistakes(predictions: Predictions, dataset: Dataset) -> Mistakes:
    """List the mistakes of a result with the reasons to doubt their labels.

    Args:
        predictions: Of one protocol.
        dataset: The data that was scored, read at the same size.

    Raises:
        InputError: If the data is not what was scored.
    """
    _check_same_data(predictions, dataset)
    guesses, probs = predictions.predicted, predictions.probs
    wrong = np.flatnonzero(guesses != predictions.targets)
    wrong = wrong[np.argsort(-probs[wrong, guesses[wrong]], kind="stable")]
    copies = _labels_of_copies(predictions, dataset, predictions.rows[wrong])
    found = []
    for place in wrong:
        row, truth, guess = (
            int(values[place]) for values in (predictions.rows, predictions.targets, guesses)
        )
        answer = predictions.labels[guess]
        found.append(
            Mistake(
                row=row,
                name=row_name(dataset, row),
                truth=predictions.labels[truth],
                answer=answer,
                confidence=float(probs[place, guess]),
                truth_prob=float(probs[place, truth]),
                doubts=_doubts(dataset, row, predictions.labels[truth], answer, copies[row]),
            )
        )
    return Mistakes(
        found=tuple(found),
        n=len(guesses),
        counts=Counter(doubt for one in found for doubt in one.doubts),
        doubtful=sum(bool(one.doubts) for one in found),
        confusions=dict(Counter((one.truth, one.answer) for one in found).most_common()),
    )


def _check_same_data(predictions: Predictions, dataset: Dataset) -> None:
    same_size = dataset.images.shape[1] == predictions.image_size
    if same_size and len(dataset) > predictions.rows.max():
        pictures = np.ascontiguousarray(dataset.images[predictions.rows])
        if hashlib.sha256(pictures.data).hexdigest() == predictions.pictures_hash:
            return
    raise InputError(
        f"These predictions of {predictions.model} were not made on this data: expected the pictures of "
        f"{predictions.protocol} (data {predictions.data_hash[:12]}), of {predictions.image_size} px, in rows "
        f"{predictions.rows.min()} to {predictions.rows.max()}. Give the --data that was evaluated."
    )


def _doubts(
    dataset: Dataset, row: int, truth: str, answer: str, copies: Sequence[str]
) -> dict[str, str]:
    doubts = {}
    if dataset.votes is not None and dataset.votes[row].any():
        votes = dataset.votes[row].astype(int)
        if _is_voted(votes, answer, truth):
            doubts["votes"] = _as_text(votes)
        if not_a_face(votes[None])[0]:
            doubts["not a face"] = f"NF {votes[-1]} of {votes.sum()}"
        label = int(dataset.labels[row])
        if label >= 0 and _same(dataset.label_names[label], answer):
            doubts["label"] = dataset.label_names[label]
    if any(_same(copy, answer) for copy in copies):
        doubts["copy"] = ", ".join(sorted(set(copies)))
    if dataset.take(np.array([row])).is_blank[0]:
        doubts["blank"] = f"grey {dataset.images[row].flat[0]}"
    return doubts


def _is_voted(votes: NDArray[np.int_], answer: str, truth: str) -> bool:
    """Whether more voters chose the answer than the truth; a truth that FER+ lacks has no votes."""
    by_name = {canonical(name): votes[place] for place, name in enumerate(FERPLUS_VOTES.labels)}
    return bool(by_name.get(canonical(answer), 0) > by_name.get(canonical(truth), 0))


def _as_text(votes: NDArray[np.int_]) -> str:
    names = FERPLUS_VOTES.labels
    return ", ".join(
        f"{names[i]} {votes[i]}" for i in np.argsort(-votes, kind="stable") if votes[i]
    )


def _same(one: str, other: str) -> bool:
    return (canonical(one) or one) == (canonical(other) or other)


def _labels_of_copies(
    predictions: Predictions, dataset: Dataset, rows: NDArray[np.int64]
) -> dict[int, list[str]]:
    """Return, for each row, what its pixel-identical copies in the data are called under the same kind of truth."""
    truths = _truths(predictions, dataset)
    places: dict[bytes, list[int]] = defaultdict(list)
    for place, image in enumerate(dataset.images):
        places[fingerprint(image)].append(place)
    same = {row: twins for twins in places.values() if len(twins) > 1 for row in twins}
    return {
        int(row): [truths[twin] for twin in same.get(int(row), []) if twin != row and truths[twin]]
        for row in rows
    }


def _truths(predictions: Predictions, dataset: Dataset) -> list[str]:
    """Return what every row of the data is called; an empty name where it has no truth."""
    if predictions.protocol.startswith("ferplus-argmax10") and dataset.votes is not None:
        return [FERPLUS_VOTES.labels[one.argmax()] if one.any() else "" for one in dataset.votes]
    if predictions.protocol.startswith("ferplus") and dataset.votes is not None:
        return ["" if one < 0 else FERPLUS.labels[one] for one in majority(dataset.votes)]
    return ["" if one < 0 else dataset.label_names[one] for one in dataset.labels]
