import numpy as np
import pytest

from mien.errors import InputError
from mien.faces import GivenBoxes
from mien.types import Box, Detection

PICTURE = np.zeros((50, 80, 3), np.uint8)


def test_boxes_of_every_kind_come_back_in_their_order():
    boxes = [Box(30, 5, 9, 9), (1.6, 2, 10, 12), np.array([-3, 0, 7, 7])]
    assert GivenBoxes(boxes).detect(PICTURE) == [
        Detection(Box(30, 5, 9, 9), 1.0),
        Detection(Box(2, 2, 10, 12), 1.0),
        Detection(Box(-3, 0, 7, 7), 1.0),
    ]


def test_no_boxes_are_no_faces():
    assert GivenBoxes([]).detect(PICTURE) == []


@pytest.mark.parametrize("box", [(1, 2, 3), "1234 ", 7, (1, 2, 3, float("nan"))])
def test_what_is_no_box_is_named_by_its_number(box):
    with pytest.raises(InputError, match=r"Box 1 is .*; expected a Box or four numbers: x, y, w"):
        GivenBoxes([(0, 0, 1, 1), box])


def test_an_empty_box_is_refused():
    with pytest.raises(InputError, match=r"Box 0 is 5 × 0 px; expected at least 1 × 1\."):
        GivenBoxes([(1, 1, 5, 0)])


def test_a_box_far_larger_than_the_picture_is_refused():
    picture = np.zeros((50, 80, 3), np.uint8)
    assert len(GivenBoxes([(-40, -60, 160, 160)]).detect(picture)) == 1
    with pytest.raises(
        InputError, match=r"Box 0 .* is far larger than the picture, which is 80 × 50 px\."
    ):
        GivenBoxes([(0, 0, 161, 20)]).detect(picture)


@pytest.mark.parametrize("box", [(80, 0, 5, 5), (0, 50, 5, 5), (-5, 0, 5, 5), (0, -9, 9, 9)])
def test_a_box_outside_the_picture_is_refused(box):
    with pytest.raises(
        InputError, match=r"Box 0 .* lies outside the picture, which is 80 × 50 px\."
    ):
        GivenBoxes([box]).detect(PICTURE)
