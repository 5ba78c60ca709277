"""Turning a face: about its middle, and without cutting it."""

import numpy as np
import pytest

from mien.data.turning import disc, mirror, turn


def test_a_mirrored_picture_has_left_and_right_exchanged():
    image = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    assert mirror(image).tolist() == [[[2, 1, 0], [5, 4, 3]]]


@pytest.mark.parametrize("size", [48, 47])
def test_quarter_turns_are_exact_so_the_middle_stays(textures, size):
    images = textures(4, seed=0, size=size)
    turned = turn(images, np.array([0.0, 90.0, 180.0, -90.0]))
    for image, result, times in zip(images, turned, (0, 1, 2, 3), strict=True):
        assert np.array_equal(result, np.rot90(image, times))


def test_turned_there_and_back_the_whole_disc_is_still_there(textures):
    images = textures(30, seed=1)
    angles = np.random.default_rng(0).uniform(-20, 20, 30)
    back = turn(turn(images, angles), -angles).astype(int)
    inside = disc(48, 48)
    assert inside.sum() == pytest.approx(np.pi * 23.5**2, rel=0.02)
    error = np.abs(back - images)
    assert error[:, inside].mean() < 2
    # The corners have left the picture.
    assert error[:, ~inside].mean() > 3 * error[:, inside].mean()


def test_corners_that_come_in_are_no_black_wedges():
    bright = np.full((1, 48, 48), 200, np.uint8)
    assert np.array_equal(turn(bright, np.array([20.0])), bright)
