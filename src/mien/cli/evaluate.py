"""`mien evaluate`: score a model on a split, honestly and with intervals."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.given_results import SplitName, ViewsName
from mien.cli.options import DeviceOption, Prior, PriorOption, check_device
from mien.cli.outputs import check_not_read
from mien.errors import InputError, MissingExtraError
from mien.replacing import check_target

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mien.data.dataset import Dataset
    from mien.evaluation.evaluate import Result
    from mien.evaluation.predictions import Predictions
    from mien.evaluation.protocols import Protocol

__all__ = ["evaluate"]

_SUFFIXES = (".npz", ".csv")


def evaluate(  # noqa: PLR0913 - each option of the command is an argument
    model: Annotated[
        str, typer.Argument(help="A model of `mien models`, an .onnx file, or a run folder.")
    ],
    data: Annotated[Path, typer.Option(help="Labelled faces, in any layout of `mien data info`.")],
    split: Annotated[
        SplitName, typer.Option(help="valid to choose by, test once at the very end.")
    ] = SplitName.valid,
    views: Annotated[
        ViewsName, typer.Option(help="Test-time views whose answers are averaged.")
    ] = ViewsName.none,
    prior: PriorOption = Prior.TRAINING,
    json: Annotated[
        Path | None, typer.Option(help="Write the result rows to this file; - prints them instead.")
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            help="Write the answer for each picture: .npz for `mien compare` and `mien errors`, .csv for people."
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write a report with pictures into this folder.")
    ] = None,
    slices: Annotated[
        bool,
        typer.Option(
            "--slices",
            help="Show accuracy by brightness, contrast, sharpness, votes and face size in full, with intervals.",
        ),
    ] = False,
    columns: Annotated[
        Path | None,
        typer.Option(
            help="A CSV with groups of your own to slice by; its column `row` or `name` says which picture is meant."
        ),
    ] = None,
    min_group: Annotated[
        int, typer.Option(min=1, help="Leave out groups of a slice with fewer pictures.")
    ] = 30,
    clean: Annotated[
        Path | None,
        typer.Option(
            help="Leave out the copies of training pictures in these lists, made by `mien data audit --write-clean`."
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Faces a call; changes the speed only.")
    ] = 256,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Score this many faces drawn at random, for a try.")
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Score a model on labelled faces: accuracy, macro-F1, calibration, each class, with 95 % intervals.

    A model with a FER2013 head and a FER+ head is scored on both protocols. --split test is the final
    test: it is noted each time that it is run.
    """
    from rich.console import Console

    from mien.cli.given_data import open_data
    from mien.cli.progress import faces_progress
    from mien.cli.result_tables import show_result
    from mien.evaluation.evaluate import evaluate as evaluate_model
    from mien.evaluation.evaluate import scored_protocols
    from mien.evaluation.priors import under_prior
    from mien.evaluation.row import count_test_run, result_row
    from mien.evaluation.scored_model import open_scored_model

    outputs = _Outputs(json, predictions, report)
    outputs.check(model, data, [columns, clean])
    console = Console(highlight=False, stderr=outputs.is_printed)
    opened = open_scored_model(model, device)
    if opened.device is None:
        check_device(device, model)
    predict = under_prior(opened.predict, opened.info, prior)
    whole = open_data(data, opened.info.input.size)
    dataset, keep, numbers = _chosen(whole, split, clean, limit)
    # Before the scoring, which may take minutes: a column that is missing or misspelt is said at once.
    scored = scored_protocols(opened.info, dataset, split, keep)
    divisions = [_groups(columns, data, whole, one, numbers) for one in scored]
    with faces_progress(len(dataset.rows(split))) as advance:
        results = evaluate_model(
            predict,
            opened.info,
            dataset,
            split,
            views=views,
            batch_size=batch_size,
            keep=keep,
            on_batch=advance,
        )
    results = tuple(
        result.sliced(own, min_group) for result, own in zip(results, divisions, strict=True)
    )
    weighed = None if prior is Prior.TRAINING else prior
    name = opened.info.name if weighed is None else f"{opened.info.name}, {prior} prior"
    command = _command(
        model, data, split, views, {"--prior": weighed, "--clean": clean, "--limit": limit}
    )
    counts = [
        count_test_run(opened.ledger, opened.facts, one) if one.is_final_test else None
        for one in results
    ]
    rows = [
        {**result_row(one, opened.facts, command, runs, opened.device), "prior": prior.value}
        for one, runs in zip(results, counts, strict=True)
    ]
    try:  # first: a pager that is left ends the command, and a final test cannot be run again
        # Under another prior they are other answers: `mien compare` must not call them by the same name.
        outputs.write(results, rows, dataset, numbers, {**opened.facts, "name": name})
    finally:
        for result, own, runs in zip(results, divisions, counts, strict=True):
            show_result(console, result, name, runs, slices=slices or columns is not None)
            if columns is not None:
                _say_what_is_left_out(result, own, min_group)


