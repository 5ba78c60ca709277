"""Reader for image folders: ``train/<label>/*``, ``test/<label>/*``, ``valid/`` where there is one; or ``<label>/*`` alone."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mien.data.classes import class_meaning, class_order, split_of_name
from mien.data.dataset import SPLITS, Dataset
from mien.data.pictures import count_endings, list_pictures, read_pictures
from mien.errors import DataError
from mien.images import IMAGE_SUFFIXES, UNREAD_SUFFIXES
from mien.utf8 import in_utf8

__all__ = ["find_files", "notes", "read"]

_TRAIN = SPLITS.index("train")
_LEAST_LABELS = 2
_SHOWN = 3
_UNSPLIT = (
    "There are no folders train/, valid/ or test/: all pictures are for training. Hold a part out with "
    "-o data.valid_fraction=0.2, or move one person's pictures at a time into test/<label>/."
)


def find_files(path: Path) -> tuple[Path, ...]:
    """Return the pictures of a data set in folders; none if ``path`` has neither ``train/<label>/`` nor two ``<label>/``."""
    split_folders = _split_folders(path)
    if not split_folders:
        # FER+'s FER2013Train/ without its votes is a split whose labels are missing, and no label.
        labels = [one for one in _subfolders(path) if not one.name.startswith("FER2013")]
        by_label = [pictures for one in labels if (pictures := list_pictures(one))]
        # One folder of pictures is an album; labels are what several tell apart.
        if len(by_label) < _LEAST_LABELS:
            return ()
        return tuple(picture for pictures in by_label for picture in pictures)
    return tuple(
        picture
        for split_folder in split_folders
        for label_folder in _subfolders(split_folder)
        for picture in list_pictures(label_folder)
    )


def read(path: Path, size: int) -> Dataset:
    """Read a folder a split, in it a folder a label, in it pictures of any size and colour.

    Labels are in the order of `labels.FER2013` or `labels.FERPLUS` when the folders are named so, in any spelling;
    otherwise in the alphabetical order of the folder names. Where there is no folder of a split, the folders are those of
    labels, and all pictures are for training.

    Args:
        path: The folder that holds ``train/`` and ``test/``.
        size: Height and width of the images wanted, px.

    Raises:
        DataError: If two folders stand for one split, or a picture cannot be read.
    """
    split_folders = _split_folders(path)
    files = find_files(path)
    folders = [folder for above in split_folders for folder in _subfolders(above)]
    labels = folders if split_folders else [file.parent for file in files]
    same = _same_labels({folder.name for folder in labels})
    one_of = {name: in_utf8(one) for name, one in same.items()}
    found = sorted(set(one_of.values()))
    label_names, places = class_order(found)
    split_codes = {folder.name: _split(folder) for folder in split_folders}
    if len(set(split_codes.values())) < len(split_codes):
        raise DataError(
            f"{path} has several folders for one split: {', '.join(split_codes)}; keep one of each of "
            f"{', '.join(SPLITS)}."
        )
    splits = [split_codes[file.parent.parent.name] if split_codes else _TRAIN for file in files]
    return Dataset(
        images=read_pictures(files, size),
        labels=np.array(
            [places[found.index(one_of[file.parent.name])] for file in files], np.int64
        ),
        label_names=label_names,
        split=np.array(splits, np.uint8),
        names=np.array([file.relative_to(path).as_posix() for file in files], str),
        layout="folders",
    )


def notes(path: Path) -> tuple[str, ...]:
    """Say what a look at the folders would not let one expect.

    Apart from `read`, since most of it may change while the files that are read stay as they are.
    """
    split_folders = _split_folders(path)
    folders = [folder for above in split_folders or [path] for folder in _subfolders(above)]
    endings = {folder: count_endings(folder) for folder in folders}
    bare = [folder for folder in folders if not IMAGE_SUFFIXES & endings[folder].keys()]
    labels = folders if split_folders else [folder for folder in folders if folder not in bare]
    one_of = _same_labels({folder.name for folder in labels})
    found = [] if split_folders else [_UNSPLIT]
    others = sorted(f"{name} is {one}" for name, one in one_of.items() if name != one)
    if others:
        found.append(f"Folders of one meaning are one label: {', '.join(others)}.")
    if bare:
        shown = ", ".join(folder.relative_to(path).as_posix() for folder in bare)
        found.append(f"Folders without pictures: {shown}.")
    unread = sum(endings.values(), Counter[str]())
    kinds = [f"{suffix} ({unread[suffix]})" for suffix in sorted(UNREAD_SUFFIXES & unread.keys())]
    if kinds:
        found.append(
            f"Pictures of kinds that are not read are left out: {', '.join(kinds)}. Save them as JPEG or PNG."
        )
    if split_folders:
        found.extend(_beside_splits(path, split_folders))
    return (*found, *_too_high(split_folders or [path]), *_too_deep(folders, path))


def _beside_splits(path: Path, split_folders: list[Path]) -> Iterator[str]:
    """Say which folders of pictures lie beside those of splits and are called like none."""
    counts = {
        folder.name: sum(len(list_pictures(one)) for one in (folder, *_subfolders(folder)))
        for folder in _subfolders(path)
        if folder not in split_folders
    }
    beside = [f"{name} ({count})" for name, count in counts.items() if count]
    if beside:
        yield f"Folders of pictures that are called like no split are left out: {', '.join(beside)}."


def _too_high(above: list[Path]) -> Iterator[str]:
    """Say which pictures lie beside the folders of labels, such as those of a competition's test, which have none."""
    beside = [
        f"{folder.name or '.'} ({len(pictures)})"
        for folder in above
        if (pictures := list_pictures(folder))
    ]
    if beside:
        yield (
            f"Pictures beside the folders of labels have no label and are left out: {', '.join(beside)}. "
            "Move them into one to be read."
        )


def _too_deep(folders: list[Path], path: Path) -> Iterator[str]:
    """Say which pictures lie in folders below those of labels."""
    below = {
        folder.relative_to(path).as_posix(): len(pictures)
        for label in folders
        for folder in _subfolders(label)
        if (pictures := list_pictures(folder))
    }
    if below:
        shown = ", ".join(f"{name} ({count})" for name, count in list(below.items())[:_SHOWN])
        yield (
            f"{sum(below.values()):,} pictures lie in folders below those of labels and are left out: {shown}"
            f"{', …' if len(below) > _SHOWN else ''}. Move them up to be read."
        )


def _same_labels(names: set[str]) -> dict[str, str]:
    """Return for each folder's name the one that stands for all of its meaning: happy for Happy and happiness."""
    first: dict[str, str] = {}
    # Small letters before large ones, short names before long ones.
    for name in sorted(names, key=lambda one: (len(one), one.swapcase())):
        first.setdefault(class_meaning(name), name)
    return {name: first[class_meaning(name)] for name in names}


def _split_folders(path: Path) -> list[Path]:
    """The folders of splits, train first."""
    folders = [folder for folder in _subfolders(path) if split_of_name(folder.name) is not None]
    return sorted(folders, key=_split)


def _split(folder: Path) -> int:
    split = split_of_name(folder.name)
    assert split is not None
    return split


def _subfolders(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    with os.scandir(path) as entries:
        found = [
            entry.name for entry in entries if not entry.name.startswith(".") and _is_folder(entry)
        ]
    return [path / name for name in sorted(found)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # An entry knows folders from files without asking the disk for each, but raises of a link to itself.
    return os.path.isdir(entry) if entry.is_symlink() else entry.is_dir()  # noqa: PTH112
