"""Run a network over a split and score what it answers; the same for ONNX and PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.data.dataset import Dataset
from mien.errors import DataError, InputError, TrainingError
from mien.evaluation.protocols import Protocol, copies_of_training, protocols
from mien.evaluation.scores import Scores, score
from mien.evaluation.slices import (
    MIN_GROUP,
    Slice,
    check_names,
    picture_groups,
    slice_scores,
    vote_groups,
)
from mien.evaluation.views import Predictor, averaged
from mien.modelfile import Head, ModelInfo
from mien.preprocess import InputSpec, fit
from mien.softmax import softmax

__all__ = [
    "Result",
    "checked_logits",
    "evaluate",
    "predict_logits",
    "sample",
    "sample_rows",
    "scored_protocols",
]


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """One head scored on one protocol: the scores, and the arrays that reports draw from."""

    protocol: str
    """For example ``"fer2013-publictest"`` or ``"ferplus-majority-publictest"``."""
    head: Head
    split: str
    views: str
    data: dict[str, Any]
    """Content hash and layout of the data set."""
    rows: NDArray[np.intp] = field(repr=False)
    """(n,) row numbers in the data set."""
    targets: NDArray[np.int64] = field(repr=False)
    """(n,) true classes, as places in the head's labels."""
    logits: NDArray[np.float32] = field(repr=False)
    """(n, C), averaged over the views."""
    scores: Scores = field(repr=False)
    slices: tuple[Slice, ...] = field(repr=False)
    """Accuracy on thirds of the pictures: by brightness, contrast, sharpness, agreement of the votes."""
    divisions: Mapping[str, NDArray[np.str_]] = field(default_factory=dict, repr=False)
    """What ``slices`` was made from: for each division (n,) names of groups."""

    @property
    def is_final_test(self) -> bool:
        """Whether this split is the one to look at once; PublicTest in a folder called ``test`` is not."""
        return self.split == "test" and "-publictest" not in self.protocol

    @property
    def probs(self) -> NDArray[np.float64]:
        """(n, C) calibrated probabilities."""
        return softmax(self.logits, self.head.temperature)

    @property
    def predictions(self) -> NDArray[np.int64]:
        """(n,) predicted classes."""
        return np.asarray(self.logits.argmax(axis=1))

    def sliced(
        self, columns: Mapping[str, Sequence[str] | NDArray[np.str_]], min_group: int = MIN_GROUP
    ) -> Result:
        """Return the result with its slices made anew, groups of one's own among them.

        Args:
            columns: For each division of one's own (n,) names of groups, beside `divisions`.
            min_group: Groups with fewer pictures are left out.

        Raises:
            InputError: If a column does not name a group for each picture, or is called as one of `divisions`.
        """
        check_names(columns, has_votes="votes" in self.divisions)
        divisions = {**self.divisions, **columns}
        correct = self.predictions == self.targets
        return replace(self, slices=slice_scores(correct, divisions, min_group))


def evaluate(  # noqa: PLR0913 - each is a choice of its own, and five have a default
    predict: Predictor,
    info: ModelInfo,
    dataset: Dataset,
    split: str,
    *,
    views: str = "none",
    batch_size: int = 256,
    keep: NDArray[np.bool_] | None = None,
    on_batch: Callable[[int], None] | None = None,
) -> tuple[Result, ...]:
    """Score every head of a model that the data can score.

    Args:
        predict: The network: `modelfile.Model.logits`, or `models.predict.network_predictor` of one.
        info: Its record: heads, input, temperatures.
        dataset: Labelled faces. With its training rows in it, the score without copies is computed too.
        split: ``"valid"`` to choose by, ``"test"`` once at the end.
        views: One of `views.VIEWS`.
        batch_size: Faces a call; it changes the speed only.
        keep: (N,) for every row of the data whether it is scored: `mien.data.clean.CleanLists.kept`. The
            protocols are then called ``…-clean``. None scores them all.
        on_batch: Called with the number of faces done after each batch.

    Returns:
        One result a protocol, in the order of the heads.

    Raises:
        DataError: If no head can be scored on this data, or the split is not there, or nothing of it is kept.
        InputError: If the split or batch size is impossible.
        UnknownNameError: If there are no such views.
        TrainingError: If the network gives anything but finite numbers.
    """
    found = scored_protocols(info, dataset, split, keep)
    rows = np.unique(np.concatenate([protocol.rows for protocol in found]))
    logits = predict_logits(
        predict,
        dataset.images[rows],
        info.input,
        views=views,
        batch_size=batch_size,
        on_batch=on_batch,
    )
    is_copy = None if split == "train" else copies_of_training(dataset, rows)
    data = {"hash": dataset.content_hash, "layout": dataset.layout}
    results = []
    for protocol in found:
        head = info.head(protocol.head)
        places = np.searchsorted(rows, protocol.rows)
        answers = checked_logits(logits, head, rows)[places]
        scores = score(
            answers,
            protocol.targets,
            head.labels,
            temperature=head.temperature,
            is_copy=None if is_copy is None else is_copy[places],
            shares=protocol.shares,
        )
        divisions = picture_groups(dataset.images[protocol.rows])
        if protocol.shares is not None:
            divisions |= vote_groups(protocol.shares)
        results.append(
            Result(
                protocol=protocol.name,
                head=head,
                split=split,
                views=views,
                data=data,
                rows=protocol.rows,
                targets=protocol.targets,
                logits=answers,
                scores=scores,
                slices=slice_scores(answers.argmax(axis=1) == protocol.targets, divisions),
                divisions=divisions,
            )
        )
    return tuple(results)


