"""What failed, on one line of the standard error, whatever names and cells it quotes."""

from __future__ import annotations

import errno
import unicodedata

import typer

from mien.cli.ending import drop_lost_output

__all__ = ["one_line", "say_failure", "say_system_error"]

_OF_THE_PATH = (errno.EACCES, errno.ENAMETOOLONG)
"""What already looking whether something is there ends in: a folder that must not be entered, a name that none can have."""

_JOINERS = "\u200c\u200d"


def say_failure(failure: object) -> None:
    """Print what failed, an error or its words, after the program's name."""
    typer.echo(one_line(f"mien: {failure}"), err=True)


def say_system_error(error: OSError) -> bool:
    """Print what the system refuses, where a user can mend that: a path, or the standard output; return whether it is."""
    if error.errno in _OF_THE_PATH and error.filename is not None:
        say_failure(f"{error.filename} cannot be used: {error.strerror}.")
        return True
    if drop_lost_output():
        say_failure(f"The standard output cannot be written: {error.strerror or error}.")
        return True
    return False


def one_line(text: str) -> str:
    """Replace what would move the cursor or break the line: file names may hold anything."""
    return "".join(letter if _stays_in_line(letter) else "\ufffd" for letter in text)


def _stays_in_line(letter: str) -> bool:
    # Python calls neither wide and narrow spaces printable nor what joins letters and emoji.
    return letter.isprintable() or letter in _JOINERS or unicodedata.category(letter) == "Zs"
