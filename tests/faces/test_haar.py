import threading

import cv2
import numpy as np
import pytest

from mien.data.synthetic import draw_scene
from mien.errors import InputError
from mien.faces import HaarDetector
from mien.types import Box


@pytest.fixture(scope="module")
def scene():
    return draw_scene(["happiness", "sadness"], seed=3, width_px=320, height_px=200)


def overlap(one, other):
    w = min(one.x + one.w, other.x + other.w) - max(one.x, other.x)
    h = min(one.y + one.h, other.y + other.h) - max(one.y, other.y)
    shared = max(w, 0) * max(h, 0)
    return shared / (one.w * one.h + other.w * other.h - shared)


def assert_found(found, truth):
    assert len(found) == len(truth)
    for box in truth:
        assert max(overlap(box, face.box) for face in found) > 0.6


def test_drawn_faces_are_found_where_they_are(scene):
    image, truth = scene
    found = HaarDetector().detect(image)
    assert_found(found, truth)
    assert all(30 < face.score < 80 for face in found)


def test_the_largest_face_comes_first():
    large, _ = draw_scene(["neutral"], seed=1, width_px=200, height_px=200)
    small = cv2.resize(large, (100, 100), interpolation=cv2.INTER_AREA)
    image = np.full((200, 300, 3), large[0, 0], np.uint8)
    image[50:150, :100], image[:, 100:] = small, large
    first, second = HaarDetector().detect(image)
    assert first.box.x > second.box.x
    assert first.box.w > second.box.w


def test_grey_and_colour_find_the_same(scene):
    image, _ = scene
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    assert HaarDetector().detect(grey) == HaarDetector().detect(image)


def test_large_pictures_are_searched_small_and_their_boxes_scaled_back(scene):
    image, truth = scene
    large = cv2.resize(image, None, fx=3, fy=3, interpolation=cv2.INTER_LINEAR)
    found = HaarDetector(max_side_px=320).detect(large)
    assert_found(found, [Box(3 * b.x, 3 * b.y, 3 * b.w, 3 * b.h) for b in truth])


def test_boxes_stay_inside(scene):
    image, truth = scene
    box = truth[0]
    cut = np.ascontiguousarray(image[: box.y + box.h + 4, box.x - 2 :])
    for face in HaarDetector().detect(cut):
        assert face.box.x >= 0
        assert face.box.y >= 0
        assert face.box.x + face.box.w <= cut.shape[1]
        assert face.box.y + face.box.h <= cut.shape[0]


@pytest.mark.parametrize("shape", [(1, 1), (1, 2000), (19, 19), (100, 140), (300, 2, 3)])
def test_a_picture_without_faces_gives_an_empty_list(shape):
    assert HaarDetector().detect(np.full(shape, 90, np.uint8)) == []


def test_threads_share_a_detector(scene):
    image, _ = scene
    detector = HaarDetector()
    expected = detector.detect(image)
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(detector.detect(image))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4


def test_absurd_sizes_are_refused():
    with pytest.raises(InputError, match="for faces from 5 px; expected at least 64 and 20"):
        HaarDetector(min_face_px=5)


@pytest.fixture(scope="module")
def wide_scene(scene):
    """The scene in a wider surround."""
    image, truth = scene
    wide = cv2.copyMakeBorder(image, 100, 100, 160, 160, cv2.BORDER_REPLICATE)
    return wide, [Box(box.x + 160, box.y + 100, box.w, box.h) for box in truth]


def test_known_faces_are_found_again_near_where_they_were(wide_scene):
    image, _ = wide_scene
    detector = HaarDetector()
    known = [face.box for face in detector.detect(image)]
    moved = [Box(box.x + 4, box.y - 3, box.w, box.h) for box in known]
    again = detector.detect_near(image, moved, 640)
    assert [overlap(box, face.box) > 0.8 for box, face in zip(known, again, strict=True)] == [
        True
    ] * 2
    smaller = detector.detect_near(image, moved, 480)
    assert_found(smaller, known)


def test_a_known_face_that_is_not_there_is_said(wide_scene):
    image, truth = wide_scene
    empty = np.full_like(image, 90)
    assert HaarDetector().detect_near(empty, [truth[0]], 640) is None
    assert HaarDetector().detect_near(image, [truth[0], truth[0]], 640) is None


def test_where_windows_would_save_nothing_none_is_searched(monkeypatch):
    detector = HaarDetector()
    monkeypatch.setattr(detector, "_cascade", lambda: pytest.fail("it was searched"))
    everyone = [Box(20, 20, 160, 160)] * 5
    assert detector.detect_near(np.zeros((200, 200), np.uint8), everyone, 400) is None
