"""Reader for image folders: ``train/<label>/*``, ``test/<label>/*``, and ``valid/`` where there is one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mien.data.classes import class_order, split_of_name
from mien.data.dataset import SPLITS, Dataset
from mien.data.pictures import list_pictures, read_pictures
from mien.errors import DataError

__all__ = ["find_files", "read"]


def find_files(path: Path) -> tuple[Path, ...]:
    """Return the pictures of a data set in folders; none if ``path`` has no ``train/<label>/``."""
    return tuple(
        picture
        for split_folder in _split_folders(path)
        for label_folder in _subfolders(split_folder)
        for picture in list_pictures(label_folder)
    )


def read(path: Path, size: int) -> Dataset:
    """Read a folder a split, in it a folder a label, in it pictures of any size and colour.

    Labels are in the order of `labels.FER2013` or `labels.FERPLUS` when the folders are named so, in any spelling;
    otherwise in the alphabetical order of the folder names.

    Args:
        path: The folder that holds ``train/`` and ``test/``.
        size: Height and width of the images wanted, px.

    Raises:
        DataError: If two folders stand for one split, or a picture cannot be read.
    """
    split_folders = _split_folders(path)
    files = find_files(path)
    found = sorted({folder.name for split in split_folders for folder in _subfolders(split)})
    label_names, places = class_order(found)
    split_codes = {folder.name: _split(folder) for folder in split_folders}
    if len(set(split_codes.values())) < len(split_codes):
        raise DataError(
            f"{path} has several folders for one split: {', '.join(split_codes)}; keep one of each of "
            f"{', '.join(SPLITS)}."
        )
    return Dataset(
        images=read_pictures(files, size),
        labels=np.array([places[found.index(file.parent.name)] for file in files], np.int64),
        label_names=label_names,
        split=np.array([split_codes[file.parent.parent.name] for file in files], np.uint8),
        names=np.array([file.relative_to(path).as_posix() for file in files], str),
        layout="folders",
    )


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
    return sorted(
        folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith(".")
    )
