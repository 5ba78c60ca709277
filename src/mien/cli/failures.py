"""What failed, on one line of the standard error, whatever names and cells it quotes."""

from __future__ import annotations

import unicodedata

import typer

__all__ = ["one_line", "say_failure"]

_JOINERS = "\u200c\u200d"


def say_failure(failure: object) -> None:
    """Print what failed, an error or its words, after the program's name."""
    typer.echo(one_line(f"mien: {failure}"), err=True)


def one_line(text: str) -> str:
    """Replace what would move the cursor or break the line: file names may hold anything."""
    return "".join(letter if _stays_in_line(letter) else "\ufffd" for letter in text)


def _stays_in_line(letter: str) -> bool:
    # Python calls neither wide and narrow spaces printable nor what joins letters and emoji.
    return letter.isprintable() or letter in _JOINERS or unicodedata.category(letter) == "Zs"
