"""What a recording's own bytes say of its end: FFmpeg gives the number of frames, but not whether it was guessed."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO

__all__ = ["HEAD_BYTES", "counts_frames", "missing_bytes", "shown_s"]

HEAD_BYTES = 256
"""What `counts_frames` is told: an MP4 in fragments has its index within them."""
_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067


def counts_frames(head: bytes) -> bool:
    """Whether a container has a number for its frames: AVI has, and MP4 and MOV that are not in fragments.

    In the others FFmpeg multiplies the length of the whole, which may be that of a longer sound or of a late beginning,
    by the rate.

    Args:
        head: Its first `HEAD_BYTES`.
    """
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return True
    movie = head.find(b"mvhd")
    # The index of fragments stands before them all, and cannot know how long they will be.
    is_in_fragments = movie >= 4 and _movie_s(head[movie - 4 :]) == math.inf
    return head[4:8] in _FIRST_BOXES and not is_in_fragments


def shown_s(path: Path) -> float:
    """Return how long an MP4 or MOV file is shown, in seconds; infinity if it does not say, or is no such file.

    Phones trim by telling players to leave frames out: these stay in the file, and are counted.
    """
    with path.open("rb") as file:
        for kind, begin, _ in _boxes(file, path.stat().st_size):
            if kind == b"moov":
                file.seek(begin)
                return _movie_s(file.read(40))
    return math.inf


def _boxes(file: IO[bytes], length: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield of each outermost box of an MP4 its kind, where its content begins, and where it should end."""
    place = 0
    while place < length:
        file.seek(place)
        head = file.read(16)
        if len(head) < 16:
            return
        size, kind, large = struct.unpack(">I4sQ", head)
        begin = place + 8
        if size == 1:
            size, begin = large, place + 16
        if place + size < begin or (not place and kind not in _FIRST_BOXES):
            return
        yield kind, begin, place + size
        place += size


def _movie_s(box: bytes) -> float:
    """Length in the head of the movie (ISO/IEC 14496-12, 8.2.2)."""
    if len(box) < 40 or box[4:8] != b"mvhd":
        return math.inf
    clock, length = struct.unpack_from(*((">IQ", box, 28) if box[8] == 1 else (">II", box, 20)))
    return length / clock if clock and length else math.inf


def missing_bytes(path: Path) -> int:
    """Return how many bytes a recording that does not count its frames lacks at its end: Matroska, WebM, MP4 in fragments.

    0 if it lacks none, says nothing, as live recordings do, or is no such file.
    """
    length = path.stat().st_size
    with path.open("rb") as file:
        return max(0, _segment_end(file) - length, _fragments_end(file, length) - length)


def _fragments_end(file: IO[bytes], length: int) -> int:
    """Return where an MP4's last fragment should end; 0 if there is none."""
    ends = (end for kind, _, end in _boxes(file, length) if kind in (b"moof", b"mdat"))
    return max(ends, default=0)


def _segment_end(file: IO[bytes]) -> int:
    """Return where the segment of a Matroska or WebM file should end; 0 if it does not say."""
    if _number(file, keeps_marker=True) != _EBML:
        return 0
    file.seek(_number(file), 1)
    if _number(file, keeps_marker=True) != _SEGMENT:
        return 0
    place = file.tell()
    length = _number(file)
    width = file.tell() - place
    if length == 2 ** (7 * width) - 1:  # all bits set: it was not known yet
        return 0
    return file.tell() + length


def _number(file: IO[bytes], keeps_marker: bool = False) -> int:
    """Read a number of varying width (RFC 8794, section 4), with its marker as identifiers are written; 0 at the end."""
    first = file.read(1)
    if not first or not first[0]:
        return 0
    width = 9 - first[0].bit_length()
    number = int.from_bytes(first + file.read(width - 1), "big")
    return number if keeps_marker else number & (2 ** (7 * width) - 1)
