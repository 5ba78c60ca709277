"""Many pictures: faces are found in threads, and classified across pictures in whole batches."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien import images
from mien.errors import ImageError
from mien.processors import usable_cores
from mien.recognition.numbers import check_whole
from mien.recognition.pipeline import in_order
from mien.types import Detection, Image, Quality

__all__ = ["FoundFace", "Sighting", "look_at_all"]

_PICTURES_A_BATCH = 4
"""So many pictures for each place in a batch may wait for it to fill: most of a folder may hold no faces."""


@dataclass(frozen=True, slots=True, eq=False)
class FoundFace:
    """A face on its way to the network."""

    fitted: Image
    """At the network's size: the picture itself is let go."""
    quality: Quality
    detection: Detection | None = None
    """None for a crop that was given as such."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Sighting:
    """A picture whose faces wait to be classified, or why there are none."""

    path: str
    width: int | None = None
    height: int | None = None
    faces: tuple[FoundFace, ...] = ()
    error: str | None = None


def look_at_all(
    paths: Iterable[str | Path],
    find: Callable[[Image], Iterable[FoundFace]],
    batch_size: int,
    jobs: int,
) -> Iterator[list[Sighting]]:
    """Read pictures and find their faces in threads; yield them in their order, in groups for one batch.

    Args:
        paths: Picture files, taken as they are needed.
        find: Returns the faces of a picture, or raises ImageError; is called in several threads at once.
        batch_size: A group has at most so many faces, unless one picture has more.
        jobs: Threads; 0 takes one a processor.

    Raises:
        InputError: If a number is out of range.
    """
    check_whole("batch_size", batch_size, 1)
    check_whole("jobs", jobs, 0, " (one a processor)")
    return _groups(paths, find, batch_size, jobs or usable_cores())


def _groups(
    paths: Iterable[str | Path],
    find: Callable[[Image], Iterable[FoundFace]],
    batch_size: int,
    jobs: int,
) -> Iterator[list[Sighting]]:
    def look(path: str | Path) -> Sighting:
        try:
            image = images.read(Path(path))
        except ImageError as error:
            return Sighting(path=str(path), error=str(error))
        height, width = image.shape[:2]
        try:
            faces = tuple(find(image))
        except ImageError as error:  # of this picture; the others go on
            return Sighting(path=str(path), error=f"{path}: {error}")
        return Sighting(path=str(path), width=width, height=height, faces=faces)

    waiting: list[Sighting] = []
    num_faces = 0
    # What waits in the window is small: a picture's pixels live only while a thread looks at them.
    looked = in_order(
        look, _each(paths), workers=jobs, window=jobs + batch_size, group=jobs + batch_size
    )
    try:
        for group in looked:
            for _, sighting in group:
                is_full = num_faces + len(sighting.faces) > batch_size
                if waiting and (is_full or len(waiting) >= _PICTURES_A_BATCH * batch_size):
                    yield waiting
                    waiting, num_faces = [], 0
                waiting.append(sighting)
                num_faces += len(sighting.faces)
    finally:
        looked.close()
    if waiting:
        yield waiting


def _each(paths: Iterable[Any]) -> Generator[Any]:
    yield from paths
