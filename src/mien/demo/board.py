"""The results of finished evaluations, as a table in the page's language."""

from __future__ import annotations

from pathlib import Path

from mien.demo.texts import TEXTS, say
from mien.errors import DataError
from mien.evaluation.leaderboard import NO_RESULTS, results_table

__all__ = ["board_markdown"]


def board_markdown(folder: Path, lang: str) -> str:
    """Return the table of a folder's results as Markdown, or a sentence that says why there is none.

    Args:
        folder: Usually ``results/``; it may not be there.
        lang: ``"en"`` or ``"ko"``.
    """
    where = f"`{folder}`"
    if not folder.is_dir():
        return say("board.missing", lang, folder=where)
    try:
        table = results_table(folder)
    except DataError as error:
        return say("board.damaged", lang, reason=error)
    if table == NO_RESULTS:
        return say("board.empty", lang, folder=folder)
    head, rest = table.split("\n", 1)
    about = say("board.about", lang, folder=where)
    return f"{about}\n\n{_translated(head, lang)}\n{rest}"


def _translated(head: str, lang: str) -> str:
    """Name the columns in another language; one that has no translation yet stays as it is."""
    cells = [cell.strip() for cell in head.strip("|").split("|")]
    keys = [f"column.{cell}" for cell in cells]
    shown = [
        say(key, lang) if key in TEXTS else cell for key, cell in zip(keys, cells, strict=True)
    ]
    return f"| {' | '.join(shown)} |"
