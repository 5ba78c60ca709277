import io
import itertools

import numpy as np
import PIL.Image
import pytest

from mien.classroom.frames import MAX_BYTES, FrameReader
from mien.classroom.signals import State
from mien.classroom.simulator import FramePainter, recorded_frames
from mien.data.synthetic import draw_scene
from mien.errors import VideoError
from mien.faces import HaarDetector
from mien.recognition.film import open_film


@pytest.fixture(scope="module")
def painter():
    return FramePainter(draw_scene)


def size_of(data):
    return PIL.Image.open(io.BytesIO(data)).size


def grey(data):
    return np.asarray(PIL.Image.open(io.BytesIO(data)).convert("L"), float)


def test_a_painted_frame_is_what_a_page_sends(painter):
    for state in State:
        if state is not State.PRESENT:
            data = painter.frame(0, state, 0)
            assert size_of(data) == (320, 240)
            assert len(data) < MAX_BYTES


def test_a_detector_finds_a_face_unless_the_student_is_away(painter):
    reader = FrameReader(HaarDetector(), None)
    for student in range(3):
        assert reader.read(painter.frame(student, State.STEADY, 0), 0.0).observation.faces == 1
        assert reader.read(painter.frame(student, State.AWAY, 0), 0.0).observation.faces == 0


def test_a_student_keeps_the_face_and_frames_differ_a_little(painter):
    one, next_, other = (
        grey(painter.frame(student, State.STEADY, number))
        for student, number in ((0, 0), (0, 1), (1, 0))
    )
    assert 0 < np.abs(one - next_).mean() < np.abs(one - other).mean()
    again = FramePainter(draw_scene)
    assert again.frame(0, State.STEADY, 4) == painter.frame(0, State.STEADY, 0)


def test_what_is_no_data_is_blurred(painter):
    sharp, blurred = (
        np.abs(np.diff(grey(painter.frame(0, state, 0)), axis=1)).max()
        for state in (State.STEADY, State.NO_DATA)
    )
    assert blurred < sharp / 2


def test_a_recording_is_sent_over_and_over_in_a_page_s_size(tmp_path):
    path = tmp_path / "clip.mp4"
    image = np.full((240, 640, 3), 60, np.uint8)
    image[:, 160:480] = 200  # the middle that is kept
    with open_film(path) as write:
        for number in range(5):
            write(image, number / 5)
    frames = list(itertools.islice(recorded_frames(path, 5.0), 12))
    assert {size_of(data) for data in frames} == {(320, 240)}
    assert grey(frames[0]).min() > 150
    assert frames[0] == frames[5] == frames[10]


def test_what_is_no_recording_is_named(tmp_path):
    with pytest.raises(VideoError, match=r"none\.mp4"):
        next(recorded_frames(tmp_path / "none.mp4", 1.0))
