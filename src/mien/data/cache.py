"""A data set as arrays on disk, so that it is read from its own files once.

An entry is a folder named after the source and its state; it appears by a rename, whole or not at all, and is made
again when anything about it is wrong. A disk that does not take it costs time and no result.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.data.dataset import Dataset
from mien.errors import DataError, InputError
from mien.paths import cache_dir

__all__ = ["entry_name", "load", "store"]

logger = logging.getLogger(__name__)

_VERSION = 6
"""Raised whenever a reader gives something else for the same files, or an entry is laid out anew."""

_ARRAYS = ("images", "labels", "split", "votes", "names")


def entry_name(
    path: Path, layout: str, size: int, files: Iterable[Path], said: Sequence[str] = ()
) -> str:
    """Name the entry for a source in its present state.

    The part before the dash stands for the source; the part after it changes when a file is added, removed, or
    differs in length or time of change, or when something else is said of the source.

    Args:
        path: What the user gave.
        layout: The reader's name.
        size: Height and width of the images, px.
        files: Every file that the reader would read.
        said: What is to be known besides, such as of empty folders, which may be labels too.

    Raises:
        DataError: If one is not there, or cannot be read.
    """
    source = hashlib.sha256(repr((str(path.resolve()), layout, size)).encode())
    state = hashlib.sha256(repr((_VERSION, np.lib.format.MAGIC_PREFIX)).encode())
    # As text: a Path for each of 35,000 files takes longer than what is asked of the disk.
    home = os.path.abspath(path if path.is_dir() else path.parent)  # noqa: PTH100
    for file in files:
        try:
            stat = file.stat()
        except OSError as error:
            raise DataError(
                f"{file} cannot be read: {error.strerror}. Is it a link to a file that is gone?"
            ) from None
        # The same file however its data set was named: from another folder, or through a link.
        name = os.path.abspath(file).removeprefix(home)  # noqa: PTH100
        state.update(
            f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode(errors="surrogateescape")
        )
    for note in said:
        state.update(f"{note}\n".encode(errors="surrogateescape"))
    return f"{source.hexdigest()[:16]}-{state.hexdigest()[:32]}"


def load(name: str) -> Dataset | None:
    """Return the data set of an entry, its images mapped from the file; None if there is no sound entry.

    The images may be written to: such changes stay in memory and never reach the cache.
    """
    folder = _home() / name
    try:
        fields = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        arrays = {key: _load_array(folder, key, fields["checksums"]) for key in fields["checksums"]}
        return Dataset(
            images=arrays["images"],
            labels=arrays["labels"],
            label_names=tuple(fields["label_names"]),
            split=arrays["split"],
            votes=arrays.get("votes"),
            names=arrays.get("names"),
            layout=fields["layout"],
            notes=tuple(fields["notes"]),
        )
    except FileNotFoundError:
        return None
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        EOFError,
        InputError,
    ) as error:
        logger.warning("The cached data in %s is damaged (%s); it is made again.", folder, error)
        return None


def store(name: str, dataset: Dataset) -> None:
    """Write an entry, and remove those of earlier states of the same source.

    Several processes may store the same entry at once: each writes a folder of its own, and one of them is renamed
    into place. A full or read-only disk is logged and nothing else.
    """
    home = _home()
    temporary: Path | None = None
    try:
        home.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".writing-", dir=home))
        _write(temporary, dataset)
        _move_into_place(temporary, home / name)
        _remove_earlier(home, name)
    except OSError as error:
        logger.warning(
            "The data could not be cached in %s (%s); it is read anew next time. MIEN_CACHE moves the cache.",
            home,
            error.strerror or error,
        )
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _home() -> Path:
    return cache_dir() / "data"


def _write(folder: Path, dataset: Dataset) -> None:
    checksums = {}
    for key in _ARRAYS:
        values = getattr(dataset, key)
        if values is not None:
            np.save(folder / f"{key}.npy", values, allow_pickle=False)
            checksums[key] = _checksum(values)
    fields: dict[str, Any] = {
        "checksums": checksums,
        "label_names": dataset.label_names,
        "layout": dataset.layout,
        "notes": dataset.notes,
    }
    (folder / "meta.json").write_text(json.dumps(fields), encoding="utf-8")


def _load_array(folder: Path, key: str, checksums: dict[str, int]) -> NDArray[Any]:
    # Mode c is copy-on-write: torch warns about read-only arrays, and nobody may write into the cache.
    values = np.load(folder / f"{key}.npy", mmap_mode="c", allow_pickle=False)
    if _checksum(values) != checksums[key]:
        raise ValueError(f"{key}.npy does not match its checksum")
    return np.asarray(values)


def _checksum(values: NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(values).view(np.uint8).data)


def _move_into_place(temporary: Path, entry: Path) -> None:
    # This ends: whoever finds a folder in the way a second time has been overtaken by a writer that is done by now.
    while True:
        try:
            temporary.rename(entry)
            return
        except OSError as error:
            # A folder cannot be renamed over a full one: another process was faster, or a damaged entry is in the way.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        with (
            tempfile.TemporaryDirectory(
                prefix=".removing-", dir=entry.parent, ignore_cleanup_errors=True
            ) as aside,
            contextlib.suppress(FileNotFoundError),  # somebody else has just moved it away
        ):
            entry.replace(Path(aside) / entry.name)


def _remove_earlier(home: Path, name: str) -> None:
    source = name.split("-")[0]
    for entry in home.glob(f"{source}-*"):
        if entry.name != name:
            shutil.rmtree(entry, ignore_errors=True)
