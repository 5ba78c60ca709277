"""Reader for parquet: the columns of FER2013 with its FER+ votes, and the image + label files of the Hugging Face Hub."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien.data.classes import USAGES, class_order, split_of_name
from mien.data.dataset import SPLITS, Dataset
from mien.errors import DataError, ImageError, MissingExtraError
from mien.images import decode
from mien.labels import FER2013, FERPLUS_VOTES
from mien.preprocess import InputSpec, fit
from mien.tables import parse_json

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["find_files", "read"]

_IMAGE_COLUMNS = ("png", "image", "img", "img_bytes")
_LABEL_COLUMNS = ("emotion", "label", "labels")

_MOST_UNNAMED = 1_000
"""Classes that a file may have without naming them."""


def find_files(path: Path) -> tuple[Path, ...]:
    """Return the parquet files of a data set, train first.

    They are ``path`` itself, or those in it, in its ``data/``, or in folders of splits there, ``train/`` and ``test/``.
    """
    if path.is_file():
        return (path,) if path.suffix.lower() == ".parquet" else ()
    folders = (path, path / "data")
    files = next((found for found in map(_inside, folders) if found), None) or [
        file for folder in folders for file in _in_splits(folder)
    ]
    return tuple(sorted(files, key=lambda file: (_split_of_file(file, path) or 0, file.name)))


def _in_splits(folder: Path) -> list[Path]:
    splits = [one for one in folder.glob("*") if split_of_name(one.name) is not None]
    # Beside folders of labels a table only describes the pictures in them.
    bare = [one for one in sorted(splits) if not any(one.glob("*/"))]
    return [file for one in bare for file in _inside(one)]


def _inside(folder: Path) -> list[Path]:
    # Hidden files are none of the data: macOS puts a ._train.parquet beside train.parquet on disks that are not its own.
    visible = (file for file in folder.glob("*") if not file.name.startswith("."))
    return [file for file in visible if file.suffix.lower() == ".parquet"]


def read(path: Path, size: int) -> Dataset:
    """Read the parquet files at ``path``, rows in their order.

    Args:
        path: A file, or a folder of ``train.parquet``, ``train-00000-of-00001.parquet``, …
        size: Height and width of the images wanted, px.

    Raises:
        MissingExtraError: If pyarrow is not installed.
        DataError: If a file is damaged, lacks the columns, or holds a row that cannot be used.
    """
    read_files = (_read_file(file, _split_of_file(file, path), size) for file in find_files(path))
    parts = [part for part in read_files if part is not None]
    if not parts:
        raise DataError(f"{path} holds no rows.")
    names = _common_names(parts, path)
    votes, without = _together(parts)
    rows = [part.names for part in parts if part.names is not None]
    return Dataset(
        images=np.concatenate([part.images for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        label_names=names,
        split=np.concatenate([part.split for part in parts]),
        votes=votes,
        names=np.concatenate(rows),
        layout="parquet",
        notes=tuple(dict.fromkeys([note for part in parts for note in part.notes] + without)),
    )


def _common_names(parts: Sequence[Dataset], path: Path) -> tuple[str, ...]:
    """Return the class names of all parts; where these are only numbers, a part may lack the highest ones."""
    names = max((part.label_names for part in parts), key=len)
    are_numbers = names == tuple(map(str, range(len(names))))
    for part in parts:
        if part.label_names != (names[: len(part.label_names)] if are_numbers else names):
            raise DataError(
                f"The parquet files in {path} name their classes differently: {', '.join(names)} and "
                f"{', '.join(part.label_names)}. Give one file, or files of one data set."
            )
    return names


def _together(parts: Sequence[Dataset]) -> tuple[NDArray[np.uint8] | None, list[str]]:
    """Return the votes of all parts, none in rows of a part that has no columns of them, and a note of such rows."""
    if all(part.votes is None for part in parts):
        return None, []
    none = np.zeros(len(FERPLUS_VOTES), np.uint8)
    votes = [np.tile(none, (len(part), 1)) if part.votes is None else part.votes for part in parts]
    num_without = sum(len(part) for part in parts if part.votes is None)
    note = f"{num_without:,} rows are of files without columns of FER+ votes, and have none."
    return np.concatenate(votes), [note] if num_without else []


def _read_file(file: Path, split: int | None, size: int) -> Dataset | None:
    """Read one file, and let go of its table before the next is read; None if it has no rows."""
    table = _read_table(file)
    return _read_rows(table, file, split, size) if len(table) else None


def _read_rows(table: pa.Table, file: Path, split: int | None, size: int) -> Dataset:
    images = _column(table, file, _IMAGE_COLUMNS, "pictures")
    labels = _column(table, file, _LABEL_COLUMNS, "labels")
    label_names, codes, notes = _labels(table, labels, file)
    splits, unsplit = _splits(table, file, split)
    return Dataset(
        images=_decode_all(table[images], file, size),
        labels=codes,
        label_names=label_names,
        split=splits,
        votes=_votes(table, file),
        names=_row_names(table),
        notes=(*notes, *unsplit),
    )


def _read_table(file: Path) -> pa.Table:
    try:
        import pyarrow as pa
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("train", "Reading parquet") from None
    try:
        with file.open("rb") as stream:  # pyarrow opens names in UTF-8 only
            return pyarrow.parquet.read_table(stream, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file} cannot be read as parquet: {_first_line(error)}.") from None


def _column(table: pa.Table, file: Path, candidates: tuple[str, ...], what: str) -> str:
    for name in candidates:
        if name in table.column_names:
            return name
    raise DataError(
        f"{file} has no column of {what}: expected {' or '.join(candidates)}; "
        f"it has {', '.join(table.column_names)}."
    )


def _decode_all(column: pa.ChunkedArray, file: Path, size: int) -> NDArray[np.uint8]:
    spec = InputSpec(size=size)
    images = np.empty((len(column), size, size), np.uint8)
    for row, value in enumerate(column.to_pylist()):
        data = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(data, bytes):
            raise DataError(
                f"{file}, row {row + 1}: the picture's bytes are missing; expected a PNG or JPEG inside the file."
            )
        try:
            images[row] = fit(decode(data, f"{file}, row {row + 1}:"), spec)
        except ImageError as error:
            raise DataError(str(error)) from None
    return images


def _labels(
    table: pa.Table, column: str, file: Path
) -> tuple[tuple[str, ...], NDArray[np.int64], tuple[str, ...]]:
    import pyarrow as pa
    import pyarrow.compute

    if not pa.types.is_integer(table[column].type):
        raise DataError(f"{file}: column {column} is {table[column].type}; expected whole numbers.")
    try:
        values = pyarrow.compute.fill_null(table[column].cast(pa.int64()), -1)
    except pa.ArrowInvalid as error:
        raise DataError(f"{file}: column {column} cannot be read: {_first_line(error)}.") from None
    codes: NDArray[np.int64] = np.asarray(values.to_numpy(), np.int64)
    notes: tuple[str, ...] = ()
    names = _class_names(table, column)
    if names is None and column == "emotion":
        names = FER2013.labels
    if names is None and codes.max() >= _MOST_UNNAMED:
        row = int(codes.argmax())
        raise DataError(
            f"{file}, row {row + 1}: label {codes[row]} of classes that have no names; expected numbers below {_MOST_UNNAMED:,}."
        )
    if names is None:
        names = tuple(str(code) for code in range(int(codes.max(initial=0)) + 1))
        notes = (f"{file.name} does not name its classes; they are called by their numbers.",)
    outside = np.flatnonzero((codes < -1) | (codes >= len(names)))
    if len(outside):
        row = int(outside[0])
        raise DataError(
            f"{file}, row {row + 1}: label {codes[row]}; expected 0 to {len(names) - 1} ({', '.join(names)})."
        )
    order, places = class_order(names)
    return order, np.where(codes < 0, -1, places[codes]), notes


def _class_names(table: pa.Table, column: str) -> tuple[str, ...] | None:
    """Names that the Hub's ``datasets`` library keeps in the schema; None without."""
    kept = (table.schema.metadata or {}).get(b"huggingface")
    try:
        feature: Any = parse_json(kept)["info"]["features"][column] if kept else {}
    except (ValueError, KeyError, TypeError):
        return None
    names = feature.get("names") if isinstance(feature, dict) else None
    return tuple(str(name) for name in names) if isinstance(names, list) else None


