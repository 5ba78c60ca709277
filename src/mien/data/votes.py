"""Reader for FER+: the votes of ``fer2013new.csv``, row for row beside FER2013's CSV or by picture name beside folders."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.data.classes import USAGES, split_of_usage
from mien.data.dataset import Dataset
from mien.data.pictures import list_pictures, read_pictures
from mien.errors import DataError
from mien.labels import FER2013, FERPLUS_VOTES

__all__ = ["FILE_NAME", "FOLDERS", "VoteTable", "align_rows", "find_files", "read", "read_table"]

FILE_NAME = "fer2013new.csv"

FOLDERS = ("FER2013Train", "FER2013Valid", "FER2013Test")
"""The FER+ authors' folders of pictures, in the order of `SPLITS`."""

_MOST_VOTES = 255
_HEADER = ("usage", "image name", *(name.lower() for name in FERPLUS_VOTES.labels))


@dataclass(frozen=True, eq=False)
class VoteTable:
    """What ``fer2013new.csv`` says, row by row."""

    file: Path
    split: NDArray[np.uint8]
    """(N,) indices into `SPLITS`."""
    names: list[str]
    """N names of picture files; empty where FER+ leaves a picture out because it shows no face."""
    votes: NDArray[np.uint8]
    """(N, 10) in the order of `labels.FERPLUS_VOTES`."""


def read_table(file: Path) -> VoteTable:
    """Read ``fer2013new.csv``.

    Raises:
        DataError: If columns are missing or a row cannot be used; the message names the file and the line.
    """
    splits: list[int] = []
    names: list[str] = []
    votes: list[list[int]] = []
    try:
        with file.open(newline="", encoding="utf-8-sig") as text:
            lines = csv.reader(text)
            header = tuple(name.strip().lower() for name in next(lines, []))
            if header != _HEADER:
                raise DataError(
                    f"{file} is not the FER+ votes: its columns are {_shown(', '.join(header)) or 'missing'}; "
                    f"expected Usage, Image name, {', '.join(FERPLUS_VOTES.labels)}."
                )
            for number, fields in enumerate(lines, start=2):
                if not fields:
                    continue
                where = f"{file}, line {number} (row {number - 1})"
                if len(fields) != len(_HEADER):
                    raise DataError(f"{where}: {len(fields)} fields; expected {len(_HEADER)}.")
                splits.append(_split(fields[0], where))
                names.append(fields[1].strip())
                votes.append([_count(field, where) for field in fields[2:]])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} cannot be read: {error}.") from None
    table = np.array(votes, np.uint8).reshape(-1, len(FERPLUS_VOTES))
    return VoteTable(file, np.array(splits, np.uint8), names, table)


def align_rows(
    table: VoteTable, split: NDArray[np.uint8], faces: Path
) -> tuple[NDArray[np.uint8], NDArray[np.str_]]:
    """Check that the votes run row for row with the CSV of faces, and return them with the rows' names.

    Args:
        table: The votes.
        split: (N,) split of each row of faces.
        faces: The CSV of faces, for messages.

    Returns:
        (N, 10) votes, and (N,) names, ``row 17`` where FER+ gives none.

    Raises:
        DataError: If the numbers of rows or the splits differ.
    """
    if len(table.split) != len(split):
        raise DataError(
            f"{table.file.name} has {len(table.split):,} rows and {faces} has {len(split):,}; they belong together "
            "row for row. Use the two files as published, or move the votes elsewhere."
        )
    differs = np.flatnonzero(table.split != split)
    if len(differs):
        row = int(differs[0])
        raise DataError(
            f"{table.file.name} and {faces.name} part at row {row + 1}: {USAGES[table.split[row]]} and "
            f"{USAGES[split[row]]}; they belong together row for row. Use the files in their published order."
        )
    names = [name or f"row {row}" for row, name in enumerate(table.names, start=1)]
    return table.votes, np.array(names, str)


def find_files(path: Path) -> tuple[Path, ...]:
    """Return the votes and the pictures of a FER+ folder; none if ``path`` is no such folder."""
    if not any((path / folder).is_dir() for folder in FOLDERS):
        return ()
    pictures = [picture for folder in FOLDERS for picture in list_pictures(path / folder)]
    table = path / FILE_NAME
    return ((table,) if table.is_file() else ()) + tuple(pictures)


def read(path: Path, size: int) -> Dataset:
    """Read FER+ as its authors' program lays it out: folders of pictures, and votes found by picture name.

    The pictures have votes and no FER2013 label: ``labels`` is -1 throughout.

    Args:
        path: The folder that holds ``fer2013new.csv`` and `FOLDERS`.
        size: Height and width of the images wanted, px.

    Raises:
        DataError: If the votes are missing, or a picture cannot be read.
    """
    if not (path / FILE_NAME).is_file():
        raise DataError(
            f"{path} has folders of FER+ pictures but no {FILE_NAME}; put that file beside them "
            "(it is in https://github.com/microsoft/FERPlus)."
        )
    table = read_table(path / FILE_NAME)
    by_name = {name: row for row, name in enumerate(table.names) if name}
    pictures = [
        (split, file)
        for split, folder in enumerate(FOLDERS)
        for file in list_pictures(path / folder)
    ]
    if not pictures:
        raise DataError(f"The folders {', '.join(FOLDERS)} in {path} hold no pictures.")
    rows = [by_name.get(file.name) for _, file in pictures]
    none = np.zeros(len(FERPLUS_VOTES), np.uint8)
    return Dataset(
        images=read_pictures([file for _, file in pictures], size),
        labels=np.full(len(pictures), -1, np.int64),
        label_names=FER2013.labels,
        split=np.array([split for split, _ in pictures], np.uint8),
        votes=np.stack([none if row is None else table.votes[row] for row in rows]),
        names=np.array([file.name for _, file in pictures], str),
        layout="ferplus",
        notes=_notes(pictures, rows, table),
    )


def _notes(
    pictures: list[tuple[int, Path]], rows: list[int | None], table: VoteTable
) -> tuple[str, ...]:
    notes = []
    without = rows.count(None)
    if without:
        notes.append(
            f"{without:,} pictures have no votes in {FILE_NAME}; FER+ targets leave them out."
        )
    for split in sorted({split for split, _ in pictures}):
        listed = {
            name for name, at in zip(table.names, table.split, strict=True) if name and at == split
        }
        lacking = len(listed - {file.name for at, file in pictures if at == split})
        if lacking:
            notes.append(
                f"{FOLDERS[split]} lacks {lacking:,} of the {len(listed):,} pictures that have votes."
            )
    return tuple(notes)


def _split(usage: str, where: str) -> int:
    split = split_of_usage(usage)
    if split is None:
        raise DataError(f"{where}: Usage is '{_shown(usage)}'; expected {', '.join(USAGES)}.")
    return split


def _count(field: str, where: str) -> int:
    digits = field.strip()
    is_short = len(digits) <= len(str(_MOST_VOTES))  # Python reads no number of 4,301 digits
    if not digits.isdecimal() or not is_short or int(digits) > _MOST_VOTES:
        raise DataError(
            f"{where}: a vote count is '{_shown(field)}'; expected a whole number from 0 to {_MOST_VOTES}."
        )
    return int(digits)


def _shown(text: str) -> str:
    """What a file holds instead may be anything: a quote that is never closed makes one cell of all of it."""
    return text if len(text) <= 120 else f"{text[:119]}…"
