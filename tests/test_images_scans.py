"""How often a JPEG may go through its picture."""

import io
import time

import numpy as np
import PIL.Image
import pytest

from mien import images
from mien.errors import ImageError


def encoded(picture, **options):
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def many_scans(num_scans, size=(16, 16), mode="L"):
    """A progressive JPEG whose last scan comes again and again."""
    jpeg = encoded(PIL.Image.new(mode, size, 77), progressive=True)
    last = jpeg.rindex(b"\xff\xda")
    return jpeg[:-2] + jpeg[last:-2] * (num_scans - jpeg.count(b"\xff\xda")) + b"\xff\xd9"


def test_a_jpeg_that_goes_through_its_picture_again_and_again_is_refused(tmp_path):
    assert images.decode(many_scans(images.MAX_SCANS)).shape == (16, 16, 3)
    path = tmp_path / "bomb.jpg"
    path.write_bytes(many_scans(images.MAX_SCANS + 1))
    with pytest.raises(ImageError, match=r"bomb\.jpg is a JPEG of 101 scans; of 16 × 16 px"):
        images.read(path)


def test_of_a_large_jpeg_fewer_scans_are_read():
    started = time.process_time()
    with pytest.raises(ImageError, match=r"is a JPEG of 63 scans; .* at most 62 are decoded. Save"):
        images.decode(many_scans(63, (4000, 4000)))
    assert time.process_time() - started < 1  # of this process alone, whatever else runs


@pytest.mark.parametrize(("mode", "num_scans"), [("L", 6), ("RGB", 10), ("CMYK", 18)])
def test_ordinary_jpegs_of_the_largest_size_have_fewer_scans_than_are_read(mode, num_scans):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    picture = PIL.Image.fromarray(noise).convert(mode)
    for progressive, expected in ((False, 1), (True, num_scans)):
        jpeg = encoded(picture, progressive=progressive, comment=b"\xff\xda" * 50)
        assert images._num_scans(jpeg, "It") == expected
    assert num_scans * images.MAX_PIXELS <= images.MAX_SCANNED_PIXELS


def test_scans_of_one_component_are_counted_without_progression_too():
    """Such a file has no scan of all its components, and its decoder goes on until the end."""
    jpeg = encoded(PIL.Image.new("RGB", (6, 4)))
    scan = jpeg.index(b"\xff\xda")
    one = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + b"\x00" * 8
    with pytest.raises(ImageError, match="is a JPEG of 200 scans"):
        images.decode(jpeg[:scan] + one * 200 + b"\xff\xd9")


def test_a_marker_that_the_decoder_passes_over_hides_no_scans():
    jpeg = many_scans(150)
    last = jpeg.rindex(b"\xff\xda")
    hidden = jpeg[:last] + b"\xff\x02\xff\xff\xff\xd0\xff" + jpeg[last:-2] * 120 + b"\xff\xd9"
    with pytest.raises(ImageError, match="is a JPEG of 269 scans"):
        images.decode(hidden)


def test_a_jpeg_of_countless_segments_is_refused():
    with pytest.raises(ImageError, match="is damaged: it is a JPEG of more than 10000 segments"):
        images.decode(b"\xff\xd8" + b"\xff\xfe\x00\x02" * 20_000)
