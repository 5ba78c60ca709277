"""What failed, on one line of the standard error, whatever names and cells it quotes."""

from __future__ import annotations

import typer

__all__ = ["one_line", "say_failure"]


def say_failure(failure: object) -> None:
    """Print what failed, an error or its words, after the program's name."""
    typer.echo(one_line(f"mien: {failure}"), err=True)


def one_line(text: str) -> str:
    """Replace what would move the cursor or break the line: file names may hold anything."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
