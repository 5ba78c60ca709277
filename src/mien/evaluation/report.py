"""A folder that shows a result: numbers, pictures, and the predictions for anyone who wants to count again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mien.data.dataset import Dataset
from mien.errors import InputError
from mien.evaluation.evaluate import Result
from mien.evaluation.intervals import percent, with_interval
from mien.evaluation.plots import (
    confusion_picture,
    coverage_picture,
    faces_picture,
    reliability_picture,
)
from mien.evaluation.predictions import PREDICTIONS_NAME, Predictions, write_predictions
from mien.evaluation.row import write_rows
from mien.evaluation.scores import Scores
from mien.evaluation.slices import UNMEASURED
from mien.runtime import machine_text
from mien.utf8 import write_text

__all__ = ["NUM_FACES", "write_report"]

NUM_FACES = 40

_RATE_TITLES = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "balanced_accuracy": "balanced accuracy (UAR)",
}


def write_report(
    results: Sequence[Result],
    rows: Sequence[Mapping[str, Any]],
    answers: Sequence[Predictions],
    dataset: Dataset,
    folder: Path,
    num_faces: int = NUM_FACES,
) -> None:
    """Write ``report.md``, ``result.json``, ``predictions.npz`` and, in one folder a result, its pictures.

    A folder is called by the result's head, or by its protocol where the head was scored on several.

    The faces shown are drawn at random, not chosen; they are the only pictures of the data in the folder.

    Args:
        results: From `evaluate.evaluate`.
        rows: One for each result, from `row.result_row`.
        answers: One for each result, from `predictions.keep_predictions`; they name the model.
        dataset: The data that was scored.
        folder: Where to write; it is made when it is not there, and files of an earlier report are replaced.
        num_faces: How many faces to show.

    Raises:
        InputError: If something cannot be written.
        MissingExtraError: If matplotlib is not installed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        places = _places(results)
        for result, place, one in zip(results, places, answers, strict=True):
            (folder / place).mkdir(exist_ok=True)
            _write_pictures(result, one.model, dataset, folder / place, num_faces)
        write_text(folder / "report.md", _text(results, rows, answers[0].model))
    except OSError as error:
        raise InputError(
            f"Cannot write the report to {folder}: {error.strerror}. Is it a folder that is writable, on a disk with room?"
        ) from None
    write_rows(rows, folder / "result.json")
    write_predictions(answers, folder / PREDICTIONS_NAME)


def _places(results: Sequence[Result]) -> list[str]:
    heads = [result.head.name for result in results]
    return [
        head if heads.count(head) == 1 else result.protocol
        for head, result in zip(heads, results, strict=True)
    ]


def _write_pictures(
    result: Result, name: str, dataset: Dataset, place: Path, num_faces: int
) -> None:
    labels = result.head.labels
    title = f"{name} on {result.protocol}"
    accuracy = result.scores.rates["accuracy"].value
    confusion_picture(
        result.scores.confusion,
        labels,
        place / "confusion_matrix.png",
        f"{title}: {percent(accuracy)} % of {result.scores.n:,}",
    )
    reliability_picture(
        result.logits, result.targets, result.head.temperature, place / "reliability.png", title
    )
    coverage_picture(result.probs, result.targets, place / "coverage.png", title)
    drawn = np.sort(np.random.default_rng(0).permutation(len(result.rows))[:num_faces])
    faces_picture(
        dataset.images[result.rows[drawn]],
        result.targets[drawn],
        result.probs[drawn],
        labels,
        place / "faces.png",
        f"{title}: {len(drawn)} faces drawn at random",
    )


def _text(results: Sequence[Result], rows: Sequence[Mapping[str, Any]], name: str) -> str:
    first = rows[0]
    parts = [
        f"# {name} on the {first['data']['split']} split",
        "",
        f"`{first['command']}`  ",
        f"{first['date']} · commit {first['commit']} · {machine_text(first['machine'])}  ",
        f"data {first['data']['hash'][:12]} · views: {first['views']} · 95 % intervals in brackets, in percent",
        "",
    ]
    for result, row, place in zip(results, rows, _places(results), strict=True):
        parts += _section(result, row["test_runs"], place)
    return "\n".join(parts)


def _section(result: Result, test_runs: int | None, place: str) -> list[str]:
    scores = result.scores
    lines = [f"## {result.protocol}", ""]
    if scores.collapsed is not None:
        lines += [
            f"**Collapsed to one class: nearly every picture is called {scores.collapsed}.**",
            "",
        ]
    if test_runs is not None:
        lines += [f"Final test, run {test_runs} of this model on this data.", ""]
    lines += ["| score | all | without copies of training pictures |", "|---|---|---|"]
    for name, title in _RATE_TITLES.items():
        clean = "–" if scores.clean is None else with_interval(scores.clean[name])
        lines.append(f"| {title} | {with_interval(scores.rates[name])} | {clean} |")
    lines += [
        f"| n | {scores.n:,} | {'–' if scores.clean_n is None else f'{scores.clean_n:,}'} |",
        "",
    ]
    lines += [*_certainty(scores), "", *_classes(scores), "", *_slices(result), ""]
    for picture in ("confusion_matrix", "reliability", "coverage", "faces"):
        lines += [f"![{picture.replace('_', ' ')}]({place}/{picture}.png)", ""]
    return lines


def _certainty(scores: Scores) -> list[str]:
    lines = ["| probabilities | T | NLL | Brier | ECE-15 | AURC |", "|---|---|---|---|---|---|"]
    for name, certainty in (("as trained", scores.uncalibrated), ("calibrated", scores.calibrated)):
        lines.append(
            f"| {name} | {certainty.temperature:.2f} | {certainty.nll:.3f} | {certainty.brier:.3f} "
            f"| {percent(certainty.ece)} | {certainty.aurc:.3f} |"
        )
    surest = scores.calibrated.selective_accuracy
    lines += [
        "",
        f"Accuracy on the surest {' / '.join(surest)}: {' / '.join(map(percent, surest.values()))} %.",
    ]
    if scores.votes is not None:
        lines.append(
            f"KL to the votes {scores.votes.kl_divergence:.3f} nats; the predicted class had "
            f"{percent(scores.votes.mean_vote_share)} % of the vote on average."
        )
    return lines


def _classes(scores: Scores) -> list[str]:
    lines = ["| class | n | recall | precision | F1 |", "|---|---|---|---|---|"]
    for label, one in scores.per_class().items():
        low, high = one["recall_interval"] or (None, None)
        lines.append(
            f"| {label} | {one['n']:,} | {percent(one['recall'])} ({percent(low)}–{percent(high)}) "
            f"| {percent(one['precision'])} | {percent(one['f1'])} |"
        )
    return lines


def _slices(result: Result) -> list[str]:
    lines = ["| accuracy by | groups | gap | as wide by chance |", "|---|---|---|---|"]
    for one in result.slices:
        groups = " · ".join(
            f"{group.name} {with_interval(group.accuracy)} of {group.n:,}" for group in one.groups
        )
        lines.append(f"| {one.name} | {groups} | {percent(one.gap)} | {percent(one.chance)} |")
    return [*(lines if result.slices else []), "", UNMEASURED]
