"""How results look in the terminal: tables that `mien evaluate`, `compare` and others print."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from mien.evaluation.evaluate import Result
    from mien.evaluation.scores import Scores
    from mien.evaluation.slices import Slice

__all__ = ["plain_table", "report_console", "show_result", "slices_table"]

_PIPED_WIDTH = 120
"""Characters in a line where there is no terminal: a file is not as narrow as the 80 that are assumed for one."""


def show_result(
    console: Console, result: Result, name: str, test_runs: int | None, *, slices: bool = False
) -> None:
    """Print one result: what it is, its scores with intervals, each class, its certainty, its slices.

    Args:
        console: Where to print.
        result: From `mien.evaluation.evaluate`.
        name: The model's.
        test_runs: How often it has been scored on a final test; None on other splits.
        slices: Whether to show slices in full.
    """
    from mien.evaluation.intervals import percent

    scores = result.scores
    console.print(
        f"\n[bold]{escape(name)}[/] on [bold]{result.protocol}[/] · {scores.n:,} faces · views: {result.views}"
    )
    if scores.collapsed is not None:
        console.print(
            f"[bold]Collapsed to one class:[/] nearly every face is called {escape(scores.collapsed)}. "
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
    if scores.votes is not None:
        console.print(
            f"KL to the votes {scores.votes.kl_divergence:.3f} nats; the predicted class had "
            f"{percent(scores.votes.mean_vote_share)} % of the vote on average"
        )
    if slices:
        _show_slices_in_full(console, result.slices)
    else:
        _show_slices(console, result.slices)


def _show_slices_in_full(console: Console, slices: Sequence[Slice]) -> None:
    from mien.evaluation.slices import UNMEASURED

    if not slices:
        console.print(
            "No slice is shown: none has two groups that are large enough. Lower --min-group, or score more faces."
        )
        return
    console.print(slices_table(slices))
    console.print(
        "by chance: how often groups of these sizes, drawn at random, differ as widely. "
        + UNMEASURED
    )
    for one in slices:
        if one.left_out:
            console.print(
                f"{escape(one.name)}: {one.left_out:,} pictures lie in groups that are too small."
            )


def _show_slices(console: Console, slices: Sequence[Slice]) -> None:
    """One line a slice; `slices_table` has the intervals."""
    from mien.evaluation.intervals import percent

    for one in slices:
        shown = " · ".join(
            f"{escape(group.name)} {percent(group.accuracy.value)} (n={group.n:,})"
            for group in one.groups
        )
        console.print(f"accuracy by {escape(one.name)}, %: {shown}; gap {percent(one.gap)}")


def slices_table(slices: Sequence[Slice]) -> Table:
    """Return every group of every slice with its interval, the worst ones marked."""
    from mien.evaluation.intervals import percent, with_interval

    table = plain_table("accuracy by", "group", "n", "% (95 %)", "gap", "by chance")
    table.columns[1].justify = "left"
    for one in slices:
        for index, group in enumerate(one.groups):
            is_worst = group is one.worst
            first = (
                (escape(one.name), percent(one.gap), _chance(one.chance))
                if not index
                else ("", "", "")
            )
            table.add_row(
                first[0],
                f"{escape(group.name)}{' ◂ worst' if is_worst else ''}",
                f"{group.n:,}",
                with_interval(group.accuracy),
                *first[1:],
                style="bold" if is_worst and one.chance < _SELDOM else None,
                end_section=index == len(one.groups) - 1,
            )
    return table


_SELDOM = 0.05


def _chance(share: float) -> str:
    return "< 0.1 %" if share < 0.001 else f"{100 * share:.1f} %"


def report_console() -> Console:
    """Return where tables with many columns go: as wide as the terminal, or wide enough where there is none."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PIPED_WIDTH
    return console


def plain_table(*columns: str) -> Table:
    """A table whose first column names and whose others count."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left", no_wrap=True)
    return table


def _rates_table(scores: Scores) -> Table:
    from mien.evaluation.intervals import with_interval

    table = plain_table("%, with 95 % interval", "all", "without copies of training")
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

    table = plain_table("class", "n", "recall %", "", "precision %", "F1 %")
    for label, one in scores.per_class().items():
        ends = one["recall_interval"]
        interval = "" if ends is None else f"({percent(ends[0])}–{percent(ends[1])})"
        table.add_row(
            escape(label),
            f"{one['n']:,}",
            percent(one["recall"]),
            interval,
            percent(one["precision"]),
            percent(one["f1"]),
        )
    return table


def _certainty_table(scores: Scores) -> Table:
    from mien.evaluation.intervals import percent

    table = plain_table("probabilities", "T", "NLL", "Brier", "ECE-15 %", "AURC")
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
