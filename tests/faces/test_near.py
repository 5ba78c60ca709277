import numpy as np
import pytest

from mien.faces.near import found_again
from mien.types import Box, Detection

IMAGE = np.zeros((200, 400), np.uint8)
WINDOW = Box(32, 0, 64, 64)  # at half the size: 64 to 192 px across, 0 to 128 down
FACE = Box(100, 40, 60, 60)


def again(*boxes, window=WINDOW, face=FACE):
    found = found_again([Detection(box, 0.9) for box in boxes], face, window, 0.5, IMAGE)
    return found and found.box


def test_of_several_the_one_that_is_where_the_face_was_comes_back():
    assert again(Box(66, 40, 30, 30), Box(104, 44, 58, 60)) == Box(104, 44, 58, 60)


@pytest.mark.parametrize(
    "box",
    [
        Box(150, 40, 40, 60),  # hardly where it was
        Box(110, 50, 30, 30),  # too small to be it
        Box(64, 40, 60, 60),  # reaches to the window's left side: it may go on there
        Box(130, 68, 60, 60),  # and to its lower side
    ],
)
def test_what_cannot_be_relied_on_is_not_it(box):
    assert again(box) is None


def test_nothing_found_is_nothing():
    assert again() is None


def test_at_the_picture_s_own_border_a_face_may_be_cut_off():
    assert again(Box(100, 0, 60, 60), face=Box(100, 5, 60, 60)) == Box(100, 0, 60, 60)
    right = Box(136, 0, 64, 64)
    assert again(Box(340, 40, 60, 60), window=right, face=Box(338, 40, 60, 60))
