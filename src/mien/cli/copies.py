"""Annotated copies of pictures: known by a comment, so that none is taken for a picture, and none replaces one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mien.types import Face

__all__ = ["Copies", "is_copy"]

_COMMENT = "Annotated by mien"
_HEAD_BYTES = 256
"""Pillow writes the comment first: it begins with byte 24 of a JPEG and 49 of a PNG."""


def is_copy(path: str | Path) -> bool:
    """Whether a file is a copy that `Copies` wrote, or was saved from one with its comment; not if it cannot be read."""
    try:
        if not os.path.isfile(path):  # noqa: PTH113 - a pipe would wait for ever; names may be too long
            return False
        with Path(path).open("rb") as file:
            return _COMMENT.encode() in file.read(_HEAD_BYTES)
    except OSError:
        return False


class Copies:
    """Annotated copies in one folder, each under a name of its own."""

    def __init__(self, folder: Path, pictures: Sequence[str], lang: str) -> None:
        """Write nothing yet.

        Args:
            folder: May hold pictures, too.
            pictures: All that are copied; none is replaced, though it be such a copy itself.
            lang: Of the annotations: ``"en"`` or ``"ko"``.
        """
        self._folder, self._lang = folder, lang
        self._taken = {_place(picture) for picture in pictures}
        self._numbers: dict[str, int] = {}
        """Name -> the first number that may be free: each of thousands of folders may hold an ``img_01.jpg``."""

    def write(self, picture: str, faces: Sequence[Face]) -> None:
        """Write ``name.png`` or ``name.jpg``, with a number if the name is taken.

        The picture is read once more: to keep its pixels until its batch is full would fill the memory.

        Raises:
            ImageError: If the picture is gone, or the disk does not take the copy.
        """
        from mien import images
        from mien.recognition import annotate

        source = Path(picture)
        suffix = ".jpg" if source.suffix.lower() in (".jpg", ".jpeg") else ".png"
        name = source.stem + suffix
        number = self._numbers.get(name, 1)
        while self._is_taken(target := self._folder / _numbered(source.stem, suffix, number)):
            number += 1
        self._numbers[name] = number + 1
        self._taken.add(_place(target))
        images.write(target, annotate(images.read(source), faces, self._lang), _COMMENT)

    def _is_taken(self, target: Path) -> bool:
        """Only copies of an earlier time are replaced: whatever else lies there may be somebody's photo."""
        return _place(target) in self._taken or (os.path.lexists(target) and not is_copy(target))


def _numbered(stem: str, suffix: str, number: int) -> str:
    return stem + suffix if number == 1 else f"{stem}-{number}{suffix}"


def _place(path: str | Path) -> str:
    return os.path.realpath(path).casefold()  # some file systems compare without case
