import contextlib
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.errors import InputError, VideoError
from mien.recognition.film import open_film
from mien.recognition.source import VideoSource, open_source


def draw(path, times):
    """A recording whose frame n has the tone 4 n."""
    with open_film(path) as film:
        for number, time_s in enumerate(times):
            film(np.full((48, 64, 3), 4 * number, np.uint8), time_s)
    return path


def draw_avi(path, count=50):
    writer = cv2.VideoWriter(
        str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48)
    )
    for number in range(count):
        writer.write(np.full((48, 64, 3), 4 * number, np.uint8))
    writer.release()
    return path


def even(count):
    return [round(0.04 * n, 2) for n in range(count)]


class FakeCapture:
    """What cv2.VideoCapture does, without a camera."""

    def __init__(self, times_ms, fps=25.0, count=0.0):
        self.times_ms, self.place = times_ms, -1
        self.facts = {cv2.CAP_PROP_FPS: fps, cv2.CAP_PROP_FRAME_COUNT: count}
        self.is_released = False

    def get(self, what):
        return (
            self.times_ms[self.place]
            if what == cv2.CAP_PROP_POS_MSEC
            else self.facts.get(what, 0.0)
        )

    def grab(self):
        self.place += 1
        return self.place < len(self.times_ms)

    def retrieve(self):
        return True, np.full((4, 4, 3), (1, 2, 3), np.uint8)

    def release(self):
        self.is_released = True


def test_frames_come_in_order_with_the_container_s_own_times(tmp_path):
    times = [0, 0.04, 0.08, 0.5, 0.51, 2.0, 2.3]
    with open_source(draw(tmp_path / "uneven.mp4", times)) as source:
        frames = list(source.frames())
    np.testing.assert_allclose([frame.time_s for frame in frames], times, atol=0.0002)
    assert [frame.index for frame in frames] == list(range(7))
    np.testing.assert_allclose([f.image.mean() for f in frames], np.arange(7) * 4, atol=4)
    assert source.num_frames == 7
    assert not source.is_live


def test_pixels_are_rgb():
    source = VideoSource(FakeCapture([0.0], count=1.0), "x", is_live=False)
    assert next(source.frames()).image[0, 0].tolist() == [3, 2, 1]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"start": 0.4}, range(10, 30)),
        ({"end": 0.4}, range(10)),
        ({"start": 0.2, "end": 0.4}, range(5, 10)),
        ({"fps": 5}, range(0, 30, 5)),
        ({"fps": 5, "start": 0.4}, range(10, 30, 5)),
        ({"fps": 10}, [0, 3, 5, 8, 10, 13, 15, 18, 20, 23, 25, 28]),
        ({"fps": 200}, range(30)),
    ],
)
def test_a_part_and_a_rate_are_chosen_by_time(tmp_path, how, expected):
    with open_source(draw(tmp_path / "even.mp4", even(30))) as source:
        assert [frame.index for frame in source.frames(**how)] == list(expected)


def test_a_part_after_the_end_is_refused(tmp_path):
    source = open_source(draw(tmp_path / "even.mp4", even(10)))
    with pytest.raises(InputError, match=r"The part from 99 s was asked for; .* ends at 0\.36 s"):
        list(source.frames(start=99))


def test_where_a_container_has_no_times_the_rate_counts():
    source = VideoSource(FakeCapture([0.0] * 4, fps=20, count=4.0), "raw", is_live=False)
    assert [frame.time_s for frame in source.frames()] == [0, 0.05, 0.1, 0.15]


def test_times_never_go_back():
    source = VideoSource(FakeCapture([0, 80.0, 40.0, 120.0], count=4.0), "x", is_live=False)
    assert [frame.time_s for frame in source.frames()] == [0, 0.08, 0.08, 0.12]


def test_a_recording_that_was_cut_off_gives_what_it_has_and_says_where_it_stopped(tmp_path):
    path = draw_avi(tmp_path / "cut.avi")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    frames = []

    def drain():
        for frame in open_source(path).frames():
            frames.append(frame)

    words = r"cut\.avi stopped at \d\.\d\d s, after \d+ frames of 50"
    with pytest.raises(VideoError, match=words) as told:
        drain()
    assert 20 < len(frames) < 35
    assert f"stopped at {frames[-1].time_s:.2f} s, after {len(frames)} frames" in str(told.value)
    assert "damaged or cut off there. All rows up to there are right" in str(told.value)


