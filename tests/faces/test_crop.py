import numpy as np
import pytest

from mien.errors import InputError
from mien.faces import CropFrame, crop_face
from mien.types import Box

NUMBERED = np.arange(10 * 12, dtype=np.uint8).reshape(10, 12)


def test_without_a_frame_the_box_is_the_crop():
    np.testing.assert_array_equal(crop_face(NUMBERED, Box(2, 3, 5, 4), None), NUMBERED[3:7, 2:7])


def test_a_crop_is_square_around_the_middle_of_the_box():
    crop = crop_face(NUMBERED, Box(4, 3, 4, 2), CropFrame(side=1.5))  # middle (6, 4), side 6
    np.testing.assert_array_equal(crop, NUMBERED[1:7, 3:9])


def test_a_frame_moves_the_crop_right_and_down():
    crop = crop_face(NUMBERED, Box(2, 2, 4, 4), CropFrame(side=1, right=0.5, down=0.25))
    np.testing.assert_array_equal(crop, NUMBERED[3:7, 4:8])


def test_a_crop_over_a_corner_repeats_the_outermost_pixels():
    crop = crop_face(NUMBERED, Box(0, 0, 4, 4), CropFrame(side=2))  # from -2 to 6
    np.testing.assert_array_equal(crop, np.pad(NUMBERED[:6, :6], ((2, 0), (2, 0)), mode="edge"))


def test_a_crop_over_the_other_corner_keeps_its_colours():
    picture = np.stack([NUMBERED] * 3, axis=2)
    crop = crop_face(picture, Box(8, 6, 4, 4), CropFrame(side=2))
    expected = np.pad(picture[4:, 6:], ((0, 2), (0, 2), (0, 0)), mode="edge")
    np.testing.assert_array_equal(crop, expected)


def test_a_box_outside_the_picture_gives_its_border():
    np.testing.assert_array_equal(
        crop_face(NUMBERED, Box(50, 50, 2, 2), None), np.full((2, 2), 119)
    )


def test_the_smallest_box_gives_a_pixel():
    assert crop_face(NUMBERED, Box(5, 5, 1, 1), CropFrame(side=0.1)).shape == (1, 1)


def test_an_absurd_frame_is_refused():
    with pytest.raises(
        InputError, match=r"A crop of 0 box sides was asked for; expected 0\.1 to 10\."
    ):
        CropFrame(side=0)
