"""Text that holds names of files, whose bytes may be no UTF-8: Python keeps such a byte as a surrogate, as which nothing is written."""

from __future__ import annotations

from pathlib import Path

__all__ = ["in_utf8", "is_text", "write_text"]


def is_text(name: str) -> bool:
    """Whether a name is UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in name


def in_utf8(text: str) -> str:
    r"""Write bytes that are no UTF-8 as letters, ``\udcb1``; inside JSON a reader turns them back into the name."""
    return text.encode("utf-8", "backslashreplace").decode()


def write_text(path: Path, text: str) -> None:
    """Write a file in UTF-8, whatever names the text holds; lines end in a line feed.

    Raises:
        OSError: If the disk does not take it.
    """
    path.write_text(in_utf8(text), encoding="utf-8", newline="\n")
