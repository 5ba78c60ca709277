"""`mien errors`: the most confident mistakes of a result as a sheet of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.given_results import SplitName, ViewsName
from mien.cli.outputs import check_not_read
from mien.replacing import check_target, write_whole

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from mien.data.dataset import Dataset
    from mien.evaluation.mistakes import Mistake, Mistakes

__all__ = ["errors"]

_SUFFIXES = (".png", ".html")
_LISTED, _ON_A_SHEET = 12, 48
_WHICH = {True: " whose label is in doubt", False: " whose label nothing speaks against"}


def errors(  # noqa: PLR0913 - each option of the command is an argument
    result: Annotated[
        str,
        typer.Argument(
            help="A predictions file, a folder with one, or a model or run folder to score on --data first."
        ),
    ],
    data: Annotated[Path, typer.Option(help="The labelled faces that were, or are to be, scored.")],
    protocol: Annotated[
        str | None,
        typer.Option(help="Which protocol, as far as its name is needed: fer2013 or ferplus."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write a sheet: .png or .html.")
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(min=1, help="How many mistakes to show; default 12 here, 48 on a sheet."),
    ] = None,
    doubtful: Annotated[
        bool | None,
        typer.Option(
            "--doubtful/--sound", help="Only mistakes whose label is in doubt, or only the others."
        ),
    ] = None,
    split: Annotated[
        SplitName | None, typer.Option(help="For a model: what to score; default valid.")
    ] = None,
    views: Annotated[
        ViewsName | None, typer.Option(help="For a model: test-time views; default none.")
    ] = None,
) -> None:
    """Show the most confident mistakes, and which of them may be the label's mistake instead.

    A label is in doubt when FER+'s voters, FER2013's label or an identical picture side with the model, or when the
    picture shows no face. The sheet holds pictures of the data: mind its licence before passing it on.
    """
    from rich.console import Console

    from mien.cli.given_data import open_data
    from mien.cli.given_results import holds_answers, read_or_score
    from mien.evaluation.mistakes import find_mistakes
    from mien.evaluation.predictions import find_protocol

    if output is not None:
        check_target(output, "--output", _SUFFIXES)
        check_not_read(output, "--output", None, data)
    is_file = holds_answers(result)
    answers = find_protocol(
        read_or_score(result, None if is_file else data, split, views, batch_size=256), protocol
    )
    dataset = open_data(data, answers.image_size, quiet=not is_file)
    mistakes = find_mistakes(answers, dataset)
    shown = [one for one in mistakes.found if doubtful is None or bool(one.doubts) == doubtful]
    which = "" if doubtful is None else _WHICH[doubtful]
    title = f"{answers.model} on {answers.protocol}: mistakes"
    try:  # first: a pager that is left ends the command
        if output is not None and not shown:
            typer.echo(f"There is no such mistake, so {output} is not written.", err=True)
        elif output is not None:
            _write(output, mistakes, shown[: count or _ON_A_SHEET], dataset, title, which)
    finally:
        _show(Console(highlight=False), mistakes, shown[: count or _LISTED], title)


def _write(
    path: Path,
    mistakes: Mistakes,
    shown: list[Mistake],
    dataset: Dataset,
    title: str,
    which: str,
) -> None:
    images = dataset.images[[one.row for one in shown]]
    if path.suffix.lower() == ".png":
        from mien.evaluation.plots_mistakes import mistakes_sheet

        mistakes_sheet(shown, images, path, f"{title}{which}, the {len(shown)} most confident")
    else:
        from mien.evaluation.mistakes_page import mistakes_html

        write_whole(path, mistakes_html(mistakes, shown, images, title, which))
    typer.echo(f"sheet: {path}", err=True)


def _show(console: Console, mistakes: Mistakes, listed: list[Mistake], title: str) -> None:
    from rich.markup import escape

    from mien.evaluation.mistakes import DOUBTS

    total = len(mistakes.found)
    console.print(
        f"[bold]{escape(title)}[/]: {total:,} on {mistakes.n:,} pictures ({total / mistakes.n:.1%})"
    )
    confused = [f"{truth} → {answer} {n:,}" for (truth, answer), n in mistakes.confusions.items()]
    if total:
        console.print(f"most often: {escape(' · '.join(confused[:6]))}")
        console.print(
            f"labels in doubt: {mistakes.doubtful:,} of the mistakes ({mistakes.doubtful / total:.0%})"
        )
    for doubt, n in sorted(mistakes.counts.items(), key=lambda item: -item[1]):
        console.print(f"  {n:>5,}  {doubt}: {DOUBTS[doubt]}")
    if listed:
        console.print(_table(listed))


def _table(listed: list[Mistake]) -> Table:
    from rich.markup import escape

    from mien.cli.result_tables import plain_table

    table = plain_table("picture", "sure", "label", "answer")
    table.add_column("why the label is in doubt", overflow="fold")
    for column in table.columns[2:4]:
        column.justify = "left"
    for one in listed:
        why = "; ".join(f"{doubt}: {found}" for doubt, found in one.doubts.items())
        table.add_row(escape(one.name), f"{one.confidence:.0%}", one.truth, one.answer, escape(why))
    return table
