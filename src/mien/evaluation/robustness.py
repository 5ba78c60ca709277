"""How much accuracy a network loses on worse pictures of the same faces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.data.dataset import Dataset
from mien.evaluation import metrics
from mien.evaluation.compare import paired_bootstrap
from mien.evaluation.corruptions import CORRUPTIONS, MIDDLE, corrupt
from mien.evaluation.evaluate import Result, checked_logits, evaluate, predict_logits
from mien.evaluation.intervals import Estimate, bootstrap
from mien.evaluation.views import Predictor
from mien.modelfile import ModelInfo
from mien.runtime import commit, machine

__all__ = [
    "LARGEST_DROP",
    "NUM_PASSES",
    "Robustness",
    "robustness",
    "robustness_row",
    "worst_middle",
]

LARGEST_DROP = 0.12
"""No corruption may cost more accuracy at its middle level."""

NUM_PASSES = 1 + sum(len(each.levels) for each in CORRUPTIONS)
"""How often the network sees every face: once clean, once for each level of each corruption."""


@dataclass(frozen=True, kw_only=True)
class Robustness:
    """One protocol's score under one corruption at one level."""

    protocol: str
    corruption: str
    level: int
    """0 mild, 1 middle, 2 strong."""
    what: str
    """The level in words."""
    n: int
    clean: float
    """Accuracy on the same pictures unchanged."""
    accuracy: Estimate
    drop: Estimate
    """Clean accuracy minus this one, with the interval of a paired bootstrap: both on the same pictures."""


def robustness(  # noqa: PLR0913 - each is a choice of its own, and five have a default
    predict: Predictor,
    info: ModelInfo,
    dataset: Dataset,
    split: str = "valid",
    *,
    views: str = "none",
    seed: int = 0,
    batch_size: int = 256,
    on_batch: Callable[[int], None] | None = None,
) -> tuple[Robustness, ...]:
    """Score every head of a model under every corruption.

    Args:
        predict: The network: `modelfile.Model.logits`, or `models.predict.network_predictor` of one.
        info: Its record.
        dataset: Labelled faces.
        split: Which of its faces.
        views: One of `views.VIEWS`.
        seed: Of the corruptions.
        batch_size: Faces a call; it changes the speed only.
        on_batch: Called with the number of faces done after each batch; each is seen `NUM_PASSES` times.

    Returns:
        For each protocol, in the order of the heads, all corruptions from mild to strong.

    Raises:
        DataError: If no head can be scored on this data, or the split is not there.
        TrainingError: If the network gives anything but finite numbers.
    """
    clean = evaluate(
        predict, info, dataset, split, views=views, batch_size=batch_size, on_batch=on_batch
    )
    rows = np.unique(np.concatenate([result.rows for result in clean]))
    # Counted in the whole split: which pictures are scored depends on the heads, and what happens to each must not.
    numbers = np.searchsorted(dataset.rows(split), rows)
    scores = []
    for corruption in CORRUPTIONS:
        for level in range(len(corruption.levels)):
            faces = corrupt(dataset.images[rows], corruption.name, level, seed, numbers)
            logits = predict_logits(
                predict, faces, info.input, views=views, batch_size=batch_size, on_batch=on_batch
            )
            for result in clean:
                answers = checked_logits(logits, result.head, rows)
                worse = answers[np.searchsorted(rows, result.rows)]
                scores.append(
                    _compared(result, worse, corruption.name, level, corruption.describe(level))
                )
    order = [result.protocol for result in clean]
    return tuple(sorted(scores, key=lambda score: order.index(score.protocol)))


def worst_middle(scores: Sequence[Robustness]) -> Robustness:
    """Return the corruption that costs most at its middle level."""
    return max((s for s in scores if s.level == MIDDLE), key=lambda score: score.drop.value)


def robustness_row(
    scores: Sequence[Robustness],
    model: Mapping[str, Any],
    dataset: Dataset,
    *,
    split: str,
    views: str,
    seed: int,
    command: str,
) -> dict[str, Any]:
    """Return what was measured on one protocol with all that one must know to believe it, ready for JSON.

    Args:
        scores: Of one protocol, from `robustness`.
        model: From `row.model_facts`.
        dataset: What was scored.
        split: Which of its faces.
        views: Test-time views.
        seed: Of the corruptions.
        command: The command line that gave the scores.
    """
    first = scores[0]
    return {
        "protocol": first.protocol,
        "model": dict(model),
        "data": {
            "hash": dataset.content_hash,
            "layout": dataset.layout,
            "split": split,
            "n": first.n,
        },
        "views": views,
        "seed": seed,
        "clean": first.clean,
        "corruptions": [
            {
                "name": score.corruption,
                "level": score.level,
                "what": score.what,
                "accuracy": score.accuracy.as_dict(),
                "drop": score.drop.as_dict(),
            }
            for score in scores
        ],
        "command": command,
        "commit": commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
    }


def _compared(
    result: Result, worse: NDArray[np.float32], corruption: str, level: int, what: str
) -> Robustness:
    predictions = worse.argmax(axis=1)
    labels = result.head.labels
    confusion = metrics.confusion_matrix(result.targets, predictions, len(labels))
    # The same draws every time: an interval is a function of the counts, not of the day.
    return Robustness(
        protocol=result.protocol,
        corruption=corruption,
        level=level,
        what=what,
        n=len(predictions),
        clean=result.scores.rates["accuracy"].value,
        accuracy=bootstrap(confusion, metrics.accuracy, np.random.default_rng(0)),
        drop=paired_bootstrap(
            result.targets,
            result.predictions,
            predictions,
            metrics.accuracy,
            np.random.default_rng(0),
        ),
    )
