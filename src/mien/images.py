"""Reading and writing pictures: the header first, the pixels only when they are safe to decode."""

from __future__ import annotations

import io
import os
import tempfile
import warnings
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps

from mien.errors import ImageError
from mien.types import Image

__all__ = ["IMAGE_SUFFIXES", "MAX_PIXELS", "decode", "read", "write"]

MAX_PIXELS = 50_000_000
"""A larger picture is refused before a pixel is decoded: a 48 kB PNG can claim gigabytes."""

MAX_BYTES = 256 * 2**20
"""A larger file is not read into memory at all."""

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".pgm", ".ppm"})
"""What is taken for a picture when a folder is searched; a named file may have any ending."""

_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM", "MPO")


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
        size = path.stat().st_size
        if path.is_dir():
            raise ImageError(f"{path} is a folder, not a picture.")
        if size > MAX_BYTES:
            raise ImageError(f"{path} is {size / 2**20:.0f} MiB; at most {MAX_BYTES >> 20} are read.")
        data = path.read_bytes()
    except FileNotFoundError:
        raise ImageError(f"{path} does not exist.") from None
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror or error}.") from None
    return decode(data, str(path))


def decode(data: bytes, name: str = "The picture") -> Image:
    """Decode a picture from memory; see `read`. ``name`` is what messages call it."""
    if not data:
        raise ImageError(f"{name} is empty (0 bytes).")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own bomb warning; the limit below is ours
            with PIL.Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
                _refuse_large(opened.size, name)
                picture = PIL.ImageOps.exif_transpose(opened)
                return _to_rgb(picture)
    except PIL.UnidentifiedImageError:
        raise ImageError(f"{name} is not a picture that can be read (JPEG, PNG, BMP, WebP, TIFF, GIF).") from None
    except PIL.Image.DecompressionBombError:
        raise ImageError(f"{name} has more than {MAX_PIXELS // 10**6} megapixels; make it smaller.") from None
    except ImageError:
        raise
    except Exception as error:  # noqa: BLE001 - decoders raise anything on damaged bytes
        raise ImageError(f"{name} is damaged and cannot be decoded: {error}.") from None


def _refuse_large(size: tuple[int, int], name: str) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"{name} is {width} × {height} px; at most {MAX_PIXELS // 10**6} megapixels are decoded. Make it smaller."
        )


def _to_rgb(picture: PIL.Image.Image) -> Image:
    if picture.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        deep = np.asarray(picture, dtype=np.float32)
        # Sixteen-bit pictures keep their tones; Pillow's own conversion would clip them to white.
        top = 65535.0 if deep.max(initial=0) > 255 else 255.0
        grey = np.clip(deep * (255.0 / top), 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if picture.has_transparency_data:
        # What is seen through is white, as on a page; dropping alpha would show hidden colours.
        picture = picture.convert("RGBA")
        page = PIL.Image.new("RGBA", picture.size, "white")
        picture = PIL.Image.alpha_composite(page, picture)
    return np.asarray(picture.convert("RGB"), dtype=np.uint8)


def write(path: Path, image: Image) -> None:
    """Write a picture; the ending says how. The file appears whole or not at all.

    Raises:
        ImageError: If the ending is unknown or the disk does not take the file.
    """
    suffix = path.suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        raise ImageError(f"{path} has no ending of a picture; use .png or .jpg.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}", suffix=suffix)
        os.close(handle)
        try:
            PIL.Image.fromarray(image).save(temporary)
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        raise ImageError(f"{path} cannot be written: {error.strerror or error}.") from None
