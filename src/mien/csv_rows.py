"""CSV whose rows end in a line feed and whose cells may hold anything, on every Python."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

__all__ = ["CsvRows"]


class _Stream(Protocol):
    def write(self, text: str, /) -> object: ...


class CsvRows:
    """Writes rows, as `csv.writer` does."""

    def __init__(self, stream: _Stream) -> None:
        """Write to a stream.

        Args:
            stream: Text; a file must be opened with ``newline=""``.
        """
        # Before Python 3.13 a writer quotes of the two only the characters that end its own rows, so that a lone carriage
        # return in a file's name would begin a new row.
        self._rows = csv.writer(_Lines(stream), lineterminator="\r\n")

    def writerow(self, row: Sequence[Any]) -> None:
        """Write one row."""
        self._rows.writerow(row)

    def writerows(self, rows: Iterable[Sequence[Any]]) -> None:
        """Write several rows."""
        self._rows.writerows(rows)


class _Lines:
    """Ends each row, which a writer hands over as a whole, in a line feed alone."""

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream

    def write(self, row: str) -> None:
        self._stream.write(row.removesuffix("\r\n") + "\n")
