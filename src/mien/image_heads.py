"""What stands before a picture's pixels: refused where reading it would take minutes, or more memory than the picture."""

from __future__ import annotations

import re
import struct

from mien.errors import ImageError

__all__ = ["HEAD_BYTES", "MOST_SEGMENTS", "check_head"]

HEAD_BYTES = 12 << 20
"""So much is looked at: more than the service's largest body, unless it is told otherwise."""

MOST_SEGMENTS = 10_000
"""Of a picture; 16 MB of EXIF, profile and comments are 250 in a JPEG. Two millions of empty ones fit into the service's largest
body. Pillow looks at them one by one, of GIF's comments each time at all before: 1 MB of them took 18 s."""

_MOST_OF_FIELDS = 2
"""How many times the file the values of fields may have together: Pillow copies each, and 1,000 of 1 MB that all lay at the same place
in a TIFF of 1 MB took 51 s and 2 GB."""

_SPARE_BYTES = 1 << 16
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
"""Of a value, by the type of a field (TIFF 6.0, and BigTIFF's)."""
_PNG_START = b"\x89PNG\r\n\x1a\n"
_TIFF_STARTS = (b"II", b"MM")
_JPEG_MARKER = re.compile(rb"\xff([\x01-\xfe])")
_APP1, _SCAN, _END = 0xE1, 0xDA, 0xD9


def check_head(data: bytes, num_bytes: int, name: str) -> None:
    """Look at the head of a picture file.

    Args:
        data: The file's first `HEAD_BYTES`.
        num_bytes: Of all of it.
        name: What messages call it.

    Raises:
        ImageError: If it has more segments than `MOST_SEGMENTS`, or fields that together hold far more than the file.
    """
    if data.startswith(b"GIF8"):
        _check_gif(data, name)
    elif data.startswith(_PNG_START):
        _check_chunks(data, len(_PNG_START), num_bytes, name, is_png=True)
    elif data.startswith(b"RIFF"):
        _check_chunks(data, 12, num_bytes, name, is_png=False)
    elif data.startswith(b"\xff\xd8"):
        _check_exif(_exif_of_jpeg(data), num_bytes, name)
    elif data.startswith(_TIFF_STARTS):
        _check_fields(data, num_bytes, num_bytes, name)


def _check_gif(data: bytes, name: str) -> None:
    """Count the blocks before the first frame."""
    place = 13 + _table_bytes(data[10:11])
    num_blocks = 0
    while data[place : place + 1] == b"!":
        place += 2
        while num_blocks <= MOST_SEGMENTS and (length := data[place : place + 1]) not in (
            b"",
            b"\0",
        ):
            place += 1 + length[0]
            num_blocks += 1
        place += 1
        num_blocks += 1
        if num_blocks > MOST_SEGMENTS:
            raise _too_many(name)


def _table_bytes(flags: bytes) -> int:
    has_table = bool(flags) and flags[0] & 0x80
    return 3 << (flags[0] & 7) + 1 if has_table else 0


def _check_chunks(data: bytes, place: int, num_bytes: int, name: str, *, is_png: bool) -> None:
    """Count the chunks of a PNG that hold no pixels, and look at the EXIF in one of a PNG or a WebP."""
    num_chunks = 0
    while len(data) - place >= 8:
        first, second = struct.unpack_from(">I4s" if is_png else "<4sI", data, place)
        length, kind = (first, second) if is_png else (second, first)
        if kind in (b"eXIf", b"EXIF"):
            _check_exif(data[place + 8 : place + 8 + length], num_bytes, name)
        place += 8 + length + (4 if is_png else length & 1)
        if kind == b"IEND":
            return
        num_chunks += is_png and kind not in (b"IDAT", b"fdAT")
        if num_chunks > MOST_SEGMENTS:
            raise _too_many(name)


def _exif_of_jpeg(data: bytes) -> bytes:
    """Join the EXIF of all segments before the first scan, as Pillow does."""
    parts, place = [], 2
    for _ in range(MOST_SEGMENTS):
        marker = _JPEG_MARKER.search(data, place)
        if marker is None or marker[1][0] in (_SCAN, _END):
            break
        place = marker.end()
        length = max(2, int.from_bytes(data[place : place + 2], "big"))
        body = data[place + 2 : place + length]
        if marker[1][0] == _APP1 and body.startswith(b"Exif\0\0"):
            parts.append(body[6:])
        place += length
    return b"".join(parts)


def _check_exif(data: bytes, num_bytes: int, name: str) -> None:
    fields = data.removeprefix(b"Exif\0\0")
    _check_fields(fields, len(fields), num_bytes, name)


def _check_fields(data: bytes, end: int, num_bytes: int, name: str) -> None:
    """Add up what is read of the fields of the first directory (TIFF 6.0, section 2), wherever it lies.

    Args:
        data: What begins with the directory's head.
        end: Where its bytes end. Of a field that says it goes on behind, as damaged EXIF does, no more than these are read.
        num_bytes: Of the whole file.
        name: What messages call it.
    """
    if len(data) < 16 or not data.startswith(_TIFF_STARTS):
        return
    order, is_big = "<" if data[:1] == b"I" else ">", data[2] == 43
    start, count, entry = ("Q", "Q", "HHQQ") if is_big else ("L", "H", "HHLL")
    (place,) = struct.unpack_from(order + start, data, 8 if is_big else 4)
    if place + struct.calcsize(count) > len(data):
        return
    (num_fields,) = struct.unpack_from(order + count, data, place)
    place += struct.calcsize(order + count)
    step = struct.calcsize(order + entry)
    table = data[place : place + step * min(num_fields, (len(data) - place) // step)]
    held = 0
    for _, kind, n, at in struct.iter_unpack(order + entry, table):
        held += min(_SIZES.get(kind, 0) * n, max(0, end - at))
    if held > _MOST_OF_FIELDS * num_bytes + _SPARE_BYTES:
        raise ImageError(f"{name} is damaged: its fields hold far more than the file.")


def _too_many(name: str) -> ImageError:
    return ImageError(f"{name} is damaged: it has more than {MOST_SEGMENTS} segments.")
