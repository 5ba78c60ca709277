import cv2
import numpy as np
import pytest

from mien.errors import InputError
from mien.faces import CropFrame, area_of, crop_detection, crop_face
from mien.types import Box, Detection

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


@pytest.mark.parametrize(("roll", "turns"), [(90, 1), (180, 2), (-90, -1)])
def test_a_crop_that_leans_by_right_angles_is_a_turned_crop(roll, turns):
    upright = crop_face(NUMBERED, Box(4, 3, 4, 4), CropFrame(side=1.5))
    leaning = crop_face(NUMBERED, Box(4, 3, 4, 4), CropFrame(side=1.5), roll)
    np.testing.assert_array_equal(leaning, np.rot90(upright, turns))


def test_a_leaning_crop_repeats_the_outermost_pixels_too():
    upright = crop_face(NUMBERED, Box(0, 0, 4, 4), CropFrame(side=2))
    leaning = crop_face(NUMBERED, Box(0, 0, 4, 4), CropFrame(side=2), 180)
    np.testing.assert_array_equal(leaning, np.rot90(upright, 2))


def test_a_frame_moves_a_leaning_crop_along_the_face():
    picture = np.zeros((80, 80), np.uint8)
    picture[36:44, 16:24] = 255  # a chin: left of the middle, as the face lies on its side
    chin = crop_face(picture, Box(30, 30, 20, 20), CropFrame(side=0.4, down=1.0), 90)
    np.testing.assert_array_equal(chin, np.full((8, 8), 255))


@pytest.mark.parametrize("roll", [-25.0, 12.0, 40.0])
def test_a_face_that_leans_is_cut_out_level(roll):
    level = np.random.default_rng(1).integers(0, 256, (12, 12), dtype=np.uint8)
    level = cv2.resize(level, (121, 121), interpolation=cv2.INTER_CUBIC)
    turn = cv2.getRotationMatrix2D((60, 60), -roll, 1)  # OpenCV turns counter-clockwise
    leaning = cv2.warpAffine(level, turn, (121, 121), borderMode=cv2.BORDER_REPLICATE)
    eyes = cv2.transform(np.array([[[45, 50], [75, 50]]], np.float32), turn)[0]
    landmarks = np.vstack([eyes, eyes, eyes[:1]])
    found = Detection(Box(30, 30, 61, 61), 0.9, landmarks)
    crop = crop_detection(leaning, found, CropFrame(side=1))
    np.testing.assert_allclose(crop[2:-2, 2:-2].astype(int), level[32:89, 32:89], atol=6)


def test_eyes_that_hardly_lean_leave_the_crop_upright():
    eyes = np.array([[4, 4], [8, 4.6], [6, 5], [5, 6], [7, 6]], np.float32)  # 8.5 degrees
    found = Detection(Box(4, 3, 4, 2), 0.9, eyes)
    np.testing.assert_array_equal(
        crop_detection(NUMBERED, found, CropFrame(side=1.5)), NUMBERED[1:7, 3:9]
    )


def test_without_landmarks_a_crop_is_upright():
    found = Detection(Box(4, 3, 4, 2), 0.9)
    np.testing.assert_array_equal(
        crop_detection(NUMBERED, found, CropFrame(side=1.5)), NUMBERED[1:7, 3:9]
    )


def test_a_leaning_crop_of_a_very_wide_picture_keeps_its_colours():
    wide = np.full((8, 40_000, 3), (10, 20, 30), np.uint8)
    crop = crop_face(wide, Box(39_990, 0, 8, 8), CropFrame(side=1), 30)
    np.testing.assert_array_equal(crop, np.full((8, 8, 3), (10, 20, 30)))


def test_the_area_of_an_upright_crop_begins_at_a_whole_pixel():
    found = Detection(Box(4, 3, 5, 2), 0.9)
    area = area_of(found, CropFrame(side=1.2, right=0.1, down=-0.2))  # middle (7, 3), side 6
    assert area.corners() == ((4, 0), (10, 0), (10, 6), (4, 6))
    np.testing.assert_array_equal(
        crop_detection(NUMBERED, found, CropFrame(side=1.2, right=0.1, down=-0.2)),
        NUMBERED[0:6, 4:10],
    )


def test_the_area_of_a_leaning_crop_leans():
    eyes = np.array([[20, 10], [20, 30], [15, 20], [10, 10], [10, 30]], np.float32)  # 90 degrees
    area = area_of(Detection(Box(10, 10, 20, 16), 0.9, eyes), CropFrame(side=0.5, down=0.25))
    # The middle (20, 18), and 5 px towards the chin, which is at the left; the crop's upper edge is at the right.
    expected = ((20, 13), (20, 23), (10, 23), (10, 13))
    np.testing.assert_allclose(area.corners(), expected, atol=1e-9)


def test_a_box_that_is_the_crop_is_its_area_and_never_leans():
    eyes = np.array([[20, 10], [20, 30], [15, 20], [10, 10], [10, 30]], np.float32)
    area = area_of(Detection(Box(3, 4, 7, 10), 0.9, eyes), None)
    assert area.corners() == ((3, 4), (10, 4), (10, 14), (3, 14))
