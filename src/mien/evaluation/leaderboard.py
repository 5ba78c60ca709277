"""The table of all results: rows in `results/`, one JSON file an evaluation, become Markdown for the README."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from mien.errors import DataError, InputError
from mien.tables import read_json

__all__ = [
    "MARKERS",
    "NO_RESULTS",
    "UNIFORM",
    "insert_table",
    "read_file",
    "read_rows",
    "results_table",
    "table_of_row",
]

NO_RESULTS = "No result has been recorded yet."
"""What stands in place of a table without rows."""

UNIFORM = "-uniform-prior"
"""Behind a protocol's name where all expressions were answered as equally frequent: no such row compares with one without."""

MARKERS = ("<!-- results: made by `make results` -->", "<!-- /results -->")
"""Lines of a document between which the table stands."""

_HEADER = (
    "| protocol | model | file | n | views | accuracy (95 %) | without copies | macro-F1 | ECE-15 % |",
    "|---|---|---|--:|---|---|---|---|--:|",
)


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """Read the rows of every ``*.json`` in a folder, in the order of the file names.

    Raises:
        DataError: If a file holds no rows.
    """
    rows: list[dict[str, Any]] = []
    for file in sorted(folder.glob("*.json")):
        found = read_file(file)
        for row in found:
            _check(row, file)
        rows += found
    return rows


def read_file(file: Path) -> list[dict[str, Any]]:
    """Read the rows of one file, of `mien evaluate` or of `mien robustness`. Who asks them for what they lack gets a DataError.

    Raises:
        DataError: If it holds no rows.
    """
    try:
        found = read_json(file, lambda fields: _Fields(fields, file))
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read as JSON: {error}.") from None
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise DataError(
            f"{file} holds no list of result rows; write it with: mien evaluate MODEL --json {file}"
        )
    return found


def table_of_row(row: Mapping[str, Any]) -> str:
    """Return which rows a row compares with: its protocol, and the prior that it was answered under if that is another."""
    protocol: str = row["protocol"]
    return f"{protocol}{UNIFORM}" if row.get("prior") == "uniform" else protocol


def results_table(folder: Path) -> str:
    """Return the rows of a folder as a Markdown table: protocols in order, the best model first.

    Runs that were shortened stand in the leaderboard alone, which says so.

    Args:
        folder: Usually ``results/``.

    Returns:
        The table without a line end, or `NO_RESULTS`. ``accuracy`` is in percent with its 95 % interval,
        ``without copies`` the same without pictures that training holds too.

    Raises:
        DataError: If a file holds no rows.
    """
    rows = [row for row in read_rows(folder) if not row["model"].get("shortened")]
    if not rows:
        return NO_RESULTS
    rows.sort(key=lambda row: (table_of_row(row), -row["scores"]["accuracy"]["value"]))
    return "\n".join([*_HEADER, *map(_line, rows)])


def insert_table(document: str, table: str) -> str:
    """Return a document with the table between its `MARKERS`, in place of what stood there.

    Raises:
        InputError: If the document lacks a marker.
    """
    before, start, rest = document.partition(MARKERS[0])
    _, end, after = rest.partition(MARKERS[1])
    if not start or not end:
        raise InputError(
            f"The document has no place for results: expected the lines {' and '.join(MARKERS)}."
        )
    return f"{before}{start}\n{table}\n{end}{after}"


class _Fields(dict[str, Any]):
    """A row, or what is in one. People edit such files, and each reader needs other fields: what is missing says so itself."""

    def __init__(self, fields: Mapping[str, Any], file: Path) -> None:
        super().__init__(fields)
        self._file = file

    def __missing__(self, key: str) -> NoReturn:
        raise DataError(
            f"{self._file} has a result row without {key}. Measure it again with --json."
        )


def _check(row: Mapping[str, Any], file: Path) -> None:
    missing = [key for key in ("protocol", "model", "data", "views", "scores") if key not in row]
    if missing:
        raise DataError(
            f"{file} has a result row without {', '.join(missing)}. Evaluate again with --json."
        )
    for name in ("accuracy", "macro_f1"):
        rate = row["scores"].get(name)
        figures = (
            [rate.get(key) for key in ("value", "low", "high")] if isinstance(rate, dict) else []
        )
        if not figures or not all(isinstance(figure, (int, float)) for figure in figures):
            raise DataError(
                f"{file} has a result row whose {name} is {rate!r}; expected a value with low and high. Evaluate again with --json."
            )


def _line(row: Mapping[str, Any]) -> str:
    scores, model = row["scores"], row["model"]
    clean = scores["clean"]
    cells = (
        table_of_row(row),
        model["name"],
        _file(model),
        f"{scores['n']:,}",
        row["views"],
        _percent(scores["accuracy"]),
        "–" if clean is None else _percent(clean["accuracy"]),
        _percent(scores["macro_f1"]),
        f"{100 * scores['calibrated']['ece']:.1f}",
    )
    return f"| {' | '.join(cells)} |"


def _file(model: Mapping[str, Any]) -> str:
    return f"{model['format']}, {model['bytes'] / 1e6:.1f} MB"


def _percent(estimate: Mapping[str, float]) -> str:
    value, low, high = (100 * estimate[key] for key in ("value", "low", "high"))
    return f"{value:.2f} ({low:.1f}–{high:.1f})"
