import os
import resource
import subprocess
import sys

import cv2
import numpy as np
import pytest

from mien.errors import ConfigError
from mien.recognition.film import check_film_path, open_film


def read_back(path):
    """Times in ms and mean grey of every frame, as OpenCV reads them."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    frames = []
    while capture.grab():
        time_ms = capture.get(cv2.CAP_PROP_POS_MSEC)
        frames.append((time_ms, capture.retrieve()[1]))
    count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    capture.release()
    return frames, count


def picture(tone, shape=(48, 64, 3)):
    return np.full(shape, tone, np.uint8)


def write(path, times, shape=(48, 64, 3)):
    with open_film(path) as film:
        for number, time_s in enumerate(times):
            film(picture(10 * number, shape), time_s)


@pytest.mark.parametrize(
    "times",
    [
        [0, 0.04, 0.08, 0.12],
        [0, 0.04, 0.08, 0.5, 0.51, 2.0, 2.3],
        [0.0],
    ],
)
def test_frames_stand_at_their_times(tmp_path, times):
    write(tmp_path / "film.mp4", times)
    frames, count = read_back(tmp_path / "film.mp4")
    assert count == len(times)
    np.testing.assert_allclose([ms for ms, _ in frames], np.multiply(times, 1000), atol=0.2)
    tones = [image.mean() for _, image in frames]
    np.testing.assert_allclose(tones, [10 * n for n in range(len(times))], atol=5)


def test_a_part_begins_at_nought(tmp_path):
    write(tmp_path / "film.mp4", [7.0, 7.1, 7.3])
    frames, _ = read_back(tmp_path / "film.mp4")
    np.testing.assert_allclose([ms for ms, _ in frames], [0, 100, 300], atol=0.2)


@pytest.mark.parametrize(
    "step_s",
    [1 / 239.874, 1 / 100.123, 1000.0, 90_000.0],
    ids=["slow motion", "odd", "a quarter of an hour", "days"],
)
def test_any_distance_of_frames_can_be_written(tmp_path, step_s):
    times = [step_s * n for n in range(5)]
    write(tmp_path / "film.mp4", times)
    frames, _ = read_back(tmp_path / "film.mp4")
    np.testing.assert_allclose([ms for ms, _ in frames], np.multiply(times, 1000), atol=0.2)


def test_its_length_is_that_of_its_frames(tmp_path):
    write(tmp_path / "film.mp4", [0, 1, 2, 3])
    capture = cv2.VideoCapture(str(tmp_path / "film.mp4"), cv2.CAP_FFMPEG)
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(1, abs=0.01)  # frames over length
    capture.release()


def test_red_stays_red_and_other_sizes_are_brought_to_the_first(tmp_path):
    red, wide = picture(0), picture(0, (60, 90, 3))
    red[:, :, 0] = wide[:, :, 0] = 200
    with open_film(tmp_path / "film.mp4") as film:
        film(red, 0)
        film(wide, 0.04)
    frames, _ = read_back(tmp_path / "film.mp4")
    for _, image in frames:
        assert image.shape == (48, 64, 3)
        np.testing.assert_allclose(image.mean(axis=(0, 1)), [0, 0, 200], atol=12)  # BGR


def test_odd_sizes_lose_a_pixel_and_no_frame(tmp_path):
    write(tmp_path / "film.mp4", [0, 0.04, 0.08], (47, 63, 3))
    frames, _ = read_back(tmp_path / "film.mp4")
    assert len(frames) == 3


def test_what_was_written_before_a_break_can_be_played(tmp_path):
    def interrupted():
        with open_film(tmp_path / "film.mp4") as film:
            film(picture(9), 0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(read_back(tmp_path / "film.mp4")[0]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


@pytest.mark.parametrize("count", [1, 4])
def test_what_is_interrupted_while_a_frame_is_encoded_can_be_played(tmp_path, monkeypatch, count):
    class Interrupted:
        """Ctrl-C is heard when the frame is done."""

        def __init__(self, *given):
            self.writer, self.left = plain(*given), count

        def write(self, frame):
            self.writer.write(frame)
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt

        def __getattr__(self, name):
            return getattr(self.writer, name)

    plain, times = cv2.VideoWriter, [0, 0.1, 0.5, 1, 2]
    monkeypatch.setattr(cv2, "VideoWriter", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "film.mp4", times)
    frames, _ = read_back(tmp_path / "film.mp4")
    assert [ms for ms, _ in frames] == pytest.approx([1000 * s for s in times[:count]], abs=0.2)


def test_without_frames_there_is_no_file(tmp_path):
    with open_film(tmp_path / "film.mp4"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["b\udcffd.mp4", "b\udcffd/film.mp4"])
def test_names_that_are_no_utf8_are_written_too(tmp_path, name):
    write(tmp_path / name, [0, 0.04])
    (film,) = tmp_path.rglob("*.mp4")
    assert film == tmp_path / name
    frames, _ = read_back(film.rename(tmp_path / "named.mp4"))
    assert len(frames) == 2


def test_frames_that_the_encoder_refuses_are_said_with_their_size(tmp_path):
    with (
        pytest.raises(ConfigError, match=r"film\.mp4 cannot be written: .* of 1 × 4 px"),
        open_film(tmp_path / "film.mp4") as film,
    ):
        film(picture(0, (4, 1, 3)), 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("allowed", [0, 20, 40, 4000, 60_000])
def test_a_film_for_which_there_is_no_room_is_said_and_not_kept(tmp_path, allowed):
    # A limit to the length of a file fails as a full disk does, and needs no rights. It is for good, so in a program
    # of its own.
    code = """
import sys
from pathlib import Path
import numpy as np
from mien.errors import MienError
from mien.recognition.film import open_film
rng = np.random.default_rng(0)
try:
    with open_film(Path(sys.argv[1])) as film:
        for number in range(40):
            film(rng.integers(0, 256, (96, 128, 3), np.uint8), number / 25)
except MienError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "film.mp4"],
        capture_output=True,
        text=True,
        timeout=100,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (allowed, allowed)),
    )
    assert done.returncode == 0, done.stderr
    assert "film.mp4 cannot be written" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("film.avi", "ends in '.avi'; expected .mp4"),
        ("folder.mp4", "is a folder. Name a file"),
        ("file/film.mp4", "cannot be written: .*file is no folder"),
        ("pipe.mp4", "is no file, and MP4 cannot be written in one go"),
    ],
)
def test_places_that_cannot_be_written_are_refused_at_once(tmp_path, name, message):
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "file").write_text("in the way")
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(ConfigError, match=message):
        check_film_path(tmp_path / name)
