"""The folder that shows a study: one HTML page with all in it, and the same as CSV, JSON and PNG."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mien.csv_rows import CsvRows
from mien.errors import ConfigError
from mien.evaluation.plots_study import (
    Value,
    box_picture,
    difference_picture,
    dual_axis_picture,
    overlaid_picture,
)
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
from mien.studies.design import SCORES, Design
from mien.studies.ledger import Run
from mien.studies.summary import PointSummary, Summary
from mien.utf8 import write_text

__all__ = ["PICTURES", "write_study"]

PICTURES = {
    "curves.png": "Validation score and loss of all values: thick the mean over seeds, thin each seed",
    "loss-and-accuracy.png": "Loss (left axis) and accuracy (right axis) of each value, its middle seed",
    "boxes.png": "Scores of all seeds",
    "differences.png": "Differences to the base",
}
"""What is drawn, and what stands below it."""


def write_study(
    summary: Summary, design: Design, runs: Sequence[Run], folder: Path, facts: Mapping[str, Any]
) -> Path:
    """Write ``study.html``, ``summary.json``, ``values.csv``, ``runs.csv`` and the pictures.

    Args:
        summary: Of the study.
        design: Its factors decide colours and lines.
        runs: For their curves.
        folder: Where to write.
        facts: What else a reader must know: ``command``, ``commit``, ``date``, ``machine``.

    Returns:
        The page.

    Raises:
        ConfigError: If the folder cannot be written.
        MissingExtraError: If matplotlib is not installed.
    """
    values = _values(summary, design, runs)
    key = "valid_macro_f1" if summary.score == "macro_f1" else "valid_accuracy"
    name = "macro-F1" if summary.score == "macro_f1" else "accuracy"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        overlaid_picture(values, key, name, folder / "curves.png")
        dual_axis_picture(values, folder / "loss-and-accuracy.png")
        box_picture(values, SCORES[summary.score], folder / "boxes.png")
        if not difference_picture(values, SCORES[summary.score], folder / "differences.png"):
            (folder / "differences.png").unlink(missing_ok=True)
        row = {**summary.as_dict(), **facts}
        text = json.dumps(row, indent=1, ensure_ascii=False) + "\n"
        write_text(folder / "summary.json", text)
        write_text(folder / "values.csv", _values_csv(summary))
        write_text(folder / "runs.csv", _runs_csv(summary))
        page = folder / "study.html"
        write_text(page, _page(summary, facts, folder))
    except OSError as error:
        raise ConfigError(f"The study's folder {folder} cannot be written: {error}.") from None
    return page


def _values(summary: Summary, design: Design, runs: Sequence[Run]) -> list[Value]:
    first = design.factors[0].name
    is_grid = design.design == "grid" and len(design.factors) > 1
    families: dict[str, int] = {}
    members: dict[str, int] = {}
    values = []
    for point in summary.points:
        family = point.values[first] if is_grid else point.label
        rest = " ".join(v for k, v in point.values.items() if k != first) if is_grid else ""
        d = point.difference
        curves = [r.result["curve"] for r in runs if r.point.label == point.label and r.result]
        values.append(
            Value(
                label=point.label,
                curves=curves,
                scores=[run.scores[summary.score] for run in point.runs if run.scores],
                state=point.state,
                family=families.setdefault(family, len(families)),
                member=members.setdefault(rest, len(members)),
                difference=None if d is None else (d.value, d.low, d.high),
            )
        )
    return values


def _values_csv(summary: Summary) -> str:
    header = ["value", "rank", "verdict", "runs", "failed"]
    header += [f"{score}_{part}" for score in SCORES for part in ("mean", "sd")]
    header += [f"accuracy_{name}_{part}" for name in summary.beside for part in ("mean", "sd")]
    header += ["difference", "low", "high", "p_adjusted", "reference", "parameters", "seconds"]
    rows: list[list[Any]] = [header]
    for point in summary.points:
        spreads = [point.scores.get(score) for score in SCORES]
        spreads += [point.accuracy_on(name) for name in summary.beside]
        d = point.difference
        rows.append(
            [
                *(point.label, point.rank, point.verdict, len(point.runs), point.num_failed),
                *(part for s in spreads for part in ((s.mean, s.sd) if s else (None, None))),
                *((d.value, d.low, d.high) if d else (None, None, None)),
                *(point.p_adjusted, point.reference, point.parameters, round(point.seconds, 1)),
            ]
        )
    return _csv(rows)


def _runs_csv(summary: Summary) -> str:
    rows: list[list[Any]] = [
        ["value", "seed", "state", "detail", *SCORES, "epochs", "parameters", "seconds"]
    ]
    for point in summary.points:
        for run in point.runs:
            scores = [run.scores[score] if run.scores else None for score in SCORES]
            rows.append(
                [
                    *(point.label, run.seed, run.state, run.detail, *scores),
                    *(run.epochs, run.parameters, run.seconds),
                ]
            )
    return _csv(rows)


def _csv(rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    CsvRows(text).writerows(rows)
    return text.getvalue()


def _page(summary: Summary, facts: Mapping[str, Any], folder: Path) -> str:
    escape = html.escape
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(summary.name)}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{_STYLE}</style></head><body><main>",
        f"<p class='name'>{escape(summary.name)}</p><h1>{escape(summary.question)}</h1>",
        "<h2>What can be concluded</h2>",
        _list(can_be_concluded(summary)),
        "<h2>What cannot</h2>",
        _list(cannot_be_concluded(summary)),
        "<h2>Values</h2>",
        _table(summary),
    ]
    if summary.published:
        parts += ["<h2>What others reported</h2>", _theirs(summary)]
    for name, caption in PICTURES.items():
        picture = folder / name
        if picture.exists():
            data = base64.b64encode(picture.read_bytes()).decode("ascii")
            parts.append(
                f'<figure><img alt="{escape(caption)}" src="data:image/png;base64,{data}">'
                f"<figcaption>{escape(caption)}</figcaption></figure>"
            )
    parts += [
        "<h2>How</h2>",
        f"<p><code>{escape(facts['command'])}</code><br>{escape(facts['date'])} · commit {escape(facts['commit'])} · "
        f"{escape(machine_text(facts['machine']))} · seeds {summary.seeds_text} · "
        f"frozen {summary.frozen} · data {summary.data_hash[:12]}</p>",
        f"<p class='small'>{_HOW}</p>",
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _table(summary: Summary) -> str:
    heads = ["rank", "value", *(f"{name}&nbsp;%" for name in SCORES.values())]
    heads += [f"accuracy %, {html.escape(protocol)}" for protocol in summary.beside]
    heads += ["Δ points (95 %)", "p", "", "epochs", "time,&nbsp;s", "parameters", "runs"]
    lines = ["<div class='wide'><table><tr>", *(f"<th>{head}</th>" for head in heads), "</tr>"]
    for point in summary.in_order:
        state = "" if point.rank else " class='failed'"
        lines.append(f"<tr{state}>{''.join(_cells(point, summary))}</tr>")
    return "".join([*lines, "</table></div>"])


def _cells(point: PointSummary, summary: Summary) -> list[str]:
    epochs = sum(run.epochs for run in point.runs) / len(point.runs)
    before = [
        *(str(point.rank or "–"), f"<b>{html.escape(point.label)}</b>"),
        *(spread_text(point, score) for score in SCORES),
        *accuracies_beside(point, summary),
        points_apart(point.difference),
        html.escape(p_text(point.p_adjusted).removeprefix("= ")),
    ]
    after = [
        *(f"{epochs:.1f}", f"{point.seconds:.0f}", f"{point.parameters:,}"),
        f"{len(point.runs) - point.num_failed}/{len(summary.seeds)}",
    ]
    verdict = f"<td class='verdict'>{html.escape(point.verdict)}</td>"
    return [*(f"<td>{c}</td>" for c in before), verdict, *(f"<td>{c}</td>" for c in after)]


def _theirs(summary: Summary) -> str:
    heads, *rows = theirs_and_ours(summary)
    lines = [f"<tr>{''.join(f'<th>{html.escape(head)}</th>' for head in heads)}</tr>"]
    for row in rows:
        lines.append(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>")
    return f"<div class='wide'><table class='theirs'>{''.join(lines)}</table></div>"


def _list(sentences: Sequence[str]) -> str:
    if not sentences:
        return "<p>Nothing yet.</p>"
    return "<ul>" + "".join(f"<li>{html.escape(s)}</li>" for s in sentences) + "</ul>"


_HOW = (
    "± is the standard deviation over seeds. Δ is the mean difference to the base with the same seeds on the same pictures; "
    "its interval and p hold the variance of seeds and of pictures (paired, Student's t). p is adjusted by Holm for all "
    "comparisons of the study, the interval is that of one comparison alone: it may leave out 0 where two values are not told "
    "apart. Runs that collapsed to one class, diverged or ran out of memory are results too, and have no rank. Seconds are by "
    "the clock: what else the machine did is in them."
)

_STYLE = """
:root { color-scheme: light; }
body { margin: 0; background: #f6f7f9; color: #1f2933; font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 80rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
.name { color: #52606d; margin: 0; font-family: ui-monospace, monospace; }
h1 { font-size: 1.6rem; line-height: 1.3; margin: .2rem 0 1.4rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
ul { padding-left: 1.2rem; margin: 0; } li { margin: .3rem 0; }
.wide { overflow-x: auto; background: white; border: 1px solid #d9dee4; border-radius: 8px; }
table { border-collapse: collapse; width: 100%; font-size: .84rem; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .4rem .5rem; border-bottom: 1px solid #e8ebef; white-space: nowrap; }
th { font-weight: 600; color: #52606d; white-space: normal; vertical-align: bottom; } th:nth-child(2), td:nth-child(2), td.verdict { text-align: left; }
table.theirs th:first-child, table.theirs td:first-child { text-align: left; white-space: normal; min-width: 16rem; }
tr.failed td { color: #52606d; background: #fbf3ee; }
figure { margin: 2rem 0; background: white; border: 1px solid #d9dee4; border-radius: 8px; padding: 1rem; }
img { max-width: 100%; height: auto; display: block; margin: 0 auto; }
figcaption, .small { color: #52606d; font-size: .9rem; } figcaption { margin-top: .6rem; }
code { background: #eceff3; padding: .15rem .35rem; border-radius: 4px; overflow-wrap: anywhere; }
"""
