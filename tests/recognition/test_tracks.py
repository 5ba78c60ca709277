"""Rows of faces that stay themselves from frame to frame."""

import numpy as np
import pytest

from mien.faces import yaw_deg
from mien.recognition.smoothing import Smoothing
from mien.recognition.tracks import Tracks
from mien.types import Box, Detection, Face, VideoRow

LEFT, RIGHT = Box(10, 10, 40, 40), Box(200, 10, 60, 60)
HAPPY, SAD = (1.0, 0.0), (0.0, 1.0)
LANDMARKS = np.array([[20, 30], [40, 30], [36, 40], [24, 50], [38, 50]], np.float32)


def found(box, landmarks=None):
    return Detection(box, 0.9, landmarks)


def shows(probs):
    names = ("happiness", "sadness")
    return Face(names[int(np.argmax(probs))], max(probs), dict(zip(names, probs, strict=True)))


def test_faces_keep_their_numbers_and_rows_the_order_of_the_faces():
    tracks = Tracks()
    first = tracks.rows(0, 0.0, [found(LEFT), found(RIGHT)], [shows(HAPPY), shows(SAD)])
    then = tracks.rows(1, 0.04, [found(RIGHT), found(LEFT)], [shows(SAD), shows(HAPPY)])
    assert [row.track for row in first] == [1, 2]
    assert [(row.track, row.box, row.expression) for row in then] == [
        (2, RIGHT, "sadness"),
        (1, LEFT, "happiness"),
    ]


def test_a_row_says_what_the_frame_shows_and_what_the_track_has_shown():
    tracks = Tracks(Smoothing(time_constant_s=0.5))
    tracks.rows(0, 0.0, [found(LEFT)], [shows(HAPPY)])
    (row,) = tracks.rows(7, 0.25, [found(LEFT, LANDMARKS)], [shows(SAD)])
    assert (row.frame, row.time_s, row.score) == (7, 0.25, 0.9)
    assert row.probabilities == {"happiness": 0.0, "sadness": 1.0}
    left = np.exp(-0.5)  # of the weight of what was before
    assert row.smoothed == pytest.approx({"happiness": left, "sadness": 1 - left})
    assert (row.expression, row.confidence) == ("happiness", pytest.approx(left))
    assert row.yaw_deg == yaw_deg(LANDMARKS)


def test_a_frame_without_faces_has_one_row():
    assert Tracks().rows(3, 0.1, [], []) == (VideoRow(frame=3, time_s=0.1),)


def test_who_comes_back_after_long_is_somebody_new_without_a_past():
    tracks = Tracks()
    tracks.rows(0, 0.0, [found(LEFT)], [shows(HAPPY)])
    tracks.rows(1, 60.0, [], [])
    (row,) = tracks.rows(2, 60.1, [found(LEFT)], [shows(SAD)])
    assert (row.track, row.smoothed) == (2, {"happiness": 0.0, "sadness": 1.0})
