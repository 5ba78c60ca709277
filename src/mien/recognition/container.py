"""What a recording's own bytes say of its end: FFmpeg gives the number of frames, but not whether it was guessed."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import IO

__all__ = ["HEAD_BYTES", "counts_frames", "missing_bytes", "shown_s"]

HEAD_BYTES = 16
_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067


def counts_frames(head: bytes) -> bool:
    """Whether a container has a number for its frames: MP4, MOV and AVI have.

    In the others FFmpeg multiplies the length of the whole, which may be that of a longer sound or of a late beginning,
    by the rate.

    Args:
        head: Its first `HEAD_BYTES`.
    """
    return head[4:8] in _FIRST_BOXES or (head[:4] == b"RIFF" and head[8:12] == b"AVI ")


def shown_s(path: Path) -> float:
    """Return how long an MP4 or MOV file is shown, in seconds; infinity if it does not say, or is no such file.

    Phones trim by telling players to leave frames out: these stay in the file, and are counted.
    """
    end = path.stat().st_size
    with path.open("rb") as file:
        while len(head := file.read(HEAD_BYTES)) == HEAD_BYTES:
            size, kind, large = struct.unpack(">I4sQ", head)
            skipped = 8
            if size == 1:
                size, skipped = large, 16
            if kind == b"moov":
                file.seek(skipped - HEAD_BYTES, 1)
                return _movie_s(file.read(40))
            place = file.tell() - HEAD_BYTES + size
            if size < skipped or place > end:
                break
            file.seek(place)
    return math.inf


def _movie_s(box: bytes) -> float:
    """Length in the head of the movie (ISO/IEC 14496-12, 8.2.2)."""
    if len(box) < 40 or box[4:8] != b"mvhd":
        return math.inf
    clock, length = struct.unpack_from(*((">IQ", box, 28) if box[8] == 1 else (">II", box, 20)))
    return length / clock if clock and length else math.inf


def missing_bytes(path: Path) -> int:
    """Return how many bytes a Matroska or WebM file lacks at its end, as its segment says.

    0 if it lacks none, says nothing, as live recordings do, or is no such file.
    """
    with path.open("rb") as file:
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
        return max(0, file.tell() + length - path.stat().st_size)


def _number(file: IO[bytes], keeps_marker: bool = False) -> int:
    """Read a number of varying width (RFC 8794, section 4), with its marker as identifiers are written; 0 at the end."""
    first = file.read(1)
    if not first or not first[0]:
        return 0
    width = 9 - first[0].bit_length()
    number = int.from_bytes(first + file.read(width - 1), "big")
    return number if keeps_marker else number & (2 ** (7 * width) - 1)
