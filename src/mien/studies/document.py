"""docs/studies.md: all studies whose summaries are in a folder, theirs beside ours. Made, never written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mien.errors import DataError
from mien.runtime import machine_text
from mien.studies.conclusion import (
    accuracies_beside,
    can_be_concluded,
    cannot_be_concluded,
    p_text,
    points_apart,
    spread_text,
    theirs_and_ours,
)
from mien.studies.design import SCORES
from mien.studies.summary import PointSummary, Summary, summary_from_dict
from mien.tables import read_json

__all__ = ["studies_document"]

_HEAD = """# Studies

Each study is one file in `studies/` and one command. Everything but its factors is the same for all runs; all values have the
same seeds. ± is the standard deviation over seeds. Δ is the mean difference to the base, with the same seeds on the same
pictures; its interval and p-value hold the variance of seeds and of pictures. p is adjusted for all comparisons of the study
(Holm), the interval is that of one comparison alone: where it leaves out 0 and p does not fall below 0.05, the two are not told
apart. A run that collapsed to one class, diverged or ran out of memory is a result, and has no rank. Seconds are by the clock,
on machines that did other work too: they tell how long a study took, not which value is cheaper.

```
mien study studies/kdt5-activation.toml --data PATH                       # from nothing to runs/studies/…/study.html
mien study studies/kdt5-activation.toml --data PATH --jobs 4              # four processes share the runs
mien study studies/kdt5-activation.toml --data PATH --only activation=relu --only seed=0
mien study studies/fer2013plus-lr.toml --data PATH --reuse runs/studies/fer2013plus-network   # one base, run once
```

The same command again does what is missing and goes on with what was cut off, in the middle of an epoch too. Processes on one
machine share a study through its folder; several machines through `--storage postgresql://user@host/database` or the variable
`MIEN_STUDY_STORAGE`. A run whose process is gone is taken up by another one: from its checkpoint where that one reaches its
folder, from the start elsewhere; one that the system has ended twice because memory ran out is written down as that.
`--reuse FOLDER` takes over what another study, whose journal is in that folder, has done with the same recipe and seed on the
same faces, and says so. `--only` may stand there several times: any of the values of one name, and all names, must be a run's.

This page is made from `results/studies/` by `make results`.
"""


def studies_document(folder: Path) -> str:
    """Return the page.

    Args:
        folder: With one ``summary.json`` a study under any name, usually ``results/studies``.

    Raises:
        DataError: If a file holds no summary.
    """
    parts = [_HEAD]
    for file in sorted(folder.glob("*.json")):
        try:
            row = read_json(file)
            summary = summary_from_dict(row)
            parts.append(_section(summary, row))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{file} holds no summary of a study ({error}); copy it again from the study's folder."
            ) from None
    if len(parts) == 1:
        parts.append("No study has been recorded yet.\n")
    return "\n".join(parts)


def _section(summary: Summary, row: Mapping[str, Any]) -> str:
    lines = [f"## {summary.name}", "", summary.question, "", f"`{row['command']}`", ""]
    names = [f"{name} %" for name in SCORES.values()]
    names += [f"accuracy %, {protocol}" for protocol in summary.beside]
    lines += [
        f"| rank | value | {' | '.join(names)} | Δ {SCORES[summary.score]}, points (95 %) | p | | epochs | s a run | parameters |",
        "|--:|---|" + "--:|" * len(names) + "--:|--:|---|--:|--:|--:|",
        *(_line(point, summary) for point in summary.in_order),
        "",
        "What can be concluded:",
        "",
        *(f"- {sentence}" for sentence in can_be_concluded(summary) or ["Nothing yet."]),
        "",
        "What cannot:",
        "",
        *(f"- {sentence}" for sentence in cannot_be_concluded(summary) or ["–"]),
        "",
    ]
    if summary.published:
        heads, *rows = theirs_and_ours(summary)
        marks = ["---", "---", *("--:" for _ in heads[2:])]
        lines += [_row(heads), f"|{'|'.join(marks)}|", *map(_row, rows), ""]
    lines.append(
        f"{summary.protocol}, n = {summary.n:,} · seeds {summary.seeds_text} · {row['date'][:10]} · "
        f"commit {row['commit']} · {machine_text(row['machine'])} · frozen {summary.frozen} · "
        f"data {summary.data_hash[:12]}"
    )
    return "\n".join(lines) + "\n"


def _line(point: PointSummary, summary: Summary) -> str:
    epochs = sum(run.epochs for run in point.runs) / len(point.runs)
    cells = [
        str(point.rank or "–"),
        point.label,
        *(spread_text(point, score) for score in SCORES),
        *accuracies_beside(point, summary),
        points_apart(point.difference),
        p_text(point.p_adjusted).removeprefix("= "),
        point.verdict,
        f"{epochs:.1f}",
        f"{point.seconds:.0f}",
        f"{point.parameters:,}",
    ]
    return _row(cells)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
