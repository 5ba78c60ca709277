import math
import struct

import cv2
import numpy as np
import pytest

from mien.recognition.container import HEAD_BYTES, counts_frames, missing_bytes, shown_s


def draw(path, codec):
    writer = cv2.VideoWriter(
        str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), 25, (64, 48)
    )
    for number in range(20):
        writer.write(np.full((48, 64, 3), 4 * number, np.uint8))
    writer.release()
    return path


@pytest.mark.parametrize(
    ("name", "codec", "counts"),
    [
        ("a.mp4", "mp4v", True),
        ("a.mov", "mp4v", True),
        ("a.avi", "MJPG", True),
        ("a.mkv", "MJPG", False),
        ("a.ts", "mp4v", False),
    ],
)
def test_mp4_mov_and_avi_count_their_frames(tmp_path, name, codec, counts):
    path = draw(tmp_path / name, codec)
    assert counts_frames(path.read_bytes()[:HEAD_BYTES]) is counts
    assert missing_bytes(path) == 0


def test_a_matroska_file_says_how_much_it_lacks(tmp_path):
    path = draw(tmp_path / "a.mkv", "MJPG")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1000])
    assert missing_bytes(path) == 1000
    path.write_bytes(whole + b"more")
    assert missing_bytes(path) == 0


def box(kind, body):
    return struct.pack(">I4s", 8 + len(body), kind) + body


def test_an_mp4_in_fragments_counts_no_frames_and_says_how_much_it_lacks(tmp_path):
    times = struct.pack(">4I", 0, 0, 1000, 0) + bytes(80)
    index = box(b"moov", box(b"mvhd", bytes(4) + times) + box(b"mvex", b""))
    whole = box(b"ftyp", b"iso5") + index + 2 * (box(b"moof", bytes(50)) + box(b"mdat", bytes(900)))
    assert not counts_frames(whole[:HEAD_BYTES])
    path = tmp_path / "a.mp4"
    for missing in (0, 1, 300, 930):
        path.write_bytes(whole[: len(whole) - missing])
        assert missing_bytes(path) == (missing if missing < 908 else missing - 908)
    path.write_bytes(whole + b"\xff" * 40)  # not of it
    assert missing_bytes(path) == 0


def test_a_live_one_does_not_know(tmp_path):
    path = tmp_path / "live.webm"
    head = b"\x1a\x45\xdf\xa3\x83abc\x18\x53\x80\x67"
    path.write_bytes(head + b"\x01" + b"\xff" * 7 + b"clusters")
    assert missing_bytes(path) == 0
    path.write_bytes(head + b"\x01" + b"\x00" * 6 + b"\x0aclusters")
    assert missing_bytes(path) == 2


@pytest.mark.parametrize("content", [b"", b"\x1a", b"\x1a\x45\xdf\xa3", b"\x00" * 40])
def test_anything_else_lacks_nothing(tmp_path, content):
    path = tmp_path / "x.mkv"
    path.write_bytes(content)
    assert missing_bytes(path) == 0
    assert not counts_frames(content)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
def test_an_mp4_says_how_long_it_is_shown(tmp_path, name):
    assert shown_s(draw(tmp_path / name, "mp4v")) == pytest.approx(0.8)


def test_long_boxes_and_lengths_are_read_too(tmp_path):
    path = tmp_path / "a.mp4"
    pixels = struct.pack(">I4sQ", 1, b"mdat", 20) + b"abcd"
    head = struct.pack(">I4sIQQIQ", 40, b"mvhd", 1 << 24, 0, 0, 1000, 2500)
    path.write_bytes(pixels + struct.pack(">I4s", 48, b"moov") + head)
    assert shown_s(path) == 2.5


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 40,
        struct.pack(">I4s", 48, b"moov") + b"\0" * 40,
        b"RIFF" * 9,
        b"\xff" * 40,
        struct.pack(">I4sQ", 1, b"mdat", 2**64 - 1),
    ],
)
def test_what_does_not_say_may_be_of_any_length(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    assert shown_s(tmp_path / "x") == math.inf
