"""The rows of a watched recording as a table: CSV, JSON lines or parquet, written row by row and read back."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from mien.errors import ConfigError, DataError, MissingExtraError
from mien.replacing import check_target, replacing
from mien.types import Box, VideoRow

__all__ = ["TABLE_SUFFIXES", "check_table_path", "open_table", "read_table"]

TABLE_SUFFIXES = (".csv", ".jsonl", ".parquet")

_PLACE = ("frame", "time_s", "track", "x", "y", "w", "h", "score", "yaw_deg")
_ANSWER = ("expression", "confidence")
_PROB, _SMOOTHED = "p_", "s_"
_DIGITS = 6
_ROW_GROUP = 5000

Write = Callable[[VideoRow], None]


def check_table_path(path: Path) -> None:
    """Refuse, before any work, what could not be written at its end.

    Raises:
        ConfigError: If the ending is unknown, or nothing can be written there.
        MissingExtraError: If it is parquet and pyarrow is not installed.
    """
    check_target(path, "The table", TABLE_SUFFIXES)
    if path.suffix.lower() == ".parquet":
        _import_pyarrow()


@contextmanager
def open_table(path: Path, labels: Sequence[str]) -> Iterator[Write]:
    """Write a table row by row; memory stays flat.

    The file appears under its name when the block ends. If that ends early, by a damaged recording or Ctrl-C, the rows
    so far are kept; without any row nothing is written then.

    Args:
        path: Its ending says how: ``.csv``, ``.jsonl`` or ``.parquet``.
        labels: The expressions, in the order of their columns ``p_…`` (of the frame) and ``s_…`` (smoothed).

    Yields:
        What takes the next row.

    Raises:
        ConfigError: If the file cannot be written.
        MissingExtraError: If it is parquet and pyarrow is not installed.
    """
    check_table_path(path)
    count, is_kept = 0, False
    try:
        with replacing(path, keep=lambda: is_kept) as partial:
            writing = _WRITERS[path.suffix.lower()](partial, labels)
            write = next(writing)

            def count_and_write(row: VideoRow) -> None:
                nonlocal count
                write(row)
                count += 1

            finished = False
            try:
                yield count_and_write
                finished = True
            finally:
                writing.close()  # what it has not written yet; a table of which that fails is not kept
                is_kept = finished or count > 0
    except OSError as error:
        raise ConfigError(
            f"The table {path} cannot be written: {error.strerror or error}."
        ) from None


def read_table(path: Path) -> Iterator[VideoRow]:
    """Read a table back, row by row.

    Raises:
        ConfigError: If the ending is unknown.
        DataError: If the file is missing, or no table that `mien watch` wrote.
        MissingExtraError: If it is parquet and pyarrow is not installed.
    """
    if path.suffix.lower() not in TABLE_SUFFIXES:
        raise ConfigError(
            f"The table {path} ends in '{path.suffix}'; expected {', '.join(TABLE_SUFFIXES)}."
        )
    number = 1
    try:
        for record in _READERS[path.suffix.lower()](path):
            yield _row(record)
            number += 1
    except (KeyError, ValueError, TypeError, AttributeError, csv.Error) as error:
        raise DataError(
            f"{path}, row {number} is not one that mien watch writes ({_said(error)}). "
            "Give a table of mien watch --table."
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None


def _said(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())[:120]


def _flat(row: VideoRow, labels: Sequence[str]) -> dict[str, Any]:
    """Return a row as one value a column; None where a frame has no face."""
    box = row.box.as_list() if row.box else [None] * 4
    place = [row.frame, row.time_s, row.track, *box, _rounded(row.score), _rounded(row.yaw_deg)]
    flat = dict(zip(_PLACE, place, strict=True))
    flat |= {"expression": row.expression, "confidence": _rounded(row.confidence)}
    for prefix, probs in ((_PROB, row.probabilities), (_SMOOTHED, row.smoothed)):
        flat |= {prefix + label: _rounded(probs[label]) if probs else None for label in labels}
    return flat


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)


def _columns(labels: Sequence[str]) -> list[str]:
    probs = [prefix + label for prefix in (_PROB, _SMOOTHED) for label in labels]
    return [*_PLACE, *_ANSWER, *probs]


def _open(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8", newline="")


def _write_csv(path: Path, labels: Sequence[str]) -> Generator[Write]:
    with _open(path) as stream:
        rows = csv.DictWriter(stream, _columns(labels), lineterminator="\n")
        rows.writeheader()
        yield lambda row: rows.writerow(_flat(row, labels))


def _write_jsonl(path: Path, labels: Sequence[str]) -> Generator[Write]:
    def write(row: VideoRow) -> None:
        record = row.as_dict()
        for name in ("probabilities", "smoothed"):
            if record[name]:
                record[name] = {label: _rounded(record[name][label]) for label in labels}
        for name in ("score", "yaw_deg", "confidence"):
            record[name] = _rounded(record[name])
        stream.write(json.dumps(record, ensure_ascii=False) + "\n")

    with _open(path) as stream:
        yield write


def _write_parquet(path: Path, labels: Sequence[str]) -> Generator[Write]:
    arrow, parquet = _import_pyarrow()
    whole = ("frame", "track", "x", "y", "w", "h")
    schema = arrow.schema(
        [
            (name, arrow.int64())
            if name in whole
            else (name, arrow.string() if name == "expression" else arrow.float64())
            for name in _columns(labels)
        ]
    )
    waiting: list[dict[str, Any]] = []
    with parquet.ParquetWriter(path, schema) as file:

        def write(row: VideoRow) -> None:
            waiting.append(_flat(row, labels))
            if len(waiting) >= _ROW_GROUP:
                flush()

        def flush() -> None:
            file.write_table(arrow.Table.from_pylist(waiting, schema))
            waiting.clear()

        try:
            yield write
        finally:
            if waiting:
                flush()


def _read_csv(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8", newline="") as stream:
        for record in csv.DictReader(stream):
            yield {name: None if value == "" else value for name, value in record.items()}


def _read_jsonl(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            record = json.loads(line)
            box = record["box"] or [None] * 4
            yield {
                **record,
                **dict(zip("xywh", box, strict=True)),
                **{_PROB + k: v for k, v in (record["probabilities"] or {}).items()},
                **{_SMOOTHED + k: v for k, v in (record["smoothed"] or {}).items()},
            }


def _read_parquet(path: Path) -> Iterator[Mapping[str, Any]]:
    _, parquet = _import_pyarrow()
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(_ROW_GROUP):
            yield from batch.to_pylist()


def _row(record: Mapping[str, Any]) -> VideoRow:
    def number(name: str) -> float | None:
        return None if record[name] is None else float(record[name])

    place = VideoRow(frame=int(record["frame"]), time_s=float(record["time_s"]))
    if record["track"] is None:
        return place
    return VideoRow(
        frame=place.frame,
        time_s=place.time_s,
        track=int(record["track"]),
        box=Box(*(int(record[side]) for side in "xywh")),
        score=number("score"),
        yaw_deg=number("yaw_deg"),
        expression=str(record["expression"]),
        confidence=number("confidence"),
        probabilities=_probs(record, _PROB),
        smoothed=_probs(record, _SMOOTHED),
    )


def _probs(record: Mapping[str, Any], prefix: str) -> dict[str, float]:
    return {
        name.removeprefix(prefix): float(value)
        for name, value in record.items()
        if name.startswith(prefix)
    }


def _import_pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("tables", "A parquet table") from None
    return pyarrow, pyarrow.parquet


_WRITERS: Mapping[str, Callable[[Path, Sequence[str]], Generator[Write]]] = {
    ".csv": _write_csv,
    ".jsonl": _write_jsonl,
    ".parquet": _write_parquet,
}
_READERS: Mapping[str, Callable[[Path], Iterator[Mapping[str, Any]]]] = {
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
}
