"""`mien evaluate`: score a model on a split, honestly and with intervals."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from mien.evaluation.evaluate import Result
    from mien.evaluation.scores import Scores
    from mien.evaluation.views import Predictor
    from mien.modelfile import ModelInfo

__all__ = ["evaluate"]


class _Split(StrEnum):
    valid = "valid"
    test = "test"


class _Views(StrEnum):
    none = "none"
    flip = "flip"
    tencrop = "tencrop"


def evaluate(  # noqa: PLR0913 - each option of the command is an argument
    model: Annotated[
        str, typer.Argument(help="A model of `mien models`, an .onnx file, or a run folder.")
    ],
    data: Annotated[Path, typer.Option(help="Labelled faces, in any layout of `mien data info`.")],
    split: Annotated[
        _Split, typer.Option(help="valid to choose by, test once at the very end.")
    ] = _Split.valid,
    views: Annotated[
        _Views, typer.Option(help="Test-time views whose answers are averaged.")
    ] = _Views.none,
    json: Annotated[Path | None, typer.Option(help="Write the result rows to this file.")] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write a report with pictures into this folder.")
    ] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Faces a call; changes the speed only.")
    ] = 256,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Score this many faces drawn at random, for a try.")
    ] = None,
) -> None:
    """Score a model on labelled faces: accuracy, macro-F1, calibration, each class, with 95 % intervals.

    A model with a FER2013 head and a FER+ head is scored on both protocols. --split test is the final
    test: it is noted each time that it is run.
    """
    import numpy as np
    from rich.console import Console

    from mien.data.catalog import open_dataset
    from mien.evaluation.evaluate import evaluate as evaluate_model
    from mien.evaluation.evaluate import sample
    from mien.evaluation.protocols import protocols
    from mien.evaluation.row import count_test_run, result_row, write_rows

    console = Console(highlight=False)
    _check_targets(json, report)
    predict, info, facts = _open_model(model)
    dataset = open_dataset(data, size=info.input.size)
    for note in dataset.notes:
        typer.echo(f"note: {note}", err=True)
    if limit is not None:
        dataset = sample(dataset, split, limit, np.random.default_rng(0))
    total = len(
        np.unique(
            np.concatenate([protocol.rows for protocol in protocols(info.heads, dataset, split)])
        )
    )
    with _progress(total) as advance:
        results = evaluate_model(
            predict, info, dataset, split, views=views, batch_size=batch_size, on_batch=advance
        )
    command = _command(model, data, split, views, limit)
    rows = []
    for result in results:
        runs = count_test_run(_ledger(model), facts, result) if result.is_final_test else None
        rows.append(result_row(result, facts, command, runs))
        _show(console, result, info.name, runs)
    if json is not None:
        write_rows(rows, json)
        typer.echo(f"rows: {json}", err=True)
    if report is not None:
        from mien.evaluation.report import write_report

        write_report(results, rows, dataset, report)
        typer.echo(f"report: {report / 'report.md'}", err=True)


def _check_targets(json: Path | None, report: Path | None) -> None:
    """Refuse what could not be written before minutes are spent on it."""
    if json is not None and json.is_dir():
        raise InputError(
            f"--json names a folder: {json}. Give a file, such as {json / 'row.json'}."
        )
    if report is not None and report.exists() and not report.is_dir():
        raise InputError(f"--report names a file: {report}. Give a folder.")
    if report is not None and find_spec("matplotlib") is None:
        raise MissingExtraError("train", "A report with pictures")


def _is_network(model: str) -> bool:
    """Whether the name stands for trainable weights rather than for a model file."""
    from mien.modelfile import list_models

    path = Path(model)
    return model not in list_models() and (path.is_dir() or path.suffix == ".safetensors")


def _open_model(model: str) -> tuple[Predictor, ModelInfo, dict[str, Any]]:
    from mien.evaluation.row import model_facts

    if not _is_network(model):
        from mien.modelfile import load_model

        opened = load_model(model, threads=0)
        return opened.logits, opened.info, model_facts(opened.info, opened.path)
    if find_spec("torch") is None:
        raise MissingExtraError("train", "Evaluating a run folder")
    from mien.models.macs import count_macs, count_parameters
    from mien.models.predict import network_predictor
    from mien.models.weights import WEIGHTS_NAME, load_network

    path = Path(model)
    network, info = load_network(path)
    facts = model_facts(
        info,
        path / WEIGHTS_NAME if path.is_dir() else path,
        count_parameters(network),
        count_macs(network, info.input.size, info.input.channels),
    )
    return network_predictor(network, info), info, facts


def _ledger(model: str) -> Path:
    """Where test runs are noted: in the run's own folder, or with mien's cache for files that have none."""
    from mien.paths import cache_dir

    path = Path(model)
    return (path if _is_network(model) and path.is_dir() else cache_dir()) / "test_runs.jsonl"


def _command(model: str, data: Path, split: str, views: str, limit: int | None) -> str:
    """The command for the row; of absolute paths the last name only, since the rest tells of the machine alone."""
    shown = [path.name if path.is_absolute() else str(path) for path in (Path(model), data)]
    words = ["mien", "evaluate", shown[0], "--data", shown[1], "--split", split, "--views", views]
    return shlex.join(words + ([] if limit is None else ["--limit", str(limit)]))


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("faces"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("faces", total=total)
        yield lambda done: progress.advance(task, done)


def _show(console: Console, result: Result, name: str, test_runs: int | None) -> None:
    from mien.evaluation.intervals import percent

    scores = result.scores
    console.print(
        f"\n[bold]{name}[/] on [bold]{result.protocol}[/] · {scores.n:,} faces · views: {result.views}"
    )
    if scores.collapsed is not None:
        console.print(
            f"[bold]Collapsed to one class:[/] nearly every face is called {scores.collapsed}. "
            "Its accuracy is that class's share of the data; the network has learned nothing else."
        )
    if test_runs is not None:
        console.print(
            f"This is the final test (run {test_runs} of this model on it). Choose nothing by it: "
            "whatever is chosen on a test split makes its score too good."
        )
    console.print(_rates_table(scores))
    console.print(_classes_table(scores))
    console.print(_certainty_table(scores))
    surest = scores.calibrated.selective_accuracy
    console.print(
        f"accuracy on the surest {' / '.join(surest)} of the faces: {' / '.join(map(percent, surest.values()))} %"
    )
    for one in result.slices:
        shown = " · ".join(
            f"{group.name} {percent(group.accuracy.value)} (n={group.n:,})" for group in one.groups
        )
        console.print(f"accuracy by {one.name}, %: {shown}; gap {percent(one.gap)}")
    if scores.votes is not None:
        console.print(
            f"KL to the votes {scores.votes.kl_divergence:.3f} nats; the predicted class had "
            f"{percent(scores.votes.mean_vote_share)} % of the vote on average"
        )


def _table(*columns: str) -> Table:
    """A table whose first column names and whose others count."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left", no_wrap=True)
    return table


