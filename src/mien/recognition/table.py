"""The rows of a watched recording as a table: CSV, JSON lines or parquet, written row by row and read back."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from mien.csv_rows import CsvRows
from mien.errors import ConfigError, DataError, MissingExtraError
from mien.replacing import check_target, replacing
from mien.types import Box, VideoRow

__all__ = ["TABLE_SUFFIXES", "check_table_path", "open_table", "read_table"]

TABLE_SUFFIXES = (".csv", ".jsonl", ".parquet")

_PLACE = ("frame", "time_s", "track", "x", "y", "w", "h", "score", "yaw_deg")
_ANSWER = ("expression", "confidence")
_PROB, _SMOOTHED = "p_", "s_"
_DIGITS = 6
_ENCODING = "utf-8-sig"
"""For reading: Excel's "CSV UTF-8" begins with a mark of that, which others leave out."""
_EMPTY = "the file is empty"
_ROW_GROUP = 5000
_LONGEST_ROW_BYTES = 1 << 20

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
    so far are kept; without any row nothing is written then. Of CSV and JSON lines the rows that reached a disk that is
    full now are kept too; parquet cannot be read without its end.

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
    count, has_failed, is_kept = 0, False, False

    def count_and_write(row: VideoRow) -> None:
        nonlocal count, has_failed
        try:
            # Named here too: others who write files may stand between this and the block's end.
            with _named(path):
                write(row)
        except ConfigError:
            has_failed = True
            raise
        count += 1

    with _named(path), replacing(path, keep=lambda: is_kept) as partial:
        writing = _WRITERS[path.suffix.lower()](partial, labels)
        write = next(writing)
        finished = False
        try:
            yield count_and_write
            finished = True
        finally:
            try:
                writing.close()  # what it has not written yet
            except OSError:
                has_failed = True
                raise
            finally:
                is_kept = finished or count > 0
                # What came after was lost on the way, whether or not closing said so.
                if has_failed:
                    is_kept = count > 0 and _cut_to_whole_rows(partial)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn what the disk says into a line for users."""
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"The table {path} cannot be written: {error.strerror or error}."
        ) from None


def _cut_to_whole_rows(path: Path) -> bool:
    """Leave what reached the disk up to the last whole row; False if that is nothing."""
    if path.suffix.lower() == ".parquet" or not path.is_file():
        return False
    with path.open("r+b") as file:
        file.seek(max(0, path.stat().st_size - _LONGEST_ROW_BYTES))
        begin = file.tell()
        end = begin + file.read().rfind(b"\n") + 1
        file.truncate(end)
    return end > begin


def read_table(path: Path) -> Iterator[VideoRow]:
    """Read a table back, row by row, also one that a spreadsheet or pandas has written again.

    Raises:
        ConfigError: If the ending is unknown.
        DataError: If the file is missing, no table that `mien watch` wrote, or its rows are not in their order.
        MissingExtraError: If it is parquet and pyarrow is not installed.
    """
    if path.suffix.lower() not in TABLE_SUFFIXES:
        raise ConfigError(
            f"The table {path} ends in '{path.suffix}'; expected {', '.join(TABLE_SUFFIXES)}."
        )
    number, before = 1, None
    try:
        for record in _READERS[path.suffix.lower()](path):
            row = _row(record)
            _check_order(before, row)
            yield row
            before = row
            number += 1
    except (
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
        csv.Error,
    ) as error:
        raise DataError(
            f"{path}, row {number} is not one that mien watch writes ({_said(error)}). "
            "Give a table of mien watch --table."
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or _said(error)}.") from None


def _check_order(before: VideoRow | None, row: VideoRow) -> None:
    if before and (row.time_s < before.time_s or row.frame < before.frame):
        raise ValueError(
            f"frame {row.frame} at {row.time_s:g} s comes after frame {before.frame} at {before.time_s:g} s"
        )


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
        rows, columns = CsvRows(stream), _columns(labels)
        rows.writerow(columns)

        def write(row: VideoRow) -> None:
            cells = _flat(row, labels)
            rows.writerow([cells.get(column, "") for column in columns])

        yield write


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
    # The open file, not its name: pyarrow takes no name that is no UTF-8.
    with path.open("wb") as stream, parquet.ParquetWriter(stream, schema) as file:

        def write(row: VideoRow) -> None:
            waiting.append(_flat(row, labels))
            if len(waiting) >= _ROW_GROUP:
                flush()

        def flush() -> None:
            rows = arrow.Table.from_pylist(waiting, schema)
            # Before they are written, which takes long: a Ctrl-C meanwhile is heard after it, and they would be written again.
            waiting.clear()
            file.write_table(rows)

        try:
            yield write
        finally:
            if waiting:
                flush()


def _read_csv(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding=_ENCODING, newline="") as stream:
        rows = csv.DictReader(stream)
        if rows.fieldnames is None:
            raise ValueError(_EMPTY)
        for name in _PLACE:
            if name not in rows.fieldnames:
                raise KeyError(name)
        for record in rows:
            yield {name: None if value == "" else value for name, value in record.items()}


def _read_jsonl(path: Path) -> Iterator[Mapping[str, Any]]:
    if not path.stat().st_size:
        raise ValueError(_EMPTY)
    with path.open(encoding=_ENCODING) as stream:
        for line in stream:
            if not line.strip():
                continue
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
    with path.open("rb") as stream, parquet.ParquetFile(stream) as file:
        for batch in file.iter_batches(_ROW_GROUP):
            for record in batch.to_pylist():
                # pandas has no empty numbers, and writes nan for them; nothing that mien watch writes is nan.
                yield {name: None if value != value else value for name, value in record.items()}


def _row(record: Mapping[str, Any]) -> VideoRow:
    def number(name: str) -> float | None:
        return None if record[name] is None else _finite(record[name])

    place = VideoRow(frame=_whole(record["frame"]), time_s=_finite(record["time_s"]))
    if record["track"] is None:
        return place
    return VideoRow(
        frame=place.frame,
        time_s=place.time_s,
        track=_whole(record["track"]),
        box=Box(*(_whole(record[side]) for side in "xywh")),
        score=number("score"),
        yaw_deg=number("yaw_deg"),
        expression=str(record["expression"]),
        confidence=number("confidence"),
        probabilities=_probs(record, _PROB),
        smoothed=_probs(record, _SMOOTHED),
    )


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value} is no number")
    return number


def _whole(value: Any) -> int:
    """Whole numbers stand as 1.0 in a column that has empty cells, once pandas has written it."""
    number = _finite(value)
    if not number.is_integer():
        raise ValueError(f"{value} is no whole number")
    return int(number)


def _probs(record: Mapping[str, Any], prefix: str) -> dict[str, float]:
    return {
        name.removeprefix(prefix): _finite(value)
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
