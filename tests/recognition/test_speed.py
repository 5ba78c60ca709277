import time

import numpy as np
import pytest

from mien import images
from mien.errors import InputError
from mien.faces import WholePicture
from mien.modelfile import load_model
from mien.recognition import Recognizer
from mien.recognition.speed import median_ms, time_classifier, time_detector, time_folder


def test_the_median_is_of_the_calls_after_the_first(monkeypatch):
    clock = iter([0.0, 0.003, 1.0, 1.001, 2.0, 2.1])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    calls = []
    assert median_ms(lambda: calls.append(1), repeats=3) == pytest.approx(3)
    assert len(calls) == 4


def test_repeats_must_be_positive():
    with pytest.raises(InputError, match=r"repeats is 0; expected 1 or more\."):
        median_ms(lambda: None, 0)


class Slow(WholePicture):
    """Takes 4 ms a picture, on a clock that stands still otherwise."""

    name = "slow"

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)

    def detect(self, image):
        self.now += 0.004
        return super().detect(image)


def test_a_detector_is_timed_a_picture(monkeypatch):
    speed = time_detector(Slow(monkeypatch), [np.zeros((9, 9), np.uint8)] * 3, repeats=2)
    assert (speed.detector, speed.faces) == ("slow", 3)
    assert speed.ms_a_picture == pytest.approx(4)


def test_the_network_sees_whole_batches(tiny_model_path, monkeypatch):
    model = load_model(tiny_model_path)
    sizes = []
    logits = model.logits
    monkeypatch.setattr(model, "logits", lambda faces: sizes.append(len(faces)) or logits(faces))
    speeds = time_classifier(model, 1, (1, 8), repeats=2)
    assert sizes == [1] * 3 + [8] * 3
    assert [(speed.threads, speed.batch_size) for speed in speeds] == [(1, 1), (1, 8)]
    assert all(speed.ms_a_face > 0 for speed in speeds)


def test_a_folder_is_timed_from_file_to_answer(tiny_model_path, tmp_path, monkeypatch):
    paths = [tmp_path / f"{number}.png" for number in range(6)]
    for path in paths:
        images.write(path, np.zeros((9, 9, 3), np.uint8))
    slow = Slow(monkeypatch)
    speed = time_folder(Recognizer(tiny_model_path, detector=slow), paths, jobs=1)
    assert (speed.detector, speed.pictures, speed.faces) == ("slow", 6, 6)
    assert speed.pictures_a_second == pytest.approx(250)
