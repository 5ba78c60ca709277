import re

import numpy as np
import pytest

from mien.demo.live import CHART_S, LiveView
from mien.faces import open_detector
from mien.recognition import Recognizer
from mien.recognition.film import open_film
from mien.recognition.source import open_source
from mien.types import Box, Detection

BRIGHT, DARK = 235, 20


@pytest.fixture
def recognizer(tiny_model_path):
    return Recognizer(tiny_model_path, detector=open_detector("none"))


@pytest.fixture
def frames(tmp_path):
    """A second bright, a second dark, as a decoder gives it: (image, time)."""
    path = tmp_path / "clip.mp4"
    with open_film(path) as film:
        for number in range(20):
            tone = BRIGHT if number < 10 else DARK
            film(np.full((48, 64, 3), tone, np.uint8), 0.1 * number + 0.01 * (number % 2))
    with open_source(path) as source:
        return path, [(frame.image, frame.time_s) for frame in source.frames()]


def test_the_camera_and_a_recording_of_it_give_the_same_answers(recognizer, frames):
    path, pictures = frames
    view = LiveView()
    live = [view.look(recognizer, image, time_s)[0] for image, time_s in pictures]
    recorded = list(recognizer.watch(path))
    on_probation = [row.frame for row in live if row.track is None]
    assert on_probation == [0, 1, 2]  # 0.3 s: a live picture does not wait
    for ours, theirs in zip(live[3:], recorded[3:], strict=True):
        assert ours == theirs


class Landmarks:
    """A detector that sees a turned face in all of every picture."""

    name, frame = "told", None

    def detect(self, image):
        height, width = image.shape[:2]
        points = np.array([[20, 15], [40, 15], [36, 25], [24, 35], [38, 35]], np.float32)
        return [Detection(Box(0, 0, width, height), 0.9, points)]


def test_the_camera_tells_how_far_a_head_is_turned_as_a_recording_does(tiny_model_path, frames):
    path, pictures = frames
    told = Recognizer(tiny_model_path, detector=Landmarks())
    view = LiveView()
    live = [view.look(told, image, time_s)[0] for image, time_s in pictures]
    recorded = list(told.watch(path))
    assert live[3:] == recorded[3:]
    assert live[3].yaw_deg is not None


def test_bars_move_slowly_and_the_chart_remembers(recognizer):
    view = LiveView()
    bright, dark = (np.full((48, 64, 3), tone, np.uint8) for tone in (BRIGHT, DARK))
    for number in range(10):
        before = view.look(recognizer, bright, 0.1 * number)
    after = view.look(recognizer, dark, 1.0)
    assert before[0].smoothed["happiness"] > after[0].smoothed["happiness"] > 0.4
    assert after[0].probabilities["happiness"] < 0.05
    times = [time_s for time_s, _ in view.moments(1)]
    np.testing.assert_allclose(times, np.arange(3, 11) / 10)
    shown = view.html(dark, after, "ko")
    assert "얼굴 1" in shown
    assert shown.count("<polygon") == 8
    assert 'src="data:image/jpeg;base64,' in shown
    assert not re.search(r'(src|href)="(?!data:)', shown)


def test_the_chart_forgets(recognizer):
    view = LiveView()
    image = np.full((48, 64, 3), BRIGHT, np.uint8)
    for number in range(300):
        view.look(recognizer, image, 0.1 * number)
    first, last = view.moments(1)[0][0], view.moments(1)[-1][0]
    assert last - first == pytest.approx(CHART_S, abs=0.11)


def test_another_model_starts_anew(recognizer, tiny_model_path):
    other = Recognizer(tiny_model_path, "fer2013", open_detector("none"))
    view = LiveView()
    image = np.full((48, 64, 3), BRIGHT, np.uint8)
    for number in range(5):
        view.look(recognizer, image, 0.1 * number)
    assert [view.look(other, image, 0.5 + 0.1 * n)[0].track for n in range(5)] == [None] * 3 + [
        1,
        1,
    ]
    assert list(view.moments(1)[-1][1]) == list(other.labels)


def test_without_a_face_it_says_so(tiny_model_path):
    haar = Recognizer(tiny_model_path, detector=open_detector("haar"))
    image = np.full((48, 64, 3), BRIGHT, np.uint8)
    view = LiveView()
    assert "화면에 얼굴이 없습니다." in view.html(image, view.look(haar, image, 0.0), "ko")
