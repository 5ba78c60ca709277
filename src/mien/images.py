"""Reading and writing pictures: the header first, the pixels only when they are safe to decode."""

from __future__ import annotations

import io
import re
import stat
import threading
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL.Image
import PIL.ImageOps

from mien.errors import ImageError, PictureSizeError
from mien.replacing import replacing
from mien.types import Image

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_BYTES",
    "MAX_PIXELS",
    "UNREAD_SUFFIXES",
    "WRITTEN_SUFFIXES",
    "decode",
    "read",
    "write",
]

MAX_PIXELS = 50_000_000
"""A larger picture is refused before a pixel is decoded: a 48 kB PNG can claim gigabytes."""

MAX_BYTES = 256 * 2**20
"""A larger file is not read at all."""

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

_JPEG_QUALITY = 92

# `catch_warnings` swaps a list that all threads share; two at once could leave it swapped for good.
_opening = threading.Lock()


def read(path: Path) -> Image:
    """Read a picture file.

    Args:
        path: JPEG, PNG, BMP, WebP, TIFF, GIF (first frame) or PNM.

    Returns:
        uint8 (H, W, 3) RGB, upright as its EXIF orientation says.

    Raises:
        ImageError: If the file is missing, empty, no picture, damaged, or larger than `MAX_PIXELS`.
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
        PictureSizeError: If it has more pixels.
        ImageError: If it is empty, no picture or damaged.
    """
    return _decode(io.BytesIO(data), name, min(max_pixels, MAX_PIXELS))


def _decode(file: BinaryIO, name: str, max_pixels: int) -> Image:
    start = file.read(1024)
    file.seek(0)
    if not start:
        raise ImageError(f"{name} is empty (0 bytes).")
    try:
        with _open(file) as opened:
            _refuse_large(opened.size, name, max_pixels)
            # Most pictures stand upright, and most are RGB: nothing is copied that stays as it is.
            PIL.ImageOps.exif_transpose(opened, in_place=True)
            return _to_rgb(opened)
    except PIL.UnidentifiedImageError:
        raise ImageError(f"{name} {_what_it_is(start)}") from None
    except PIL.Image.DecompressionBombError:
        raise PictureSizeError(
            f"{name} has far more than {max_pixels / 1e6:g} megapixels. Make it smaller."
        ) from None
    except ImageError:
        raise
    except Exception as error:  # noqa: BLE001 - decoders raise anything on damaged bytes
        raise ImageError(f"{name} is damaged and cannot be decoded: {_reason(error)}.") from None


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
    deep = np.nan_to_num(np.asarray(picture, dtype=np.float32))
    highest = deep.max(initial=0)
    if picture.mode.startswith("I;16") or highest > 255:
        white = 65535.0
    else:  # no format says what white is in these; the values do
        white = 1.0 if picture.mode == "F" and highest <= 1 else 255.0
    grey = np.clip(np.rint(deep * (255.0 / white)), 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _reason(error: Exception) -> str:
    """Return an error's own words on one line, without a full stop."""
    words = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return " ".join(words.split()).rstrip(".") or type(error).__name__


def write(path: Path, image: Image) -> None:
    """Write a picture; the ending says how. The file appears whole or not at all.

    Args:
        path: Where to; folders on the way are made.
        image: uint8, (H, W, 3) RGB or (H, W) grey.

    Raises:
        ImageError: If the ending is unknown or the disk does not take the file.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITTEN_SUFFIXES:
        raise ImageError(f"{path} has no ending of a picture; use .png or .jpg.")
    try:
        with replacing(path) as partial:
            # Only JPEG and WebP heed the quality.
            PIL.Image.fromarray(image).save(partial, quality=_JPEG_QUALITY)
    except OSError as error:
        raise ImageError(f"{path} cannot be written: {_reason(error)}.") from None
