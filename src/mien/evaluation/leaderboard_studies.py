"""What the leaderboard says of studies: the best value of each, from the summaries in ``results/studies/``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien.errors import DataError
from mien.tables import read_json

__all__ = ["StudyLine", "read_studies", "study_text"]


@dataclass(frozen=True, kw_only=True)
class StudyLine:
    """One study in one line."""

    name: str
    protocol: str
    n: int
    num_seeds: int
    """That the best value was run with; that any value was, where none is named."""
    changes: tuple[str, ...]
    """What of the base recipe was changed for it: a shortening, mostly."""
    best: str | None
    """The value with the first rank, or where none has a rank, the highest of those that wait for more seeds; None for neither."""
    is_ranked: bool
    """Whether ``best`` has a rank."""
    accuracy: float | None
    """Of the best value, mean over the seeds, 0 to 1."""
    accuracy_sd: float | None
    macro_f1: float | None
    beside: tuple[tuple[str, float], ...]
    """Other protocols that the best value was scored on in all its runs, with its mean accuracy there."""
    failed: tuple[str, ...]
    """Values that collapsed, diverged or ran out of memory."""


def read_studies(folder: Path) -> tuple[StudyLine, ...]:
    """Read the summaries of a folder, in the order of their names; none where there is no such folder.

    Args:
        folder: Usually ``results/studies``, with ``summary.json`` files under any name.

    Raises:
        DataError: If a file holds no summary.
    """
    studies = []
    for file in sorted(folder.glob("*.json")):
        try:
            studies.append(_line(read_json(file)))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{file} holds no summary of a study ({error}); copy it again from the study's folder."
            ) from None
    return tuple(studies)


def study_text(study: StudyLine) -> str:
    """Return a study as one line of plain text."""
    seeds = f"{study.num_seeds} seed{'' if study.num_seeds == 1 else 's'}"
    if study.best is None or study.accuracy is None:
        best = "no value has a rank"
    else:
        spread = "" if not study.accuracy_sd else f" ± {100 * study.accuracy_sd:.2f}"
        score = "" if study.macro_f1 is None else f", macro-F1 {100 * study.macro_f1:.2f}"
        what = "best is" if study.is_ranked else "no value has a rank yet, the highest is"
        best = f"{what} {study.best} with {100 * study.accuracy:.2f}{spread}{score}"
    beside = "".join(f"; {100 * rate:.2f} on {name}" for name, rate in study.beside)
    failed = f"; failed: {', '.join(study.failed)}" if study.failed else ""
    shortened = f"; with {', '.join(study.changes)}" if study.changes else ""
    return f"{study.name}: {best} on {study.protocol}, {seeds}{beside}{failed}{shortened}"


def _line(summary: Mapping[str, Any]) -> StudyLine:
    ranked = [point for point in summary["points"] if point["rank"] is not None]
    best = min(ranked, key=lambda point: point["rank"]) if ranked else _highest(summary)
    scores = {} if best is None else best["scores"]
    return StudyLine(
        name=summary["name"],
        protocol=summary["protocol"],
        n=summary["n"],
        num_seeds=_num_seeds(summary["points"] if best is None else [best]),
        changes=tuple(summary["changes"]),
        best=None if best is None else best["label"],
        is_ranked=bool(ranked),
        accuracy=None if best is None else scores["accuracy"]["mean"],
        accuracy_sd=None if best is None else scores["accuracy"]["sd"],
        macro_f1=None if best is None else scores["macro_f1"]["mean"],
        beside=() if best is None else _beside(best["runs"]),
        failed=tuple(
            f"{point['label']} ({point['state']})"
            for point in summary["points"]
            if point["rank"] is None and point["state"] not in ("finished", "incomplete")
        ),
    )


def _highest(summary: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Of the values that lack runs, and did not fail, that with the highest score of those that the study ranks by."""
    points = summary["points"]
    waiting = [point for point in points if point["state"] == "incomplete" and point["runs"]]
    score = summary.get("score", "accuracy")
    return max(waiting, key=lambda point: point["scores"][score]["mean"], default=None)


def _num_seeds(points: Sequence[Mapping[str, Any]]) -> int:
    """Not those that the study asks for: it may not be done with all of them."""
    return len({run["seed"] for point in points for run in point["runs"]})


def _beside(runs: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, float], ...]:
    """Summaries that are older than the field have none."""
    scored = [run.get("beside", {}) for run in runs]
    names = set.intersection(*(set(one) for one in scored))
    return tuple(
        (name, sum(one[name]["accuracy"] for one in scored) / len(scored)) for name in sorted(names)
    )
