"""Reading and writing pictures: the header first, the pixels only when they are safe to decode."""

from __future__ import annotations

import ctypes
import io
import re
import stat
import struct
import threading
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import PIL._imaging
import PIL.Image
import PIL.ImageOps
import PIL.PngImagePlugin

from mien.errors import ImageError, PictureSizeError
from mien.image_heads import HEAD_BYTES, MOST_SEGMENTS, check_head
from mien.replacing import replacing
from mien.types import Image

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_BYTES",
    "MAX_PIXELS",
    "MAX_SCANNED_PIXELS",
    "MAX_SCANS",
    "UNREAD_SUFFIXES",
    "WRITTEN_SUFFIXES",
    "decode",
    "quiet_decoders",
    "read",
    "write",
]

MAX_PIXELS = 50_000_000
"""A larger picture is refused before a pixel is decoded: a 48 kB PNG can claim gigabytes."""

MAX_BYTES = 256 * 2**20
"""A larger file is not read at all."""

MAX_SCANS = 100
"""A JPEG that comes in more scans is refused. The scripts of libjpeg have 6 for grey, 10 for YCbCr, 14 for RGB and 18 for CMYK;
those that mozjpeg and jpegrescan find by trying have hardly more. libtiff stops at as many for JPEG inside TIFF.

Source: "Two Issues with the JPEG Standard", https://libjpeg-turbo.org/pmwiki/uploads/About/TwoIssueswiththeJPEGStandard.pdf
"""

MAX_SCANNED_PIXELS = 1_000_000_000
"""Scans × pixels of a JPEG: each scan goes through all of the picture, however few bytes it has, and nothing can stop it. 3,000
scans of 16 megapixels in 124 kB took 54 s; as many as are let through, 2 to 4 s. Of `MAX_PIXELS`, 20 scans are read."""

WRITTEN_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".pgm", ".ppm"}
)
"""Endings that `write` takes."""

IMAGE_SUFFIXES = WRITTEN_SUFFIXES | {".jfif", ".jpe", ".mpo", ".apng", ".pbm", ".pnm"}
"""What is taken for a picture when a folder is searched; a named file may have any ending."""

UNREAD_SUFFIXES = frozenset(
    {".heic", ".heif", ".avif", ".jxl", ".jp2", ".svg", ".tga", ".ico", ".psd"}
    | {".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf"}
)
"""Pictures of kinds that are not read; who searches a folder says so, as a telephone's photos may all be of them."""

_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM")
_KNOWN = "JPEG, PNG, BMP, WebP, TIFF, GIF or PNM"

_BRIGHTEST_FLOAT = 4.0
"""Floats up to here have 1 as their white: enlarging and sharpening overshoot it, and lamps are brighter than paper. Of 255, it
is a black picture."""

_BITS, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0  # of TIFF

_JPEG_QUALITY = 92
_JPEG_START = b"\xff\xd8"
_SEGMENT = re.compile(rb"\xff([\xc0-\xcf\xd9-\xfe])")
"""A marker with a length behind it, or the end. Between them, in coded data, stand only a stuffed zero, restarts and fill."""
_FRAMES_IN_ONE_SCAN = frozenset({0xC0, 0xC1, 0xC9})  # if the scan has all their components
_END, _SCAN = 0xD9, 0xDA

# `catch_warnings` swaps a list that all threads share; two at once could leave it swapped for good.
_opening = threading.Lock()