@dataclass(frozen=True)
class _Outputs:
    """What is written besides the tables on the screen."""

    json: Path | None
    predictions: Path | None
    report: Path | None

    @property
    def is_printed(self) -> bool:
        """Whether the rows are the standard output."""
        return self.json == Path("-")

    def check(self, model: str, data: Path, lists: Sequence[Path | None]) -> None:
        """Refuse what could not be written before minutes are spent on it, or would destroy what is read."""
        if self.json is not None and not self.is_printed:
            check_target(self.json, "--json")
            check_not_read(self.json, "--json", model, data, lists)
        if self.predictions is not None:
            check_target(self.predictions, "--predictions", _SUFFIXES)
            check_not_read(self.predictions, "--predictions", model, data, lists)
            if self.json is not None and self.json.resolve() == self.predictions.resolve():
                raise InputError(f"--json and --predictions are both {self.json}. Name two files.")
        if self.report is not None and self.report.exists() and not self.report.is_dir():
            raise InputError(f"--report names a file: {self.report}. Give a folder.")
        if self.report is not None and find_spec("matplotlib") is None:
            raise MissingExtraError("train", "A report with pictures")

    def write(
        self,
        results: Sequence[Result],
        rows: Sequence[Mapping[str, Any]],
        dataset: Dataset,
        numbers: NDArray[np.intp],
        facts: Mapping[str, Any],
    ) -> None:
        """Write what was asked for.

        Args:
            results: Of the model.
            rows: One for each of them.
            dataset: That was scored.
            numbers: What its rows are called: (N,) row numbers in the data that was given.
            facts: About the model.
        """
        from mien.evaluation.predictions import keep_predictions
        from mien.evaluation.row import rows_text, write_rows

        if self.is_printed:
            typer.echo(rows_text(rows), nl=False)
        elif self.json is not None:
            write_rows(rows, self.json)
            typer.echo(f"rows: {self.json}", err=True)
        kept = [keep_predictions(result, dataset, facts) for result in results]
        named = [replace(one, rows=numbers[one.rows]) for one in kept]
        if self.predictions is not None:
            _write_predictions(named, self.predictions)
        if self.report is not None:
            from mien.evaluation.report import write_report

            write_report(results, rows, named, dataset, self.report)
            typer.echo(f"report: {self.report / 'report.md'}", err=True)


def _chosen(
    whole: Dataset, split: str, clean: Path | None, limit: int | None
) -> tuple[Dataset, NDArray[np.bool_] | None, NDArray[np.intp]]:
    """Return the data that is scored, which of its rows clean lists keep, and their numbers in the whole.

    Without clean lists the second is None.
    """
    import numpy as np

    from mien.evaluation.evaluate import sample_rows

    keep = None
    if clean is not None:
        from mien.data.clean import read_clean

        keep = read_clean(clean, whole).kept()
    if limit is None:
        return whole, keep, np.arange(len(whole))
    rows = sample_rows(whole, split, limit, np.random.default_rng(0))
    return whole.take(rows), None if keep is None else keep[rows], rows


def _groups(
    columns: Path | None,
    data: Path,
    dataset: Dataset,
    scored: Protocol,
    numbers: NDArray[np.intp],
) -> Mapping[str, NDArray[np.str_]]:
    """Return the divisions of a protocol's pictures that the data's files and the user's own columns give."""
    from mien.evaluation.columns import face_sizes, read_columns
    from mien.evaluation.slices import check_names

    rows = numbers[scored.rows]
    given = {} if columns is None else read_columns(columns, dataset, rows)
    check_names(given, has_votes=scored.shares is not None)
    return {**face_sizes(data, dataset, rows), **given}


def _say_what_is_left_out(result: Result, own: Iterable[str], min_group: int) -> None:
    """A column of one's own that is not shown would be missed in silence."""
    shown = {one.name for one in result.slices}
    for name in own:
        if name not in shown:
            typer.echo(
                f"note: '{name}' is no slice of {result.protocol}: it has no two groups of {min_group} pictures or more "
                "(--min-group).",
                err=True,
            )


def _write_predictions(kept: Sequence[Predictions], path: Path) -> None:
    from mien.evaluation.predictions import write_predictions, write_predictions_csv

    write = write_predictions if path.suffix.lower() == ".npz" else write_predictions_csv
    write(kept, path)
    typer.echo(f"predictions: {path}", err=True)


def _command(model: str, data: Path, split: str, views: str, others: Mapping[str, Any]) -> str:
    """The command for the row; of absolute paths the last name only, since the rest tells of the machine alone."""
    words = ["mien", "evaluate", _shown(model), "--data", _shown(data)]
    words += ["--split", split, "--views", views]
    for option, value in others.items():
        words += [] if value is None else [option, _shown(value)]
    return shlex.join(words)


def _shown(value: Any) -> str:
    path = Path(str(value))
    return path.name if path.is_absolute() else str(path)