def _splits(
    table: pa.Table, file: Path, of_file: int | None
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Return (N,) the split of each row, that of the file where no column says it, and what is to be known of it."""
    columns = {name.lower(): name for name in reversed(table.column_names)}
    column = columns.get("usage") or columns.get("split")
    if column is None:
        unsplit = f"{file.name} says no split, neither by a column usage or split nor by its name: all of it is for training."
        return np.full(len(table), of_file or 0, np.uint8), (unsplit,) if of_file is None else ()
    splits = np.empty(len(table), np.uint8)
    for row, word in enumerate(table[column].to_pylist()):
        split = split_of_name(str(word))
        if split is None:
            raise DataError(
                f"{file}, row {row + 1}: {column} is '{word}'; expected one of {', '.join(USAGES)}, or of {', '.join(SPLITS)}."
            )
        splits[row] = split
    return splits, ()


def _split_of_file(file: Path, path: Path) -> int | None:
    """Return the split that is a word of the file's name, of ``test-00000-of-00001`` or ``fer2013_PublicTest``, or its folder's."""
    for word in re.split(r"[-_.]", file.stem):
        split = split_of_name(word)
        if split is not None:
            return split
    # A data set may lie anywhere: only folders within it say something of it.
    return None if path in (file, file.parent) else split_of_name(file.parent.name)


def _votes(table: pa.Table, file: Path) -> NDArray[np.uint8] | None:
    present = [name for name in FERPLUS_VOTES.labels if name in table.column_names]
    if not present:
        return None
    if len(present) < len(FERPLUS_VOTES):
        missing = [name for name in FERPLUS_VOTES.labels if name not in present]
        raise DataError(f"{file} lacks FER+ vote columns: {', '.join(missing)}.")
    return np.stack([_counts(table, name, file) for name in present], axis=1)


def _counts(table: pa.Table, name: str, file: Path) -> NDArray[np.uint8]:
    """A column of votes; a missing one is NaN to pyarrow, and no count."""
    try:
        values = np.asarray(table[name].to_numpy(), np.float64)
    except (TypeError, ValueError):
        raise DataError(
            f"{file}: column {name} is {table[name].type}; expected votes as whole numbers."
        ) from None
    wrong = np.flatnonzero(~((values >= 0) & (values <= 255) & (values == np.floor(values))))
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            f"{file}, row {row + 1}: {values[row]:g} votes for {name}; expected a whole number from 0 to 255."
        )
    return values.astype(np.uint8)


def _row_names(table: pa.Table) -> NDArray[np.str_]:
    numbers = table["row"].to_pylist() if "row" in table.column_names else range(1, len(table) + 1)
    if "image_name" in table.column_names:
        given = table["image_name"].to_pylist()
    else:
        given = [None] * len(table)
    return np.array(
        [name or f"row {number}" for name, number in zip(given, numbers, strict=True)], str
    )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".")