def read(path: Path) -> Image:
    """Read a picture file.

    Args:
        path: JPEG, PNG, BMP, WebP, TIFF, GIF (first frame) or PNM.

    Returns:
        uint8 (H, W, 3) RGB, upright as its EXIF orientation says.

    Raises:
        ImageError: If the file is missing, empty, no picture, damaged, larger than `MAX_PIXELS`, or has more than `MAX_SCANS`.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(f"{path} is a folder, not a picture.")
        if not stat.S_ISREG(status.st_mode):  # a pipe would wait for ever, a device never ends
            raise ImageError(f"{path} is a pipe or a device, not a picture file.")
        if status.st_size > MAX_BYTES:
            raise ImageError(
                f"{path} is {status.st_size / 2**20:.0f} MiB; at most {MAX_BYTES >> 20} are read. Make it smaller."
            )
        with path.open("rb") as file:
            return _decode(file, str(path), MAX_PIXELS)
    except FileNotFoundError:
        raise ImageError(_what_is_missing(path)) from None
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte
        raise ImageError(f"{path} cannot be read: {_reason(error)}.") from None


def _what_is_missing(path: Path) -> str:
    # A path has lost one of the two slashes.
    if address := re.match(r"(https?|ftp):/+(?=[^/])", str(path), re.IGNORECASE):
        place = f"{address[1]}://{str(path)[address.end() :]}"
        return f"{place} is on the web, and pictures are not fetched from there. Download it first."
    return f"{path} does not exist."


def decode(data: bytes, name: str = "The picture", max_pixels: int = MAX_PIXELS) -> Image:
    """Decode a picture from memory; see `read`.

    Args:
        data: The file's bytes.
        name: What messages call it.
        max_pixels: A larger picture is refused before it is decoded; no more than `MAX_PIXELS`.

    Raises:
        PictureSizeError: If it has more pixels, or there is no memory for them.
        ImageError: If it is empty, no picture, damaged, or has more than `MAX_SCANS`.
    """
    return _decode(io.BytesIO(data), name, min(max_pixels, MAX_PIXELS))


def quiet_decoders() -> None:
    """Let what decodes pictures write nothing of its own on the standard error; for programs, as it holds for all of one.

    What matters is an error. Pillow warns of odd fields without the picture's name, each number in them anew. libtiff writes a
    line for each damaged row of a fax, 37,277 for a file of 420 kB, and goes on doing so where its way to be told cannot be found.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
    with suppress(OSError, AttributeError):
        ctypes.CDLL(PIL._imaging.__file__).TIFFSetErrorHandler(None)


def _decode(file: BinaryIO, name: str, max_pixels: int) -> Image:
    start = file.read(1024)
    file.seek(0)
    if not start:
        raise ImageError(f"{name} is empty (0 bytes).")
    num_bytes = file.seek(0, io.SEEK_END)
    file.seek(0)
    check_head(file.read(HEAD_BYTES), num_bytes, name)
    file.seek(0)
    num_scans = _num_scans(file.read(), name) if start.startswith(_JPEG_START) else 1
    file.seek(0)
    try:
        with _open(file) as opened:
            _refuse_large(opened.size, name, max_pixels)
            _refuse_scans(num_scans, opened.size, name)
            # Most pictures stand upright, and most are RGB: nothing is copied that stays as it is.
            _stand_upright(opened)
            return _to_rgb(opened)
    except PIL.UnidentifiedImageError:
        raise ImageError(f"{name} {_what_it_is(start)}") from None
    except PIL.Image.DecompressionBombError:
        raise PictureSizeError(
            f"{name} has far more than {max_pixels / 1e6:g} megapixels. Make it smaller."
        ) from None
    except MemoryError:
        raise PictureSizeError(
            f"{name} needs more memory than there is. Make it smaller, or close other programs."
        ) from None
    except ImageError:
        raise
    except Exception as error:  # noqa: BLE001 - decoders raise anything on damaged bytes
        raise ImageError(f"{name} is damaged and cannot be decoded: {_reason(error)}.") from None


def _stand_upright(picture: PIL.Image.Image) -> None:
    """Turn a picture as its EXIF says. What is odd or broken there is no fault of the pixels, and says nothing."""
    picture.load()  # before its EXIF: what fails here are the pixels
    try:
        picture.getexif()
    except Exception:  # noqa: BLE001 - as of the decoders
        return
    # Read by now. Pillow would write what it turned anew, and cannot do so with fields of another type than they should have.
    for fields in ("exif", "Raw profile type exif"):
        picture.info.pop(fields, None)
    PIL.ImageOps.exif_transpose(picture, in_place=True)


def _open(file: BinaryIO) -> PIL.Image.Image:
    """Read the header only."""
    with _opening, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of large pictures; the limit here is ours
        return PIL.Image.open(file, formats=_FORMATS)


