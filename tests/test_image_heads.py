"""Heads of picture files that would never end, or fill the memory."""

import contextlib
import io
import struct
import zlib

import PIL.Image
import pytest

from mien import images
from mien.errors import ImageError
from mien.image_heads import MOST_SEGMENTS

TOO_MANY = rf"^x is damaged: it has more than {MOST_SEGMENTS} segments\.$"
FAR_MORE = r"^x is damaged: its fields hold far more than the file\.$"


def encoded(kind, **options):
    file = io.BytesIO()
    PIL.Image.new("RGB", (32, 32)).save(file, kind, **options)
    return file.getvalue()


def gif(extension):
    """Put extensions before the first frame."""
    whole = encoded("GIF")
    place = whole.index(b",", 13)
    return whole[:place] + extension + whole[place:]


def png(kind, body, count):
    """Put chunks before the pixels."""
    whole = encoded("PNG")
    place = whole.index(b"IDAT") - 4
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return whole[:place] + chunk * count + whole[place:]


def tiff(num_fields, size, order="<"):
    """A directory whose fields all lie in the same place, and what they hold."""
    start = {"<": b"II*\0", ">": b"MM\0*"}[order]
    fields = [
        struct.pack(f"{order}HHII", 1000 + n, 1, size, 12 * num_fields + 14)
        for n in range(num_fields)
    ]
    head = start + struct.pack(f"{order}IH", 8, num_fields)
    return head + b"".join(fields) + bytes(4) + bytes(size)


@pytest.mark.parametrize(
    "extension",
    [b"!\xfe" + b"\x01a" * MOST_SEGMENTS + b"\0", b"!\xfe\x01a\0" * MOST_SEGMENTS],
)
def test_comments_of_a_gif_are_counted(extension):
    with pytest.raises(ImageError, match=TOO_MANY):
        images.decode(gif(extension), "x")
    assert images.decode(gif(extension[:200] + b"\0")).shape == (32, 32, 3)


@pytest.mark.parametrize(("kind", "body"), [(b"prIv", b""), (b"tEXt", b"a\0b")])
def test_chunks_of_a_png_are_counted_up_to_its_end(kind, body):
    with pytest.raises(ImageError, match=TOO_MANY):
        images.decode(png(kind, body, MOST_SEGMENTS + 1), "x")
    assert images.decode(png(kind, body, 5)).shape == (32, 32, 3)
    padded = encoded("PNG") + bytes(12 * MOST_SEGMENTS + 12)  # behind its end
    assert images.decode(padded).shape == (32, 32, 3)


@pytest.mark.parametrize("order", ["<", ">"])
def test_fields_of_a_tiff_hold_no_more_than_the_file(order):
    with pytest.raises(ImageError, match=FAR_MORE):
        images.decode(tiff(50, 100_000, order), "x")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_neither_do_those_of_exif(kind):
    # A segment of a JPEG holds 64 kB; what is larger comes in several, which are one.
    many = encoded(kind, exif=b"Exif\0\0" + tiff(200, 50_000))
    with pytest.raises(ImageError, match=FAR_MORE):
        images.decode(many, "x")
    assert images.decode(encoded(kind, exif=b"Exif\0\0" + tiff(1, 50_000))).shape == (32, 32, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_is_read_though_a_field_of_its_exif_says_it_never_ends(kind):
    fields = bytearray(tiff(3, 20))
    fields[14:18] = fields[26:30] = struct.pack(
        "<I", 0xFFFF_FFF0
    )  # how many values two of them have
    assert images.decode(encoded(kind, exif=b"Exif\0\0" + fields)).shape == (32, 32, 3)


def test_fields_in_several_segments_of_a_jpeg_are_one():
    fields = tiff(6000, 5000)
    parts = [fields[start : start + 60_000] for start in range(0, len(fields), 60_000)]
    segments = b"".join(
        b"\xff\xe1" + struct.pack(">H", len(part) + 8) + b"Exif\0\0" + part for part in parts
    )
    whole = encoded("JPEG")
    with pytest.raises(ImageError, match=FAR_MORE):
        images.decode(whole[:2] + segments + whole[2:], "x")


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "JPEG"])
def test_a_head_that_is_cut_off_is_no_error_of_ours(kind):
    whole = encoded(kind)
    for length in range(1, min(len(whole), 120)):
        with contextlib.suppress(ImageError):
            images.decode(whole[:length], "x")
