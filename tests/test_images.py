import io
import os
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.PngImagePlugin
import pytest
from tests.mutate import mutated

from mien import images
from mien.errors import ImageError, PictureSizeError


def encoded(picture, kind="PNG", **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def plain(colour=(200, 100, 50), size=(6, 4)):
    return PIL.Image.new("RGB", size, colour)


def huge_png(width, height):
    """A PNG whose header claims a size and whose data hold next to nothing."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_pictures_are_read_exactly(tmp_path, kind):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    path = tmp_path / "picture.any"
    path.write_bytes(encoded(PIL.Image.fromarray(pixels), kind))
    np.testing.assert_array_equal(images.read(path), pixels)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF"])
def test_other_pictures_are_read_nearly(kind):
    read = images.decode(encoded(plain(), kind))
    assert read.shape == (4, 6, 3)
    assert read.dtype == np.uint8
    assert np.abs(read.astype(int) - (200, 100, 50)).max() <= 8


@pytest.mark.parametrize("suffix", sorted(images.IMAGE_SUFFIXES))
def test_every_ending_that_is_searched_for_is_of_a_kind_that_is_read(tmp_path, suffix):
    pixels = PIL.Image.new("1", (6, 4), 1) if suffix == ".pbm" else plain()
    if suffix == ".mpo":  # two pictures in one file, as cameras for depth write
        pixels.save(tmp_path / "a.mpo", save_all=True, append_images=[plain((1, 2, 3))])
    else:
        pixels.save(tmp_path / f"a{suffix}")
    assert images.read(tmp_path / f"a{suffix}").shape == (4, 6, 3)
    assert suffix not in images.UNREAD_SUFFIXES


@pytest.mark.parametrize("given", ["http://a.example/b.jpg", "HTTPS://a.example/b.jpg?size=2"])
def test_an_address_on_the_web_is_called_one(given):
    with pytest.raises(
        ImageError, match=r"is on the web, .*not fetched.*Download it first"
    ) as seen:
        images.read(Path(given))
    assert str(seen.value).startswith(f"{given} is")


def test_grey_becomes_three_equal_channels():
    read = images.decode(encoded(PIL.Image.new("L", (3, 2), 77)))
    np.testing.assert_array_equal(read, np.full((2, 3, 3), 77))


def test_black_and_white_bits_become_0_and_255():
    bits = PIL.Image.fromarray(np.array([[True, False]]))
    np.testing.assert_array_equal(images.decode(encoded(bits))[0, :, 0], [255, 0])


def test_cmyk_becomes_rgb():
    read = images.decode(
        encoded(PIL.Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95)
    )
    assert np.abs(read.astype(int) - (255, 0, 0)).max() <= 6  # magenta and yellow: red


def test_sixteen_bits_keep_their_tones():
    deep = PIL.Image.fromarray(np.array([[0, 32768, 65535]], dtype=np.uint16))
    np.testing.assert_array_equal(images.decode(encoded(deep))[0, :, 0], [0, 128, 255])


def test_a_dark_sixteen_bit_picture_stays_dark():
    deep = PIL.Image.fromarray(np.full((2, 2), 200, dtype=np.uint16))
    assert images.decode(encoded(deep)).max() == 1


def test_a_float_picture_may_reach_as_far_as_floats_do(tmp_path):
    deep = PIL.Image.fromarray(np.array([[-np.inf, -3e38, 0.5, 1]], dtype=np.float32))
    deep.save(tmp_path / "a.tif")
    assert images.read(tmp_path / "a.tif")[0, :, 0].tolist() == [0, 0, 128, 255]


@pytest.mark.parametrize(("white", "middle"), [(1.0, 0.5), (255.0, 127.5), (65535.0, 32767.5)])
def test_float_pictures_are_scaled_by_their_values(white, middle):
    deep = PIL.Image.fromarray(np.array([[0, middle, white, np.nan]], dtype=np.float32))
    np.testing.assert_array_equal(images.decode(encoded(deep, "TIFF"))[0, :, 0], [0, 128, 255, 0])


@pytest.mark.parametrize("highest", [1.003, 3.5])
def test_floats_that_overshoot_are_no_black_picture(highest):
    deep = PIL.Image.fromarray(np.array([[0, 0.5, highest, np.inf]], dtype=np.float32))
    assert images.decode(encoded(deep, "TIFF"))[0, :, 0].tolist() == [0, 128, 255, 255]


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_tones_above_sixteen_bits_are_not_all_white(kind):
    deep = PIL.Image.fromarray(np.array([[0, 2**29, 2**30]], dtype=kind))
    assert images.decode(encoded(deep, "TIFF"))[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize(("kind", "white"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)])
def test_a_tiff_whose_white_is_zero_is_no_negative(kind, white):
    grey = PIL.Image.fromarray(np.array([[0, white]], dtype=kind))
    written = bytearray(encoded(grey, "TIFF"))
    # Pillow writes no such files: the value of the tag 262 is set in one of the other kind.
    written[written.index(struct.pack("<HHI", 262, 3, 1)) + 8] = 0
    assert images.decode(bytes(written))[0, :, 0].tolist() == [255, 0]


def test_a_tiff_of_twelve_bits_keeps_its_tones():
    packed = PIL.Image.fromarray(np.frombuffer(b"\x00\x08\x00\xff\xf0\x10", np.uint8)[None])
    written = bytearray(encoded(packed, "TIFF"))
    # Pillow writes no such files: six bytes of one of 8 bits are four pixels of 12.
    for tag, value in ((256, 4), (258, 12)):
        place = written.index(struct.pack("<H", tag), 8)
        written[place + 8] = value
    assert images.decode(bytes(written))[0, :, 0].tolist() == [0, 128, 255, 1]


def test_a_picture_for_which_there_is_no_memory_is_not_called_damaged(monkeypatch):
    def load(_):
        raise MemoryError

    monkeypatch.setattr(PIL.PngImagePlugin.PngImageFile, "load", load)
    with pytest.raises(PictureSizeError, match=r"^a\.png needs more memory than there is\."):
        images.decode(encoded(plain()), "a.png")


def test_decoders_that_are_to_be_quiet_write_nothing_of_damaged_rows(capfd):
    rows = PIL.Image.fromarray(np.eye(400, 8, dtype=bool))
    damaged = bytearray(encoded(rows, "TIFF", compression="group3"))
    damaged[200:400] = bytes(range(200))
    images.quiet_decoders()
    assert images.decode(bytes(damaged)).shape == (400, 8, 3)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("suffix", [".webp", ".gif", ".jpg"])
def test_a_picture_that_is_too_wide_for_its_kind_is_refused_and_nothing_left(tmp_path, suffix):
    with pytest.raises(ImageError, match=f"wide{suffix} cannot be written: "):
        images.write(tmp_path / f"wide{suffix}", np.zeros((1, 66_000, 3), np.uint8))
    assert not list(tmp_path.iterdir())


def test_what_is_transparent_becomes_white():
    pixels = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 0, 0, 128]]], dtype=np.uint8)
    read = images.decode(encoded(PIL.Image.fromarray(pixels)))
    np.testing.assert_array_equal(read, [[[10, 20, 30], [255, 255, 255], [127, 127, 127]]])


def test_a_palette_is_looked_up():
    picture = PIL.Image.new("P", (2, 1))
    picture.putpalette([0, 0, 0, 9, 8, 7])
    picture.putpixel((1, 0), 1)
    np.testing.assert_array_equal(images.decode(encoded(picture)), [[[0, 0, 0], [9, 8, 7]]])


def test_a_transparent_palette_entry_becomes_white():
    picture = PIL.Image.new("P", (2, 1))
    picture.putpalette([0, 0, 0, 9, 8, 7])
    picture.putpixel((1, 0), 1)
    read = images.decode(encoded(picture, transparency=0))
    np.testing.assert_array_equal(read, [[[255, 255, 255], [9, 8, 7]]])


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [(1, lambda p: p), (3, lambda p: p[::-1, ::-1]), (6, lambda p: np.rot90(p, -1)), (8, np.rot90)],
)
def test_exif_orientation_is_obeyed(orientation, turned):
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    read = images.decode(encoded(PIL.Image.fromarray(pixels), "PNG", exif=exif))
    np.testing.assert_array_equal(read, turned(pixels))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_photo_is_turned_although_another_exif_field_is_of_the_wrong_type(kind):
    upright = struct.pack("<HHI4s", 0x0112, 3, 1, bytes([6]))
    unit_in_letters = struct.pack("<HHI4s", 0x0128, 2, 4, b"cm")  # a number by the standard
    fields = struct.pack("<H", 2) + upright + unit_in_letters + bytes(4)
    data = encoded(plain(size=(6, 4)), kind, exif=b"Exif\0\0II*\0\x08\0\0\0" + fields)
    assert images.decode(data).shape == (6, 4, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("exif", [b"no EXIF at all", bytes(20), b"Exif\0\0II*\0"])
def test_what_is_no_exif_keeps_no_picture_from_being_read(kind, exif):
    assert images.decode(encoded(plain(size=(6, 4)), kind, exif=exif)).shape == (4, 6, 3)


def test_an_animation_gives_its_first_frame():
    frames = [plain((250, 0, 0)), plain((0, 0, 250))]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(images.decode(data)[0, 0], (250, 0, 0))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"gone\.jpg does not exist\."):
        images.read(tmp_path / "gone.jpg")


def test_a_folder_is_no_picture(tmp_path):
    with pytest.raises(ImageError, match=r"is a folder, not a picture\."):
        images.read(tmp_path)


def test_an_empty_file_is_named(tmp_path):
    (tmp_path / "empty.png").touch()
    with pytest.raises(ImageError, match=r"empty\.png is empty \(0 bytes\)\."):
        images.read(tmp_path / "empty.png")


def test_a_null_byte_in_a_path_is_an_image_error(tmp_path):
    with pytest.raises(ImageError, match="cannot be read"):
        images.read(tmp_path / "a\0b.png")


def test_a_path_that_is_too_long_is_an_image_error(tmp_path):
    with pytest.raises(ImageError, match="cannot be read: File name too long"):
        images.read(tmp_path / ("a" * 500))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_locked_file_is_named(tmp_path):
    path = tmp_path / "locked.png"
    path.touch(mode=0o000)
    with pytest.raises(ImageError, match="cannot be read: Permission denied"):
        images.read(path)


def test_a_pipe_does_not_wait(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match=r"is a pipe or a device, not a picture file\."):
        images.read(tmp_path / "pipe.jpg")


def test_a_device_is_refused():
    with pytest.raises(ImageError, match="/dev/zero is a pipe or a device"):
        images.read(images.Path("/dev/zero"))


def test_text_is_no_picture():
    with pytest.raises(
        ImageError, match="note is not a picture that can be read; expected JPEG, PNG"
    ):
        images.decode(b"dear diary", "note")


def test_video_is_no_picture():
    with pytest.raises(ImageError, match="is not a picture that can be read"):
        images.decode(b"\0\0\0\x20ftypisom" + bytes(100))


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (
            b"\0\0\0\x18ftypheic",
            "is a HEIC picture, which is not read here. Save it as JPEG or PNG",
        ),
        (b"\0\0\0\x18ftypavif", "is an AVIF picture"),
        (b"<?xml version='1.0'?><SVG width='9'>", "is an SVG drawing, not a photograph"),
    ],
)
def test_known_strangers_are_named(start, words):
    with pytest.raises(ImageError, match=words):
        images.decode(start + bytes(50))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF", "PPM"])
def test_a_truncated_picture_is_damaged(kind):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(PIL.Image.fromarray(noise), kind)
    with pytest.raises(
        ImageError, match=r"photo (is damaged and cannot be decoded: .*[^.]\.|is not a pic.*)$"
    ):
        images.decode(data[: len(data) // 2], "photo")


def test_a_picture_of_50_megapixels_is_the_largest():
    with pytest.raises(ImageError, match="is damaged"):  # past the check of the size
        images.decode(huge_png(10_000, 5_000))
    with pytest.raises(
        ImageError, match=r"is 10000 × 5001 px; at most 50 megapixels are decoded. Make it smaller"
    ):
        images.decode(huge_png(10_000, 5_001))


def test_a_bomb_is_refused_at_once_and_in_little_memory():
    data = huge_png(20_000, 20_000)
    images.decode(encoded(plain()))  # Pillow has loaded its readers
    times = []
    for _ in range(5):  # a busy machine holds up one or the other, decoding would hold up all
        start = time.perf_counter()
        with pytest.raises(ImageError, match="far more than 50 megapixels"):
            images.decode(data)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.05


def test_a_bomb_in_a_large_file_is_refused_by_its_header_alone(tmp_path):
    path = tmp_path / "bomb.png"
    with path.open("wb") as file:
        file.write(huge_png(20_000, 20_000))
        file.truncate(200 * 2**20)  # sparse: takes no room on the disk
    code = (
        "import resource, sys; from pathlib import Path; from mien import images, errors\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: images.read(Path(sys.argv[1]))\n"
        "except errors.ImageError: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 20 * 1024  # KiB


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "header"), [("JPEG", 640), ("PNG", 64)])
@pytest.mark.filterwarnings("ignore")  # Pillow's own about what it mends
def test_four_thousand_damaged_headers_give_a_picture_or_our_error(kind, header):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (40, 56, 3), dtype=np.uint8)
    data = encoded(PIL.Image.fromarray(noise), kind)
    refused = []
    for _ in range(4000):
        try:
            image = images.decode(mutated(data, rng, header))
        except ImageError as error:
            refused.append(str(error))
        else:
            assert image.dtype == np.uint8
            assert image.ndim == 3
            assert image.shape[2] == 3
    assert not any("\n" in message for message in refused)
    assert 400 < len(refused) < 4000  # else the damage is too great, or too small, to try anything


def test_a_file_that_is_too_large_is_not_opened(tmp_path):
    path = tmp_path / "large.jpg"
    with path.open("wb") as file:
        file.truncate(images.MAX_BYTES + 2**20)
    with pytest.raises(ImageError, match=r"is 257 MiB; at most 256 are read\. Make it smaller"):
        images.read(path)


def test_opencv_is_told_the_limit_before_it_is_imported():
    code = "import mien, os, mien.faces.haar; print(os.environ['OPENCV_IO_MAX_IMAGE_PIXELS'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == images.MAX_PIXELS


def test_reading_in_threads_leaves_the_warning_filters_alone():
    import warnings

    before = list(warnings.filters)
    data = encoded(plain())
    threads = [
        threading.Thread(target=lambda: [images.decode(data) for _ in range(30)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


def test_damaged_pictures_give_typed_errors_only():
    rng = np.random.default_rng(1)
    noise = PIL.Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"):
        whole = np.frombuffer(encoded(noise, kind), np.uint8)
        for _ in range(40):
            damaged = whole.copy()
            places = rng.integers(0, min(200, len(damaged)), 3)
            damaged[places] = rng.integers(0, 256, 3)
            try:
                read = images.decode(damaged.tobytes())
            except ImageError:
                continue
            assert read.dtype == np.uint8


def test_a_written_picture_is_read_back(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    images.write(tmp_path / "new" / "a.png", pixels)
    np.testing.assert_array_equal(images.read(tmp_path / "new" / "a.png"), pixels)
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.png"]


def test_a_written_picture_has_ordinary_permissions(tmp_path):
    images.write(tmp_path / "a.png", np.zeros((2, 2), np.uint8))
    (tmp_path / "b").touch()
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_an_ending_must_be_a_pictures(tmp_path):
    with pytest.raises(
        ImageError, match=r"a\.txt has no ending of a picture; use \.png or \.jpg\."
    ):
        images.write(tmp_path / "a.txt", np.zeros((2, 2), np.uint8))


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def refuse(_picture, path, **_options):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PIL.Image.Image, "save", refuse)
    with pytest.raises(ImageError, match=r"a\.png cannot be written: No space left on device\."):
        images.write(tmp_path / "a.png", np.zeros((2, 2), np.uint8))
    assert list(tmp_path.iterdir()) == []