def _rates_table(scores: Scores) -> Table:
    from mien.evaluation.intervals import with_interval

    table = _table("%, with 95 % interval", "all", "without copies of training")
    for name, title in (
        ("accuracy", "accuracy"),
        ("macro_f1", "macro-F1"),
        ("balanced_accuracy", "balanced accuracy"),
    ):
        clean = "–" if scores.clean is None else with_interval(scores.clean[name])
        table.add_row(title, with_interval(scores.rates[name]), clean)
    table.add_row("n", f"{scores.n:,}", "–" if scores.clean_n is None else f"{scores.clean_n:,}")
    return table


def _classes_table(scores: Scores) -> Table:
    from mien.evaluation.intervals import percent

    table = _table("class", "n", "recall %", "", "precision %", "F1 %")
    for label, one in scores.per_class().items():
        low, high = one["recall_interval"] or (None, None)
        interval = f"({percent(low)}–{percent(high)})"
        table.add_row(
            label,
            f"{one['n']:,}",
            percent(one["recall"]),
            interval,
            percent(one["precision"]),
            percent(one["f1"]),
        )
    return table


def _certainty_table(scores: Scores) -> Table:
    from mien.evaluation.intervals import percent

    table = _table("probabilities", "T", "NLL", "Brier", "ECE-15 %", "AURC")
    for name, one in (("as trained", scores.uncalibrated), ("calibrated", scores.calibrated)):
        table.add_row(
            name,
            f"{one.temperature:.2f}",
            f"{one.nll:.3f}",
            f"{one.brier:.3f}",
            percent(one.ece),
            f"{one.aurc:.3f}",
        )
    return table