def test_a_number_of_frames_that_was_guessed_is_no_damage():
    capture = FakeCapture([40.0 * n for n in range(10)], count=300.0)
    assert len(list(VideoSource(capture, "x", is_live=False, is_counted=False).frames())) == 10


def test_a_matroska_file_whose_end_is_zeros_is_said_to_announce_more(tmp_path, caplog):
    path = draw_avi(tmp_path / "a.mkv", 60)
    assert len(list(open_source(path).frames())) == 60
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2].ljust(len(whole), b"\0"))
    with open_source(path) as source:
        assert len(list(source.frames(end=1))) == 25
    assert not caplog.records
    with open_source(path) as source:
        assert 25 < len(list(source.frames())) < 35
    (said,) = caplog.messages
    assert "a.mkv announces 2.40 s, and its pictures end at" in said
    assert said.endswith("the rest is sound alone, or it is damaged there.")


def test_a_last_frame_that_stands_for_long_is_no_end_too_early(caplog):
    # As of a GIF of ten frames, nine of 0.1 s and one of 3.
    capture = FakeCapture([100.0 * n for n in range(10)], fps=2.564, count=10.0)
    assert len(list(VideoSource(capture, "x", is_live=False, is_counted=False).frames())) == 10
    assert not caplog.records


def test_a_rate_that_cannot_be_is_not_taken_for_a_length(caplog):
    capture = FakeCapture([40.0 * n for n in range(50)], fps=90_000.0, count=180_000.0)
    assert len(list(VideoSource(capture, "x", is_live=False, is_counted=False).frames())) == 50
    assert not caplog.records


@pytest.mark.parametrize(("count", "is_whole"), [(100, True), (60, False)])
def test_a_clock_s_rate_is_no_damage(count, is_whole):
    # As `ffmpeg -c copy` makes AVI of an MP4: 100 frames in 4 s, announced as 2400 of 600 a second.
    capture = FakeCapture([40.0 * n for n in range(count)], fps=600.0, count=2400.0)
    frames = VideoSource(capture, "x", is_live=False).frames()
    with contextlib.nullcontext() if is_whole else pytest.raises(VideoError, match="60 frames of"):
        assert len(list(frames)) == count


def test_a_recording_that_was_trimmed_is_no_damage():
    # As phones do it: all frames are in the file, and counted, but players leave the first out.
    capture = FakeCapture([40.0 * n for n in range(10)], count=300.0)
    assert len(list(VideoSource(capture, "x", is_live=False, shown_s=0.4).frames())) == 10


def test_a_matroska_file_that_was_cut_off_is_said_and_a_whole_one_not(tmp_path):
    path = draw_avi(tmp_path / "a.mkv")
    assert len(list(open_source(path).frames())) == 50
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    words = r"a\.mkv stopped at \d\.\d\d s, after \d+ frames: the file is cut off there\. All rows"
    with pytest.raises(VideoError, match=words):
        list(open_source(path).frames())


@pytest.mark.parametrize(
    ("across", "down", "turned_deg", "shape"),
    [
        (2.0, 1.0, 0, (4, 8)),
        (16.0, 15.0, 0, (4, 4)),  # of 4 px; a DVD has more
        (1.0, 2.0, 0, (8, 4)),
        (2.0, 1.0, 270, (8, 4)),
        (101.0, 100.0, 0, (4, 4)),
        (0.0, 1.0, 0, (4, 4)),
        (1.0, 255.0, 0, (4, 4)),
    ],
)
def test_pixels_that_are_not_square_are_stretched(across, down, turned_deg, shape):
    capture = FakeCapture([0.0], count=1.0)
    capture.facts |= {
        cv2.CAP_PROP_SAR_NUM: across,
        cv2.CAP_PROP_SAR_DEN: down,
        cv2.CAP_PROP_ORIENTATION_META: turned_deg,
    }
    (frame,) = VideoSource(capture, "x", is_live=False).frames()
    assert frame.image.shape == (*shape, 3)


def test_a_part_before_the_break_is_whole(tmp_path):
    path = draw_avi(tmp_path / "cut.avi")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with open_source(path) as source:
        assert len(list(source.frames(end=0.4))) == 10