def scored_protocols(
    info: ModelInfo, dataset: Dataset, split: str, keep: NDArray[np.bool_] | None = None
) -> tuple[Protocol, ...]:
    """Return what `evaluate` scores, in the order of its results; the arguments are as there.

    Raises:
        DataError: If no head can be scored on this data, or the split is not there, or nothing of it is kept.
        InputError: If there is no such split.
    """
    found = protocols(info.heads, dataset, split)
    if keep is None:
        return found
    kept = tuple(cleaned for one in found if len((cleaned := one.without(keep)).rows))
    if not kept:
        raise DataError(
            f"The clean lists leave nothing of the {split} split; make them anew: mien data audit PATH "
            "--write-clean FILE"
        )
    return kept


def predict_logits(
    predict: Predictor,
    images: NDArray[np.uint8],
    spec: InputSpec,
    *,
    views: str = "none",
    batch_size: int = 256,
    on_batch: Callable[[int], None] | None = None,
) -> dict[str, NDArray[np.float32]]:
    """Return the logits of each head for grey faces of any one size.

    Args:
        predict: The network.
        images: uint8 (N, H, W), N at least 1.
        spec: What the network expects.
        views: One of `views.VIEWS`.
        batch_size: Faces a call.
        on_batch: Called with the number of faces done after each batch.

    Raises:
        InputError: If there are no faces, or the batch size is not positive.
    """
    if batch_size < 1 or not len(images):
        raise InputError(
            f"{len(images)} faces in batches of {batch_size}: both must be at least 1."
        )
    parts: list[dict[str, NDArray[np.float32]]] = []
    for start in range(0, len(images), batch_size):
        faces = np.stack([fit(image, spec) for image in images[start : start + batch_size]])
        parts.append(averaged(predict, faces, views))
        if on_batch is not None:
            on_batch(len(faces))
    return {head: np.concatenate([part[head] for part in parts]) for head in parts[0]}


def sample(dataset: Dataset, split: str, n: int, rng: np.random.Generator) -> Dataset:
    """Return the data with only ``n`` pictures in a split, drawn at random; the other splits stay whole.

    Raises:
        DataError: If the split is not there.
        InputError: If ``n`` is not positive.
    """
    return dataset.take(sample_rows(dataset, split, n, rng))


def sample_rows(dataset: Dataset, split: str, n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the rows that `sample` keeps, in order.

    Raises:
        DataError: If the split is not there.
        InputError: If ``n`` is not positive.
    """
    if n < 1:
        raise InputError(f"A sample of {n} pictures was asked for; expected 1 or more.")
    rows = dataset.rows(split)
    dropped = rng.permutation(rows)[n:]
    return np.setdiff1d(np.arange(len(dataset)), dropped)


def checked_logits(
    logits: Mapping[str, NDArray[np.float32]], head: Head, rows: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Return a head's logits once they are known to be numbers, one row a picture, one column a label.

    Args:
        logits: From `predict_logits`.
        head: Whose logits.
        rows: (n,) row numbers of the pictures, for messages.

    Raises:
        InputError: If there is no such head, or it gave other than (n, C).
        TrainingError: If some are NaN or infinity.
    """
    if head.name not in logits:
        raise InputError(
            f"The network gives {', '.join(logits)}; its record promises a head '{head.name}'."
        )
    answers = logits[head.name]
    if answers.shape != (len(rows), len(head.labels)):
        raise InputError(
            f"The head '{head.name}' gave {answers.shape} logits for {len(rows)} faces and {len(head.labels)} labels."
        )
    broken = ~np.isfinite(answers).all(axis=1)
    if broken.any():
        raise TrainingError(
            f"The network gives NaN or infinity for {broken.sum()} of {len(rows)} faces (first in row "
            f"{rows[broken.argmax()]}), so it has no score. Its training diverged: train it again with a lower "
            "learning rate or clipped gradients."
        )
    return answers
