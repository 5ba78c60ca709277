"""`mien robustness`: how much accuracy a model loses on worse pictures."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.given_results import ViewsName
from mien.cli.outputs import check_not_read
from mien.replacing import check_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from mien.evaluation.robustness import Robustness

__all__ = ["robustness"]


def robustness(
    model: Annotated[
        str, typer.Argument(help="A model of `mien models`, an .onnx file, or a run folder.")
    ],
    data: Annotated[Path, typer.Option(help="Labelled faces, in any layout of `mien data info`.")],
    views: Annotated[
        ViewsName, typer.Option(help="Test-time views whose answers are averaged.")
    ] = ViewsName.none,
    seed: Annotated[
        int, typer.Option(min=0, help="Which way faces turn and shift, where they are covered.")
    ] = 0,
    json: Annotated[
        Path | None, typer.Option(help="Write the figures to this file; - prints them.")
    ] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Faces a call; changes the speed only.")
    ] = 64,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Take this many faces drawn at random, for a try.")
    ] = None,
) -> None:
    """Score a model on the validation faces made darker, brighter, blurred, compressed, turned, shifted, small, covered.

    Each change at three levels, on the same faces: what counts is the drop against the unchanged ones, with the 95 %
    interval of a paired bootstrap. Networks are compared at the middle level. The final test is not for this.
    """
    import numpy as np
    from rich.console import Console

    from mien.cli.given_data import open_data
    from mien.cli.progress import faces_progress
    from mien.evaluation.evaluate import sample
    from mien.evaluation.robustness import NUM_PASSES, robustness_row
    from mien.evaluation.robustness import robustness as measure
    from mien.evaluation.row import rows_text, write_rows
    from mien.evaluation.scored_model import open_scored_model

    is_printed = json == Path("-")
    if json is not None and not is_printed:
        check_target(json, "--json")
        check_not_read(json, "--json", model, data)
    opened = open_scored_model(model)
    dataset = open_data(data, opened.info.input.size)
    if limit is not None:
        dataset = sample(dataset, "valid", limit, np.random.default_rng(0))
    with faces_progress(NUM_PASSES * len(dataset.rows("valid"))) as advance:
        scores = measure(
            opened.predict,
            opened.info,
            dataset,
            views=views,
            seed=seed,
            batch_size=batch_size,
            on_batch=advance,
        )
    command = _command(model, data, views, seed, limit)
    by_protocol = [
        [score for score in scores if score.protocol == protocol]
        for protocol in dict.fromkeys(score.protocol for score in scores)
    ]
    rows = [
        robustness_row(
            own, opened.facts, dataset, split="valid", views=views, seed=seed, command=command
        )
        for own in by_protocol
    ]
    try:  # first: a pager that is left ends the command
        if is_printed:
            typer.echo(rows_text(rows), nl=False)
        elif json is not None:
            write_rows(rows, json)
            typer.echo(f"rows: {json}", err=True)
    finally:
        for own in by_protocol:
            _show(Console(highlight=False, stderr=is_printed), own, opened.info.name, views)


def _command(model: str, data: Path, views: str, seed: int, limit: int | None) -> str:
    """The command for the row; of absolute paths the last name only, since the rest tells of the machine alone."""
    shown = [path.name if path.is_absolute() else str(path) for path in (Path(model), data)]
    words = ["mien", "robustness", shown[0], "--data", shown[1], "--views", views]
    words += ["--seed", str(seed)] + ([] if limit is None else ["--limit", str(limit)])
    return shlex.join(words)


def _show(console: Console, scores: Sequence[Robustness], name: str, views: str) -> None:
    from rich.markup import escape

    from mien.cli.result_tables import plain_table
    from mien.evaluation.corruptions import MIDDLE
    from mien.evaluation.intervals import percent, with_interval
    from mien.evaluation.robustness import LARGEST_DROP, worst_middle

    first = scores[0]
    console.print(
        f"\n[bold]{escape(name)}[/] on [bold]{first.protocol}[/] · {first.n:,} faces · views: {views} · "
        f"unchanged {percent(first.clean)} %"
    )
    table = plain_table("change", "accuracy, % (95 %)", "drop in points (95 %)")
    for score in scores:
        table.add_row(
            score.what,
            with_interval(score.accuracy),
            _drop(score),
            style="bold" if score.level == MIDDLE else None,
            end_section=score.level == 2,
        )
    console.print(table)
    worst = worst_middle(scores)
    console.print(
        f"Of the middle levels (bold) '{worst.corruption}' costs most: {_drop(worst)} points. "
        f"The aim is {percent(LARGEST_DROP)} at most."
    )


def _drop(score: Robustness) -> str:
    """The drop with its interval; "to", since its ends may be negative."""
    value, low, high = (100 * end for end in (score.drop.value, score.drop.low, score.drop.high))
    return f"{value:.1f} ({low:.1f} to {high:.1f})"
