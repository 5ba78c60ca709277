"""Writers for the four layouts that mien reads, each row for row what its reader gives back.

They stream: a few hundred rows at a time are turned into text or pictures, whatever the size of the data. What a layout
cannot carry is `convert`'s business.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.csv_rows import CsvRows
from mien.data import fer2013, votes
from mien.data.classes import USAGES
from mien.data.dataset import SPLITS, Dataset
from mien.data.row_names import is_named, number_of
from mien.errors import MissingExtraError
from mien.labels import FER2013, FERPLUS_VOTES
from mien.utf8 import in_utf8

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "WRITERS",
    "picture_names",
    "write_csv",
    "write_ferplus",
    "write_folders",
    "write_parquet",
]

_ROWS = 512
"""At a time."""

_NOT_FOUND_AGAIN = re.compile(r"^[.\s\0]+|\s+$|\0")
"""Readers pass hidden files by, and take names of votes without the spaces around them; no file has a NUL in its name."""


def write_csv(dataset: Dataset, folder: Path) -> None:
    """Write ``fer2013.csv``, and ``fer2013new.csv`` beside it if there are votes.

    Args:
        dataset: FER2013's labels, one for every row; pictures of `fer2013.SIDE_PX`.
        folder: An empty folder.
    """
    with (folder / fer2013.FILE_NAMES[0]).open("wb") as out:
        out.write(b"emotion,pixels,Usage\n")
        table = _digits()
        for rows in _parts(len(dataset)):
            digits = table[dataset.images[rows].reshape(len(rows), -1)]  # (n, pixels, 4)
            for row, pixels in zip(rows.tolist(), digits, strict=True):
                usage = USAGES[dataset.split[row]]
                numbers = pixels[pixels > 0].tobytes()[:-1]
                out.write(b"%d,%b,%b\n" % (dataset.labels[row], numbers, usage.encode()))
    if dataset.votes is not None:
        _write_votes(dataset, _names_as_read(dataset), folder)


def write_ferplus(dataset: Dataset, folder: Path) -> None:
    """Write the folders of pictures of FER+'s authors beside ``fer2013new.csv``.

    Args:
        dataset: With votes. Labels have no place here.
        folder: An empty folder.
    """
    paths = picture_names(dataset, "ferplus")
    for name in votes.FOLDERS:
        (folder / name).mkdir()
    for path, image in zip(paths, dataset.images, strict=True):
        (folder / path).write_bytes(_png(image))
    _write_votes(dataset, [PurePosixPath(path).name for path in paths], folder)


def write_folders(dataset: Dataset, folder: Path) -> None:
    """Write ``train/<label>/*.png`` and so on.

    Args:
        dataset: With a label for every row. Votes have no place here.
        folder: An empty folder.
    """
    for split in np.unique(dataset.split).tolist():
        # Also for classes without a picture, so that the labels stay the same.
        for label in dataset.label_names:
            (folder / SPLITS[split] / label).mkdir(parents=True)
    for path, image in zip(picture_names(dataset, "folders"), dataset.images, strict=True):
        (folder / path).write_bytes(_png(image))


def write_parquet(dataset: Dataset, folder: Path) -> None:
    """Write ``train.parquet`` and so on with the columns of FER2013 and its votes.

    Labels other than FER2013's go into a column ``label``, their names into the schema as the Hugging Face Hub has it.

    Args:
        dataset: Anything.
        folder: An empty folder.

    Raises:
        MissingExtraError: If pyarrow is not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("train", "Writing parquet") from None
    names = _names_as_read(dataset)
    for split in np.unique(dataset.split).tolist():
        rows = np.flatnonzero(dataset.split == split)
        tables = (_table(dataset, names, rows[part]) for part in _parts(len(rows)))
        first = next(tables)
        file = folder / f"{SPLITS[split]}.parquet"
        with (
            file.open("wb") as stream,  # pyarrow opens names in UTF-8 only
            pyarrow.parquet.ParquetWriter(stream, first.schema) as out,
        ):
            out.write_table(first)
            for table in tables:
                out.write_table(table)


WRITERS = {
    "csv": write_csv,
    "folders": write_folders,
    "ferplus": write_ferplus,
    "parquet": write_parquet,
}
"""By the names of `catalog.LAYOUTS`."""


def picture_names(dataset: Dataset, layout: str) -> list[str]:
    """Return a path for each row that no other row has, its own name in it where it has one, as PNG.

    Args:
        dataset: The rows.
        layout: ``"folders"`` or ``"ferplus"``, whose votes find a picture by its name, whatever its folder.
    """
    own = [""] * len(dataset) if dataset.names is None else dataset.names.tolist()
    homes = _homes(dataset, layout)
    used: set[str] = set()
    numbers: Counter[str] = Counter()
    paths = []
    for row, (given, is_own) in enumerate(zip(own, is_named(dataset).tolist(), strict=True)):
        stem = _NOT_FOUND_AGAIN.sub("", PurePosixPath(given).stem) if is_own else ""
        stem = stem or f"row{row + 1:07}"
        scope = homes[row] if layout == "folders" else ""
        key = first = f"{scope}/{stem}"
        while _as_compared(key) in used:
            numbers[first] += 1
            key = f"{first}-{numbers[first]}"
        used.add(_as_compared(key))
        paths.append(f"{homes[row]}/{key.removeprefix(f'{scope}/')}.png")
    return paths


def _as_compared(path: str) -> str:
    """Some file systems compare names without case, and letters with their accents apart as one."""
    return unicodedata.normalize("NFC", path).casefold()


def _homes(dataset: Dataset, layout: str) -> list[str]:
    """The folder of each row."""
    if layout == "ferplus":
        return [votes.FOLDERS[split] for split in dataset.split]
    pairs = zip(dataset.split, dataset.labels, strict=True)
    return [f"{SPLITS[split]}/{dataset.label_names[label]}" for split, label in pairs]


def _parts(num_rows: int) -> Iterator[NDArray[np.intp]]:
    for start in range(0, num_rows, _ROWS):
        yield np.arange(start, min(start + _ROWS, num_rows))


def _digits() -> NDArray[np.uint8]:
    """(256, 4) the bytes of each number and of the space after it; 0 stands for no byte."""
    table = np.zeros((256, 4), np.uint8)
    for number, row in enumerate(table):
        text = f"{number} ".encode()
        row[: len(text)] = np.frombuffer(text, np.uint8)
    return table


def _names_as_read(dataset: Dataset) -> list[str]:
    """Names; empty where a row has only its number, which readers then give it again."""
    if dataset.names is None:
        return [""] * len(dataset)
    return [
        str(name) if is_own else ""
        for name, is_own in zip(dataset.names, is_named(dataset), strict=True)
    ]


def _write_votes(dataset: Dataset, names: list[str], folder: Path) -> None:
    assert dataset.votes is not None
    with (folder / votes.FILE_NAME).open("w", newline="", encoding="utf-8") as out:
        table = CsvRows(out)
        table.writerow(["Usage", "Image name", *FERPLUS_VOTES.labels])
        for split, name, counts in zip(dataset.split.tolist(), names, dataset.votes, strict=True):
            table.writerow([USAGES[split], in_utf8(name), *counts.tolist()])


def _numbers(dataset: Dataset, rows: NDArray[np.intp]) -> list[int]:
    """The numbers that rows are called by, from 1; those of their names where these are numbers."""
    numbers: list[int] = (rows + 1).tolist()
    if dataset.names is not None:
        for place, name in enumerate(dataset.names[rows].tolist()):
            if (number := number_of(name)) is not None:
                numbers[place] = number
    return numbers


def _png(image: NDArray[np.uint8]) -> bytes:
    return bytes(cv2.imencode(".png", image)[1])


def _table(dataset: Dataset, names: list[str], rows: NDArray[np.intp]) -> pa.Table:
    import pyarrow as pa

    labels = dataset.labels[rows]
    codes = pa.array(labels, pa.int16(), mask=labels < 0)
    is_fer2013 = dataset.label_names == FER2013.labels
    columns: dict[str, Any] = {
        "row": pa.array(_numbers(dataset, rows), pa.int32()),
        "usage": [USAGES[split] for split in dataset.split[rows]],
        "png": pa.array([_png(image) for image in dataset.images[rows]], pa.binary()),
        "emotion" if is_fer2013 else "label": codes,
    }
    if dataset.votes is not None:
        columns |= {
            name: dataset.votes[rows, place] for place, name in enumerate(FERPLUS_VOTES.labels)
        }
    columns["image_name"] = [in_utf8(names[row]) for row in rows.tolist()]
    table = pa.table(columns)
    if is_fer2013:
        return table
    features = {"label": {"names": list(dataset.label_names), "_type": "ClassLabel"}}
    return table.replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )
