"""A result as users name it for `mien compare` and `mien errors`: saved predictions, or a model and data to score."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from mien.errors import InputError

if TYPE_CHECKING:
    from mien.evaluation.predictions import Predictions

__all__ = ["SplitName", "ViewsName", "holds_answers", "read_or_score"]


class SplitName(StrEnum):
    """The splits that can be scored."""

    valid = "valid"
    test = "test"


class ViewsName(StrEnum):
    """The sets of test-time views."""

    none = "none"
    flip = "flip"
    tencrop = "tencrop"


def holds_answers(name: str) -> bool:
    """Tell whether a result is a file of predictions or a folder with one, rather than a model."""
    from mien.evaluation.predictions import PREDICTIONS_NAME

    return Path(name).suffix.lower() == ".npz" or (Path(name) / PREDICTIONS_NAME).is_file()


def read_or_score(
    name: str,
    data: Path | None,
    split: str | None,
    views: str | None,
    batch_size: int,
    *,
    quiet: bool = False,
) -> tuple[Predictions, ...]:
    """Return the answers of a result.

    Args:
        name: A predictions file, a folder with one, or (with data) a model or a run folder.
        data: What to score a model on; a file of predictions is read either way.
        split: ``"valid"`` or ``"test"``; None for the first.
        views: Test-time views; None for ``"none"``.
        batch_size: Faces a call.
        quiet: Whether the data's notes were printed before.

    Raises:
        InputError: If it is a result row, or a model and there is no data, or a file and there is a split or are views.
        DataError: If a file of predictions is damaged.
    """
    from mien.evaluation.predictions import PREDICTIONS_NAME, read_predictions

    path = Path(name)
    if path.suffix.lower() == ".npz" or (data is None and holds_answers(name)):
        if data is None and (split or views):
            raise InputError(
                f"{name} holds answers already; --split and --views are for a model that is scored on --data."
            )
        return read_predictions(path)
    if path.suffix == ".json":
        raise InputError(
            f"{name} holds scores, and not what was answered to each picture. Expected {PREDICTIONS_NAME}; run the command "
            "that stands in its row again with --predictions FILE.npz."
        )
    if data is None:
        raise InputError(
            f"{name} is no file of predictions, nor a folder with a {PREDICTIONS_NAME}. To score a model, give --data; "
            "to make such a file: mien evaluate MODEL --data PATH --predictions FILE.npz"
        )
    return _score(name, data, split or SplitName.valid, views or ViewsName.none, batch_size, quiet)


def _score(
    name: str, data: Path, split: str, views: str, batch_size: int, quiet: bool
) -> tuple[Predictions, ...]:
    from mien.cli.given_data import open_data
    from mien.cli.progress import faces_progress
    from mien.evaluation.evaluate import evaluate
    from mien.evaluation.predictions import keep_predictions
    from mien.evaluation.row import count_test_run
    from mien.evaluation.scored_model import open_scored_model

    model = open_scored_model(name)
    dataset = open_data(data, model.info.input.size, quiet=quiet)
    with faces_progress(len(dataset.rows(split))) as advance:
        results = evaluate(
            model.predict,
            model.info,
            dataset,
            split,
            views=views,
            batch_size=batch_size,
            on_batch=advance,
        )
    for result in results:
        if result.is_final_test:
            count_test_run(model.ledger, model.facts, result)
    return tuple(keep_predictions(result, dataset, model.facts) for result in results)
