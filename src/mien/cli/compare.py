"""`mien compare`: is A better than B on the same pictures."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.given_results import SplitName, ViewsName
from mien.cli.outputs import check_not_read
from mien.errors import InputError
from mien.replacing import check_target, write_whole

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from mien.evaluation.compare import Comparison
    from mien.evaluation.predictions import Predictions

__all__ = ["compare"]

_TITLES = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "balanced_accuracy": "balanced accuracy",
}


def compare(
    a: Annotated[
        str,
        typer.Argument(
            help="A result: a predictions file, a folder with one, or with --data a model or run folder."
        ),
    ],
    b: Annotated[str, typer.Argument(help="Another result, on the same pictures.")],
    data: Annotated[
        Path | None, typer.Option(help="Score models on these labelled faces first.")
    ] = None,
    split: Annotated[
        SplitName | None, typer.Option(help="With --data: what to score; default valid.")
    ] = None,
    views: Annotated[
        ViewsName | None,
        typer.Option(help="With --data: test-time views whose answers are averaged; default none."),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(help="Write the comparison to this file as JSON; - prints it.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="With --data: faces a call.")] = 256,
) -> None:
    """Compare two results on the same pictures: paired bootstrap, McNemar's test, recall of each class.

    Both must have answered the same pictures with the same truth; every protocol that they share is compared.
    """
    from rich.console import Console

    from mien.cli.given_results import read_or_score
    from mien.evaluation.compare import compare as compare_answers

    is_printed = json == Path("-")
    if json is not None and not is_printed:
        check_target(json, "--json")
        for given in (a, b):
            check_not_read(json, "--json", given, data or Path(given))
    how = (data, split, views, batch_size)
    first = read_or_score(a, *how)
    was_scored = data is not None and Path(a).suffix.lower() != ".npz"
    second = read_or_score(b, *how, quiet=was_scored)
    found = [compare_answers(*pair) for pair in _pairs(first, second)]
    if json is not None:
        text = json_format.dumps([one.as_dict() for one in found], ensure_ascii=False, indent=1)
        if is_printed:
            typer.echo(text)
            return
        _write(json, text + "\n")
    console = Console(highlight=False)
    for one in found:
        _show(console, one, (a, b))


def _pairs(
    first: tuple[Predictions, ...], second: tuple[Predictions, ...]
) -> list[tuple[Predictions, Predictions]]:
    by_protocol = {one.protocol: one for one in second}
    pairs = [(one, by_protocol[one.protocol]) for one in first if one.protocol in by_protocol]
    if not pairs:
        raise InputError(
            f"A was scored on {', '.join(one.protocol for one in first)}, B on {', '.join(by_protocol)}; they share "
            "no protocol. Evaluate both with the same --data, --split and --clean."
        )
    return pairs


def _write(path: Path, text: str) -> None:
    write_whole(path, text)
    typer.echo(f"comparison: {path}", err=True)


def _show(console: Console, one: Comparison, given: tuple[str, str]) -> None:
    from rich.markup import escape

    from mien.evaluation.intervals import percent

    names = [one.a, one.b] if one.a != one.b else list(given)
    console.print(f"\n[bold]{one.protocol}[/] · {one.n:,} pictures")
    for letter, name in zip("AB", names, strict=True):
        console.print(f"{letter} = {escape(name)}")
    console.print(_rates(one))
    console.print(_recalls(one))
    test = one.mcnemar
    console.print(
        f"Same answer on {percent(one.agreement)} % of the pictures. Only A is right on {test.only_a:,}, only B on "
        f"{test.only_b:,}; McNemar's exact test: p {_p_value(test.p_value)}"
    )
    console.print(f"[bold]{_verdict(one)}[/]")
    for letter, label in zip("AB", one.collapsed, strict=True):
        if label is not None:
            console.print(
                f"[bold red]{letter} has collapsed to one class:[/] it calls nearly every picture {escape(label)}, and its "
                "accuracy is the share of that class."
            )


def _rates(one: Comparison) -> Table:
    from mien.cli.result_tables import plain_table
    from mien.evaluation.intervals import percent

    table = plain_table("%", "A", "B", "A - B", "95 % interval")
    for name, (a, b, difference) in one.rates.items():
        low, high = (f"{100 * end:+.1f}" for end in (difference.low, difference.high))
        table.add_row(
            _TITLES[name],
            percent(a),
            percent(b),
            f"{100 * difference.value:+.1f}",
            f"{low} … {high}",
        )
    return table


def _recalls(one: Comparison) -> Table:
    from rich.markup import escape

    from mien.cli.result_tables import plain_table
    from mien.evaluation.intervals import percent

    table = plain_table("recall, %", "n", "A", "B", "A - B")
    for label, (n, a, b) in one.recalls.items():
        gap = "–" if a is None or b is None else f"{100 * (a - b):+.1f}"
        table.add_row(escape(label), f"{n:,}", percent(a), percent(b), gap)
    return table


def _p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _verdict(one: Comparison) -> str:
    low, high = (100 * end for end in (one.rates["accuracy"][2].low, one.rates["accuracy"][2].high))
    if one.better is None:
        return (
            f"No difference in accuracy can be told from {one.n:,} pictures: A - B lies between {low:+.1f} and "
            f"{high:+.1f} points."
        )
    winner, loser = ("A", "B") if one.better == "a" else ("B", "A")
    least, most = sorted((abs(low), abs(high)))
    return (
        f"{winner} is more accurate than {loser} on these pictures, by {least:.1f} to {most:.1f} points. This says "
        "nothing about other seeds of the same recipes."
    )
