"""The layouts that a data set may have, and the one way to open any of them."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mien.data import cache, fer2013, folders, parquet, published, synthetic, votes
from mien.data.dataset import Dataset
from mien.errors import DataError, InputError
from mien.registry import Registry

__all__ = ["LAYOUTS", "Layout", "find_layout", "open_dataset"]

logger = logging.getLogger(__name__)


def _no_notes(_path: Path) -> tuple[str, ...]:
    """Say nothing: all of the files are read."""
    return ()


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A way in which files hold labelled faces."""

    name: str
    summary: str
    """What it looks like, for messages."""
    find_files: Callable[[Path], tuple[Path, ...]]
    """The files that it would read at a path; none where the path is of another layout."""
    read: Callable[[Path, int], Dataset]
    """Reads them: the path, and the side of the images in px."""
    notes: Callable[[Path], tuple[str, ...]] = _no_notes
    """Says what is to be known of a path besides; asked anew each time, as it may change while the files stay."""


LAYOUTS = Registry(
    "layout",
    "mien data info --help",
    (  # where a folder holds several, the first of them is read: the CSV has both labels and votes
        Layout(
            name="csv",
            summary="fer2013.csv or icml_face_data.csv (with fer2013new.csv beside it for FER+ votes)",
            find_files=fer2013.find_files,
            read=fer2013.read,
        ),
        Layout(
            name="parquet",
            summary="*.parquet with columns png and emotion, or image and label",
            find_files=parquet.find_files,
            read=parquet.read,
        ),
        Layout(
            name="ferplus",
            summary="FER2013Train/, FER2013Valid/, FER2013Test/ beside fer2013new.csv",
            find_files=votes.find_files,
            read=votes.read,
        ),
        Layout(
            name="folders",
            summary="train/<label>/*.jpg and test/<label>/*.jpg (valid/ if there is one), or <label>/*.jpg alone",
            find_files=folders.find_files,
            read=folders.read,
            notes=folders.notes,
        ),
    ),
)

_SYNTHETIC = re.compile(r"synthetic(?::(\d{1,7}))?")
_NUM_DRAWN = 2000
_PACKED = (".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".tar", ".7z", ".rar")
_LEAST_PX, _MOST_PX = 8, 1024


def open_dataset(path: Path, *, size: int = 48, use_cache: bool = True) -> Dataset:
    """Read a data set, whatever its layout.

    Args:
        path: A folder or file in one of `LAYOUTS`; or ``synthetic`` or ``synthetic:500`` for so many drawn faces,
            where no such file exists.
        size: Height and width of the images, px.
        use_cache: Whether to read from and write to the user's cache folder.

    Returns:
        The data with what is to be known of it in ``notes``. The images of a cached data set are mapped from disk,
        copy-on-write.

    Raises:
        InputError: If ``size`` is out of range.
        DataError: If the path is missing, of no known layout, or holds a row that cannot be used.
        MissingExtraError: If the layout needs a package that is not installed.
    """
    if not _LEAST_PX <= size <= _MOST_PX:
        raise InputError(f"The images' size is {size} px; expected {_LEAST_PX} to {_MOST_PX}.")
    drawn = _SYNTHETIC.fullmatch(str(path))
    if drawn and not path.exists():
        return synthetic.draw_faces(int(drawn[1] or _NUM_DRAWN), seed=0, size=size)
    layout, files = find_layout(path)
    with _readable(path):
        said, beside = layout.notes(path), _beside(layout, path)
    entry = cache.entry_name(path, layout.name, size, files, said)
    dataset = cache.load(entry) if use_cache else None
    if dataset is None:
        logger.info("Reading %s (%s)", path, layout.name)
        dataset = layout.read(path, size)
        if use_cache:
            cache.store(entry, dataset)
    # Not from the cache: what counts as published may be put right in a later version, and what lies beside may change.
    notes = (*published.check(dataset), *dataset.notes, *said, *beside)
    return replace(dataset, notes=notes)


def find_layout(path: Path) -> tuple[Layout, tuple[Path, ...]]:
    """Return the layout of a path and the files that would be read.

    Raises:
        DataError: If the path is missing or of no known layout.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist. {_known()}")
    with _readable(path):
        for layout in LAYOUTS:
            files = layout.find_files(path)
            if files:
                return layout, files
        inside = [folder for folder in sorted(path.glob("*/")) if _has_layout(folder)]
    if path.name == votes.FILE_NAME:
        raise DataError(
            f"{path} holds votes and no faces; give its folder, with fer2013.csv or pictures beside it."
        )
    if inside:
        raise DataError(f"{path} is no data set, but {inside[0]} is; give that path.")
    if path.name.lower().endswith(_PACKED):
        raise DataError(f"{path} is packed. Unpack it, and give the file or folder that comes out.")
    empty = path.is_dir() and not any(path.iterdir())
    raise DataError(
        f"{path} {'is empty' if empty else 'has no layout that can be read'}. {_known()}"
    )


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """While it is entered, what the system refuses to list is one line for users: any folder in a data set may be locked."""
    try:
        yield
    except OSError as error:
        place = error.filename or path
        raise DataError(f"{place} cannot be read: {error.strerror or error}.") from None


def _has_layout(path: Path) -> bool:
    return any(layout.find_files(path) for layout in LAYOUTS)


def _beside(layout: Layout, path: Path) -> tuple[str, ...]:
    """Say what else lies at a path that could have been read."""
    others = [
        other.summary
        for other in LAYOUTS
        if path.is_dir() and other is not layout and other.find_files(path)
    ]
    return (f"Also here and not read: {'; '.join(others)}.",) if others else ()


def _known() -> str:
    return f"Expected {'; '.join(layout.summary for layout in LAYOUTS)}; or the word synthetic for drawn faces."
