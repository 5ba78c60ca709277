"""Faces made worse: by the amount that is said, the same way each time, and worse at each level."""

import numpy as np
import pytest

from mien.data.synthetic import draw_faces
from mien.errors import InputError, UnknownNameError
from mien.evaluation.corruptions import CORRUPTIONS, MIDDLE, corrupt

LUCKY = ("rotated", "shifted", "covered")


@pytest.fixture(scope="module")
def faces():
    return draw_faces(12, seed=3, size=48).images


def even(value, side=48):
    return np.full((1, side, side), value, np.uint8)


@pytest.mark.parametrize("name", CORRUPTIONS.names)
def test_every_level_changes_more_than_the_one_before(faces, name):
    changes = [np.abs(corrupt(faces, name, level).astype(int) - faces).mean() for level in range(3)]
    assert 0 < changes[0] < changes[1] < changes[2]
    assert corrupt(faces, name, MIDDLE).shape == faces.shape


@pytest.mark.parametrize("name", CORRUPTIONS.names)
def test_a_picture_meets_the_same_luck_whatever_comes_after_it(faces, name):
    alone, among_others = corrupt(faces[:3], name, 1), corrupt(faces, name, 1)
    np.testing.assert_array_equal(alone, among_others[:3])
    other_seed = corrupt(faces, name, 1, seed=1)
    assert (name in LUCKY) == bool((other_seed != among_others).any())


def test_light_is_multiplied_and_clipped():
    assert corrupt(even(100), "darker", 1).max() == 50
    assert (corrupt(even(100), "brighter", 1) == 150).all()
    assert (corrupt(even(200), "brighter", 1) == 255).all()


@pytest.mark.parametrize(("side", "expected"), [(48, 20), (96, 39)])  # two fifths, rounded up
def test_a_square_of_one_grey_covers_two_fifths_of_the_side(side, expected):
    covered = corrupt(np.tile(np.array([[[0, 255]]], np.uint8), (1, side, side // 2)), "covered", 1)
    greys, counts = np.unique(covered, return_counts=True)
    (grey,) = set(greys.tolist()) - {0, 255}
    assert counts[greys == grey] == expected**2


def test_a_shift_moves_every_pixel_by_a_tenth_of_the_side():
    image = np.zeros((1, 40, 40), np.uint8)
    image[0, 20, 20] = 255
    moved = corrupt(image, "shifted", 1)[0]
    assert [abs(int(place[0]) - 20) for place in np.nonzero(moved)] == [4, 4]
    assert moved.max() == 255


def test_a_turn_is_of_fifteen_degrees():
    image = np.zeros((1, 101, 101), np.uint8)
    image[0, 49:52, 88:93] = 255  # 40 px to the right of the middle
    rows, columns = np.nonzero(corrupt(image, "rotated", 1)[0] > 100)
    turned = np.degrees(np.arctan2(abs(rows.mean() - 50), columns.mean() - 50))
    assert turned == pytest.approx(15, abs=1)


def test_blur_is_a_gaussian_of_one_pixel_in_48():
    image = np.zeros((1, 96, 96), np.uint8)
    image[0, 48, 48] = 255
    line = corrupt(np.repeat(image, 1, 0), "blurred", 1)[0, 48].astype(float)
    # 96 px: a sigma of 2 px, whose density falls to exp(-1/2) two pixels off.
    assert line[50] / line[48] == pytest.approx(np.exp(-0.5), abs=0.15)
    assert line[60] == 0


def test_half_size_keeps_what_is_coarse_and_loses_what_is_fine():
    coarse = np.zeros((1, 48, 48), np.uint8)
    coarse[:, :, 24:] = 200
    stripes = np.zeros((1, 48, 48), np.uint8)
    stripes[:, :, ::2] = 200
    assert np.abs(corrupt(coarse, "half-size", 1)[0, :, [5, 40]] - [[0], [200]]).max() <= 2
    assert np.ptp(corrupt(stripes, "half-size", 1)) <= 2


def test_levels_are_told_in_words():
    told = {one.name: one.describe(MIDDLE) for one in CORRUPTIONS}
    assert told["jpeg"] == "JPEG, quality 30"
    assert told["rotated"] == "turned by ±15°"
    assert told["half-size"] == "shrunken to 50 %"


def test_an_unknown_corruption_suggests_close_ones(faces):
    with pytest.raises(UnknownNameError, match=r"No corruption is called 'blured'.*blurred"):
        corrupt(faces, "blured", 1)


def test_there_are_three_levels(faces):
    with pytest.raises(InputError, match=r"A corruption has the levels 0, 1 and 2; got 3\."):
        corrupt(faces, "jpeg", 3)
