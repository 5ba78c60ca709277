"""Reader for the Kaggle challenge's CSV (``emotion,pixels,Usage``) and its sibling ``icml_face_data.csv``.

NumPy only: pixels are parsed from the bytes of a line, because 300 MB of numbers through a CSV library or
``str.split`` takes a minute.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.data import votes as ferplus_votes
from mien.data.classes import USAGES
from mien.data.dataset import SPLITS, Dataset
from mien.errors import DataError
from mien.labels import FER2013
from mien.preprocess import InputSpec, fit

__all__ = ["FILE_NAMES", "SIDE_PX", "find_files", "read"]

FILE_NAMES = ("fer2013.csv", "icml_face_data.csv")
"""What the file is called where a folder is given; a file that is given itself may have any name."""

SIDE_PX = 48
"""Height and width of every image in the file."""

_PIXELS = SIDE_PX * SIDE_PX
_COLUMNS = ("emotion", "pixels", "usage")
_EMOTIONS = {str(code).encode(): code for code in range(len(FER2013))}
_SPLITS = {usage.lower().encode(): index for index, usage in enumerate(USAGES)}
_SPACE, _ZERO = ord(" "), ord("0")


def find_files(path: Path) -> tuple[Path, ...]:
    """Return the CSV at ``path`` and the FER+ votes beside it; none if there is no CSV of faces."""
    if path.is_file():
        found = (
            path if path.suffix.lower() == ".csv" and path.name != ferplus_votes.FILE_NAME else None
        )
    else:
        found = next((path / name for name in FILE_NAMES if (path / name).is_file()), None)
    if found is None:
        return ()
    beside = found.parent / ferplus_votes.FILE_NAME
    return (found, beside) if beside.is_file() else (found,)


def read(path: Path, size: int) -> Dataset:
    """Read the CSV, and the votes of ``fer2013new.csv`` where that lies beside it.

    Args:
        path: The CSV, or the folder that holds it.
        size: Height and width of the images wanted, px.

    Raises:
        DataError: If columns are missing, or a row cannot be used; the message names the file and the line.
    """
    file, *beside = find_files(path)
    try:
        faces = _read_faces(file)
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}.") from None
    if beside:
        table = ferplus_votes.read_table(beside[0])
        counts, names = ferplus_votes.align_rows(table, faces.split, file)
        faces = replace(faces, votes=counts, names=names)
    if size != SIDE_PX:
        spec = InputSpec(size=size)
        faces = replace(faces, images=np.stack([fit(image, spec) for image in faces.images]))
    return faces


def _read_faces(file: Path) -> Dataset:
    images: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    splits: list[int] = []
    with file.open("rb", buffering=1 << 20) as lines:
        places = _places(lines.readline(), file)
        emotion_at, pixels_at, usage_at = places
        for number, fields in _rows(lines, file, max(places) + 1):
            where = f"{file}, line {number} (row {number - 1})"
            labels.append(_label(fields[emotion_at], where))
            images.append(_parse_pixels(fields[pixels_at], where))
            splits.append(_split(fields[usage_at], where))
    if not images:
        raise DataError(f"{file} has a header and no rows; expected one row a face.")
    return Dataset(
        images=np.stack(images).reshape(-1, SIDE_PX, SIDE_PX),
        labels=np.array(labels, np.int64),
        label_names=FER2013.labels,
        split=np.array(splits, np.uint8),
        layout="csv",
    )


def _places(header: bytes, file: Path) -> list[int]:
    """Where emotion, pixels and usage stand, whatever their order, spaces and case."""
    text = header.decode("utf-8-sig", errors="replace").strip()
    found = [name.strip(' "').lower() for name in text.split(",")]
    missing = [name for name in _COLUMNS if name not in found]
    if missing:
        shown = f"it begins with {text[:60]!r}" if text else "it is empty"
        raise DataError(
            f"{file} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; "
            f"expected the header emotion,pixels,Usage, but {shown}."
        )
    return [found.index(name) for name in _COLUMNS]


def _rows(lines: Iterator[bytes], file: Path, num_needed: int) -> Iterator[tuple[int, list[bytes]]]:
    """Line numbers, as an editor counts them, and at least so many fields; blank lines are skipped."""
    for number, line in enumerate(lines, start=2):
        fields = [field.strip(b' \r\n"') for field in line.split(b",")]
        if len(fields) >= num_needed:
            yield number, fields
        elif fields != [b""]:
            raise DataError(
                f"{file}, line {number} (row {number - 1}): {len(fields)} field"
                f"{'s' if len(fields) > 1 else ''}; expected {num_needed}, with emotion, pixels and Usage. Is the file cut off?"
            )


def _label(field: bytes, where: str) -> int:
    try:
        return _EMOTIONS[field]
    except KeyError:
        meanings = ", ".join(f"{code} {name}" for code, name in enumerate(FER2013.labels))
        raise DataError(
            f"{where}: emotion is {_shown(field)}; expected 0 to {len(FER2013) - 1} ({meanings})."
        ) from None


def _split(field: bytes, where: str) -> int:
    try:
        return _SPLITS[field.lower()]
    except KeyError:
        raise DataError(
            f"{where}: Usage is {_shown(field)}; expected {', '.join(USAGES)} "
            f"(which become {', '.join(SPLITS)})."
        ) from None


def _parse_pixels(field: bytes, where: str) -> NDArray[np.uint8]:
    """Numbers between single spaces, each from the last three bytes before its end."""
    text = np.frombuffer(b"  " + field + b" ", np.uint8)
    digits = text - np.uint8(_ZERO)  # spaces wrap round to 240
    is_space = text == _SPACE
    ends = np.flatnonzero(is_space[2:]) + 2
    if len(ends) != _PIXELS or not ((digits < 10) | is_space).all():
        return _parse_odd_pixels(field, where)
    ones = digits[ends - 1].astype(np.int16)
    tens = digits[ends - 2]
    hundreds = digits[ends - 3]
    has_tens = tens < 10
    values = ones + 10 * np.where(has_tens, tens, 0).astype(np.int16)
    values += 100 * np.where(has_tens & (hundreds < 10), hundreds, 0).astype(np.int16)
    # Doubled spaces leave an "end" after a space (240); a number of four digits leaves a wide gap.
    if ones.max() > 9 or values.max() > 255 or np.diff(ends).max() > 4 or ends[0] > 5:
        return _parse_odd_pixels(field, where)
    return values.astype(np.uint8)


def _parse_odd_pixels(field: bytes, where: str) -> NDArray[np.uint8]:
    """The slow and lenient way, which says what is wrong."""
    words = field.split()
    if len(words) != _PIXELS:
        raise DataError(
            f"{where}: {len(words)} pixels; expected {_PIXELS} ({SIDE_PX} × {SIDE_PX})."
        )
    for place, word in enumerate(words, start=1):
        if not word.isdigit() or len(word) > 3 or int(word) > 255:
            raise DataError(
                f"{where}: pixel {place} is {_shown(word)}; expected a whole number from 0 to 255."
            )
    return np.array([int(word) for word in words], np.uint8)


def _shown(field: bytes) -> str:
    text = field.decode("utf-8", errors="replace")
    return repr(text if len(text) <= 30 else text[:27] + "…")
