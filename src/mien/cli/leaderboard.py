"""`mien leaderboard`: our results and published figures, one table a protocol."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.errors import InputError
from mien.replacing import write_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from mien.evaluation.leaderboard_entries import Entry

__all__ = ["leaderboard"]

_RESULTS = Path("results")
_NARROW = 100
"""Characters: below it the tables show fewer columns, rather than words cut in two."""


class _Order(StrEnum):
    accuracy = "accuracy"
    macro_f1 = "macro-f1"
    name = "name"
    year = "year"
    n = "n"


def leaderboard(
    results: Annotated[
        Path, typer.Argument(help="A folder of result rows, from `mien evaluate --json`.")
    ] = _RESULTS,
    write: Annotated[
        Path | None, typer.Option(help="Write the whole leaderboard as Markdown to this file.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(help="Write it as one page with a plot, to sort and filter, to this file."),
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Only protocols whose name begins so: ferplus-majority.")
    ] = None,
    sort: Annotated[_Order, typer.Option(help="The order in each table.")] = _Order.accuracy,
    ours: Annotated[
        bool | None,
        typer.Option("--ours/--published", help="Only our rows, or only published ones."),
    ] = None,
    sound: Annotated[
        bool,
        typer.Option(
            "--sound",
            help="Leave out figures known to be chosen on their own split, or with a reported leak; what is not known stays.",
        ),
    ] = False,
) -> None:
    """Show our results and published figures with what is known of them; tables of two protocols never mix.

    Filters and order are for the terminal; the files hold everything.
    """
    from mien.cli.result_tables import report_console
    from mien.evaluation.leaderboard import read_rows
    from mien.evaluation.leaderboard_entries import (
        entries,
        grouped,
        is_sound,
        protocol_title,
        sort_entries,
    )
    from mien.evaluation.leaderboard_studies import read_studies
    from mien.evaluation.published import read_published

    is_needed = results != _RESULTS or write is not None or html is not None
    if is_needed and not results.is_dir():
        raise InputError(
            f"There is no folder {results}; expected one with rows from: mien evaluate MODEL --json {results}/row.json"
        )
    rows, (published, seeds) = read_rows(results), read_published()
    studies = read_studies(results / "studies")
    found = entries(rows, [*published, *seeds])
    shown = [
        one
        for one in found
        if (protocol is None or one.protocol.startswith(protocol))
        and (ours is None or one.is_ours == ours)
        and (not sound or is_sound(one))
    ]
    if not rows and not studies:
        typer.echo(
            f"note: {results} holds no results of ours; what is shown was published by others.",
            err=True,
        )
    console = report_console()
    for name, group in grouped(shown).items():
        console.print(f"\n[bold]{name}[/] · {protocol_title(name)}")
        console.print(_table(sort_entries(group, sort), is_narrow=console.width < _NARROW))
    if not shown:
        known = ", ".join(grouped(found))
        typer.echo(f"No figure is left by these filters. Protocols: {known}.")
    if write is not None:
        from mien.evaluation.leaderboard_document import leaderboard_document

        _write(write, leaderboard_document(rows, published, seeds, studies))
    if html is not None:
        from mien.evaluation.leaderboard_page import leaderboard_html

        _write(html, leaderboard_html(found, seeds, studies))


def _write(path: Path, text: str) -> None:
    write_whole(path, text)
    typer.echo(f"leaderboard: {path}", err=True)


def _table(group: Sequence[Entry], *, is_narrow: bool) -> Table:
    from rich.markup import escape

    from mien.cli.result_tables import plain_table
    from mien.evaluation.intervals import percent

    left_out = ("macro-F1", "n", "views") if is_narrow else ()
    columns = [
        name
        for name in ("model", "%", "95 %", "macro-F1", "n", "year", "views")
        if name not in left_out
    ]
    table = plain_table(*columns)
    table.columns[0].no_wrap = False
    table.columns[0].max_width = 24 if is_narrow else 44
    table.add_column("flags")
    for one in group:
        interval = "" if one.low is None else f"{percent(one.low)}–{percent(one.high)}"
        figure = "–" if one.accuracy is None else f"{100 * one.accuracy:.2f}"
        cells = {
            "model": escape(one.name),
            "%": one.as_written or figure,
            "95 %": interval,
            "macro-F1": "" if one.macro_f1 is None else percent(one.macro_f1),
            "n": "?" if one.n is None else f"{one.n:,}",
            "year": str(one.year or "?"),
            "views": one.views or "?",
        }
        shown = (cells[name] for name in columns)
        table.add_row(*shown, _flags(one), style="bold" if one.is_ours else None)
    return table


def _flags(one: Entry) -> str:
    from mien.evaluation.leaderboard_entries import FLAGS

    holds = [FLAGS[name] for name, value in one.flags.items() if value]
    unknown = [
        f"{FLAGS[name]}?" for name, value in one.flags.items() if value is None and name != "leak"
    ]
    ours = [one.note] if one.is_ours and one.note else []  # shortened, or collapsed
    return ", ".join(holds + unknown + ours)
