"""What passes between rooms, and how one becomes the other."""

import numpy as np

from mien.types import Box, Face, VideoRow, WatchedFrame

ROW = VideoRow(
    frame=3,
    time_s=0.12,
    track=2,
    box=Box(1, 2, 30, 40),
    score=0.9,
    expression="happiness",
    confidence=0.7,
    probabilities={"happiness": 0.1, "sadness": 0.9},
    smoothed={"happiness": 0.7, "sadness": 0.3},
)
EMPTY = VideoRow(frame=3, time_s=0.12)


def test_the_face_of_a_row_is_its_steady_answer_and_not_that_of_its_frame():
    expected = Face("happiness", 0.7, {"happiness": 0.7, "sadness": 0.3}, Box(1, 2, 30, 40), 0.9)
    assert ROW.as_face() == expected


def test_a_row_without_a_face_has_none():
    assert EMPTY.as_face() is None


def test_the_faces_of_a_frame_are_those_of_its_rows():
    picture = np.zeros((9, 9, 3), np.uint8)
    assert WatchedFrame(3, 0.12, picture, (ROW, EMPTY, ROW)).faces() == [ROW.as_face()] * 2
    assert WatchedFrame(3, 0.12, picture, (EMPTY,)).faces() == []
