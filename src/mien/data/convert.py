"""From any layout to any other: what a layout needs, what it cannot carry, and writing it whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from mien.data.classes import class_meaning
from mien.data.dataset import Dataset
from mien.data.fer2013 import SIDE_PX
from mien.data.ferplus import majority
from mien.data.row_names import is_named
from mien.data.writers import WRITERS, picture_names
from mien.errors import DataError, UnknownNameError
from mien.labels import FER2013, FERPLUS, LabelSet, canonical
from mien.replacing import whole_folder

__all__ = ["check_layout", "label_by_majority", "losses", "write_dataset"]


def write_dataset(dataset: Dataset, folder: Path, layout: str) -> tuple[str, ...]:
    """Write a data set in a layout; the folder appears whole or not at all.

    Args:
        dataset: What to write.
        folder: A path that is free, or an empty folder.
        layout: One of `catalog.LAYOUTS`.

    Returns:
        What the layout could not carry, from `losses`.

    Raises:
        UnknownNameError: If there is no such layout.
        DataError: If the layout needs what the data does not have.
        InputError: If something stands at ``folder``, or the disk does not take it.
        MissingExtraError: If the layout needs a package that is not installed.
    """
    check_layout(dataset, layout)
    with whole_folder(folder) as partial:
        WRITERS[layout](dataset, partial)
    return losses(dataset, layout)


def check_layout(dataset: Dataset, layout: str) -> None:
    """Refuse what a layout has no room for.

    Raises:
        UnknownNameError: If there is no such layout.
        DataError: If the layout needs what the data does not have.
    """
    if layout not in WRITERS:
        raise UnknownNameError("layout", layout, WRITERS, "mien data convert --help")
    if not len(dataset):
        raise DataError("There are no rows to write.")
    if layout in _NEEDS:
        _NEEDS[layout](dataset)


def losses(dataset: Dataset, layout: str) -> tuple[str, ...]:
    """Say what of a data set a layout cannot carry; nothing where reading it again gives the same.

    Args:
        dataset: What would be written.
        layout: One of `catalog.LAYOUTS`.
    """
    says = []
    if layout == "folders" and dataset.votes is not None:
        says.append("The FER+ votes are not in it: folders hold one label a picture.")
    if layout == "ferplus" and (dataset.labels >= 0).any():
        says.append(f"The labels ({', '.join(dataset.label_names)}) are not in it: only votes are.")
    if layout == "csv" and dataset.votes is None and is_named(dataset).any():
        says.append("The names of the pictures are not in it: the CSV has no column for them.")
    if layout in ("folders", "ferplus"):
        says += _about_names(dataset, layout)
        says.append("Rows come back in the order of the file names.")
    elif layout == "parquet" and (np.diff(dataset.split.astype(int)) < 0).any():
        says.append("Rows come back split by split: each is a file.")
    if layout == "folders" and list(dataset.label_names) != sorted(dataset.label_names):
        known = {FER2013.labels, FERPLUS.labels}
        if dataset.label_names not in known:
            says.append("Labels come back in alphabetical order.")
    return tuple(says)


def label_by_majority(dataset: Dataset, names: LabelSet) -> tuple[Dataset, int]:
    """Label pictures by the strict majority of their FER+ votes; others are left out.

    These are FER+'s labels and not those of FER2013, with which they agree on two pictures in three.

    Args:
        dataset: With votes.
        names: The labels to use; expressions that it lacks, contempt among FER2013's, are left out.

    Returns:
        The pictures that have a label now, and how many were left out.

    Raises:
        DataError: If the data has no votes.
    """
    if dataset.votes is None:
        raise DataError("This data has no FER+ votes to take labels from.")
    known = [canonical(name) for name in names.labels]
    places = np.array(
        [known.index(key) if (key := canonical(name)) in known else -1 for name in FERPLUS.labels]
    )
    winners = majority(dataset.votes)
    labels = np.where(winners >= 0, places[winners], -1).astype(np.int64)
    rows = np.flatnonzero(labels >= 0)
    labelled = replace(dataset, labels=labels, label_names=names.labels).take(rows)
    return labelled, len(dataset) - len(rows)


def _need_csv(dataset: Dataset) -> None:
    if dataset.label_names != FER2013.labels:
        raise DataError(
            f"The CSV knows FER2013's labels only ({', '.join(FER2013.labels)}); this data has "
            f"{', '.join(dataset.label_names)}. Convert to parquet or folders."
        )
    _need_labels(dataset, "A row of the CSV", "parquet or ferplus")
    height, width = dataset.images.shape[1:]
    if (height, width) != (SIDE_PX, SIDE_PX):
        raise DataError(
            f"The CSV holds pictures of {SIDE_PX} × {SIDE_PX} px; these are {width} × {height}. "
            f"Take --size {SIDE_PX}, or convert to parquet or folders."
        )


def _need_folders(dataset: Dataset) -> None:
    _need_labels(dataset, "A picture in folders", "parquet or ferplus")
    for name in dataset.label_names:
        if not name or name.startswith(".") or set(name) & set("/\\\0"):
            raise DataError(
                f"The label '{name}' cannot be the name of a folder. Convert to parquet."
            )
    meanings = [class_meaning(name) for name in dataset.label_names]
    alike = [
        name
        for name, meaning in zip(dataset.label_names, meanings, strict=True)
        if meanings.count(meaning) > 1
    ]
    if alike:
        raise DataError(
            f"Folders of one meaning are one label, as these would be: {', '.join(alike)}. Convert to parquet."
        )


def _need_ferplus(dataset: Dataset) -> None:
    if dataset.votes is None:
        raise DataError(
            "This data has no FER+ votes, and the layout ferplus holds nothing else. Put fer2013new.csv beside "
            "fer2013.csv, or convert to csv, folders or parquet."
        )


def _need_labels(dataset: Dataset, what: str, other: str) -> None:
    without = int((dataset.labels < 0).sum())
    if without:
        if dataset.votes is not None:
            way = f"Take labels from the votes with --labels votes, or convert to {other}."
        else:
            way = "Convert to parquet."
        raise DataError(f"{what} needs a label; {without:,} of {len(dataset):,} have none. {way}")


_NEEDS: dict[str, Callable[[Dataset], None]] = {
    "csv": _need_csv,
    "folders": _need_folders,
    "ferplus": _need_ferplus,
}


def _about_names(dataset: Dataset, layout: str) -> list[str]:
    named = is_named(dataset)
    says = []
    if not named.all():
        says.append(f"{(~named).sum():,} pictures without a name are called by their row.")
    if dataset.names is not None:
        pairs = zip(
            dataset.names[named], np.array(picture_names(dataset, layout))[named], strict=True
        )
        changed = sum(PurePosixPath(own).stem != PurePosixPath(new).stem for own, new in pairs)
        if changed:
            says.append(
                f"{changed:,} names were changed, as they stood there already or belong to no file that is found again."
            )
    return says