def _refuse_large(size: tuple[int, int], name: str, max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise PictureSizeError(
            f"{name} is {width} × {height} px; at most {max_pixels / 1e6:g} megapixels are decoded. Make it smaller."
        )


def _refuse_scans(num_scans: int, size: tuple[int, int], name: str) -> None:
    """Refuse a JPEG that goes through its picture again and again: its decoder cannot be stopped."""
    most = min(MAX_SCANS, max(1, MAX_SCANNED_PIXELS // max(1, size[0] * size[1])))
    if num_scans > most:
        raise ImageError(
            f"{name} is a JPEG of {num_scans} scans; of {size[0]} × {size[1]} px, at most {most} are decoded. "
            "Save it again as an ordinary JPEG."
        )


def _num_scans(jpeg: bytes, name: str) -> int:
    """Count how often a JPEG goes through its picture, by its markers alone, as libjpeg finds them."""
    num_scans = 0
    num_components: bytes | None = None
    position = len(_JPEG_START)
    for _ in range(MOST_SEGMENTS):
        marker = _SEGMENT.search(jpeg, position)
        if marker is None or marker[1][0] == _END:
            return num_scans
        position = marker.end()
        if marker[1][0] in _FRAMES_IN_ONE_SCAN:
            num_components = jpeg[position + 7 : position + 8]
        elif marker[1][0] == _SCAN:
            num_scans += 1
            # Most files: nothing is read behind such a scan, and there is no need to search it.
            if jpeg[position + 2 : position + 3] == num_components:
                return num_scans
        position += max(2, int.from_bytes(jpeg[position : position + 2], "big"))
    raise ImageError(f"{name} is damaged: it is a JPEG of more than {MOST_SEGMENTS} segments.")


def _what_it_is(start: bytes) -> str:
    """Say what a file is that is none of our pictures."""
    if start[4:8] == b"ftyp" and start[8:12] in (
        b"heic",
        b"heix",
        b"hevc",
        b"mif1",
        b"msf1",
        b"avif",
    ):
        kind = "AVIF" if start[8:12] == b"avif" else "HEIC"
        article = "an" if kind == "AVIF" else "a"
        return f"is {article} {kind} picture, which is not read here. Save it as JPEG or PNG."
    if b"<svg" in start.lower():
        return "is an SVG drawing, not a photograph. Save it as PNG."
    return f"is not a picture that can be read; expected {_KNOWN}."


def _to_rgb(picture: PIL.Image.Image) -> Image:
    if picture.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        return _from_deep_grey(picture)
    if picture.has_transparency_data:
        # What is seen through is white, as on a page; dropping alpha would show hidden colours.
        picture = picture.convert("RGBA")
        page = PIL.Image.new("RGBA", picture.size, "white")
        picture = PIL.Image.alpha_composite(page, picture)
    return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"), dtype=np.uint8)


def _from_deep_grey(picture: PIL.Image.Image) -> Image:
    """Keep the tones of 16-bit, 32-bit and float pictures; Pillow's own conversion clips them to white."""
    deep = np.asarray(picture, dtype=np.float32)
    highest = float(deep.max(initial=0, where=np.isfinite(deep)))
    tags = getattr(picture, "tag_v2", {})
    if picture.mode.startswith("I;16") or highest > 255:
        # Pillow leaves 12 bits, as scanners and cameras pack them, as they are.
        bits = 12 if tags.get(_BITS) == (12,) else 16
        white = max(2.0**bits - 1, highest)
    else:  # no format says what white is in these; the values do
        white = 1.0 if picture.mode == "F" and highest <= _BRIGHTEST_FLOAT else 255.0
    grey = np.rint(np.nan_to_num(deep).clip(0, white) * (255.0 / white)).astype(np.uint8)
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        grey = 255 - grey  # Pillow turns round only what has 8 bits
    return np.repeat(grey[:, :, None], 3, axis=2)


def _reason(error: Exception) -> str:
    """Return an error's own words on one line, without a full stop."""
    words = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return " ".join(words.split()).rstrip(".") or type(error).__name__


def write(path: Path, image: Image, comment: str = "") -> None:
    """Write a picture; the ending says how. The file appears whole or not at all.

    Args:
        path: Where to; folders on the way are made.
        image: uint8, (H, W, 3) RGB or (H, W) grey.
        comment: ASCII, for JPEG and PNG: it stands before the pixels.

    Raises:
        ImageError: If the ending is unknown, its kind takes no picture of that size, or the disk does not take the file.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITTEN_SUFFIXES:
        raise ImageError(f"{path} has no ending of a picture; use .png or .jpg.")
    options: dict[str, Any] = {"quality": _JPEG_QUALITY}  # each kind heeds its own
    if comment:
        options |= {"comment": comment, "pnginfo": PIL.PngImagePlugin.PngInfo()}
        options["pnginfo"].add_text("Comment", comment)
    try:
        with replacing(path) as partial:
            PIL.Image.fromarray(image).save(partial, **options)
    except (
        OSError,
        ValueError,
        struct.error,
    ) as error:  # all but the first: too many pixels a side
        raise ImageError(f"{path} cannot be written: {_reason(error)}.") from None