def test_a_whole_recording_ends_without_complaint(tmp_path):
    with open_source(draw_avi(tmp_path / "whole.avi")) as source:
        assert len(list(source.frames())) == 50


def test_without_its_index_an_mp4_is_no_recording(tmp_path):
    path = draw(tmp_path / "cut.mp4", even(20))
    path.write_bytes(path.read_bytes()[:-600])
    with pytest.raises(
        VideoError, match=r"cut\.mp4 is not a recording that can be decoded: damaged, cut off"
    ):
        open_source(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.mp4", None, "does not exist"),
        ("empty.mp4", b"", r"is empty \(0 bytes\)"),
        ("words.mp4", b"These are words. " * 99, "is not a recording that can be decoded"),
    ],
)
def test_what_is_no_recording_is_named(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(VideoError, match=f"{name} {message}"):
        open_source(tmp_path / name)


def test_a_name_that_is_no_utf8_is_opened_too(tmp_path):
    path = draw(tmp_path / "film.mp4", even(3)).rename(tmp_path / "b\udcffd.mp4")
    with open_source(path) as source:
        assert len(list(source.frames())) == 3
        assert source.name == str(path)


def test_folders_and_pipes_are_no_recordings(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(VideoError, match=r"is no file|is empty"):
            open_source(path)


def test_a_camera_that_is_not_there_is_named():
    with pytest.raises(VideoError, match=r"Camera 97 cannot be opened\. Is it connected"):
        open_source("97")


def test_messages_hide_a_stream_s_password():
    with pytest.raises(VideoError, match=r"^rtsp://127\.0\.0\.1:9/x cannot be opened") as told:
        open_source("rtsp://someone:secret@127.0.0.1:9/x")
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("gopher://x", "'gopher://' is not read here; expected rtsp"),
        ("http://x/\udcff.mp4", "has bytes that are no UTF-8. Write them as %XX"),
        (-1, "Camera -1 was asked for; cameras are counted from 0"),
        (1.5, "A source is a path, a URL or a camera's number; got float"),
        (True, "got bool"),
    ],
)
def test_what_is_no_source_is_refused(source, message):
    with pytest.raises(InputError, match=message):
        open_source(source)


def test_a_camera_s_time_is_the_clock_s_and_its_end_is_said():
    source = VideoSource(FakeCapture([0.0] * 3, fps=0.0), "Camera 0", is_live=True)
    times = []

    def drain():
        for frame in source.frames():
            times.append(frame.time_s)

    with pytest.raises(
        VideoError, match=r"Camera 0 stopped at .* gives no more. Is it still connected"
    ):
        drain()
    assert times[0] == 0
    assert times == sorted(times)
    assert source.fps == 25
    assert source.num_frames is None


def test_closing_gives_the_file_back():
    capture = FakeCapture([0.0])
    with VideoSource(capture, "x", is_live=False):
        assert not capture.is_released
    assert capture.is_released


@pytest.mark.slow
def test_two_thousand_damaged_mp4s_give_frames_or_our_error(tmp_path):
    whole = draw(tmp_path / "whole.mp4", even(8)).read_bytes()
    at = whole.rindex(b"moov") - 4  # the box that says how everything else is to be read
    # In a program of its own: what crashes FFmpeg would take this one with it.
    code = f"""
import sys
from pathlib import Path
import numpy as np
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from mien.errors import VideoError
from mien.recognition.source import open_source
from tests.mutate import mutated
folder = Path(sys.argv[1])
whole = (folder / "whole.mp4").read_bytes()
rng = np.random.default_rng(0)
file = folder / "damaged.mp4"
counts = [0, 0]
for number in range(2000):
    start = {at} if number % 2 else 0
    damaged = whole[:start] + mutated(whole[start:], rng, 512)
    file.write_bytes(damaged)
    try:
        with open_source(file) as source:
            for frame in source.frames():
                assert frame.image.dtype == np.uint8 and frame.image.shape[2] == 3
                assert frame.time_s >= 0
                if frame.index == 20:
                    break
        counts[0] += 1
    except VideoError as error:
        assert "\\n" not in str(error)
        counts[1] += 1
print(*counts)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr[-2000:]
    read, refused = map(int, done.stdout.split())
    assert read > 100
    assert refused > 100
