import numpy as np
import pytest

from mien.data.synthetic import draw_scene
from mien.errors import UnknownNameError
from mien.faces import HaarDetector, YuNetDetector
from mien.faces.overlap import overlap
from mien.service.looking import LARGE_ENOUGH_PX, TwoLooks, open_two_looks
from mien.types import Box, Detection


class Sees:
    """Sees one face of a given share of the picture's longer side, and remembers what it was shown."""

    name = "sees"
    frame = None

    def __init__(self, share):
        self.share, self.shown = share, []

    def detect(self, image):
        self.shown.append(image.shape[:2])
        side = round(self.share * max(image.shape[:2]))
        return [Detection(Box(0, 0, side, side), 1.0)] if side else []


def test_a_large_face_needs_one_look_and_comes_in_the_pictures_pixels():
    quick, thorough = Sees(0.5), Sees(0.5)
    (found,) = TwoLooks(thorough, 160, quick).detect(np.zeros((480, 640, 3), np.uint8))
    assert found.box == Box(0, 0, 320, 320)
    assert (quick.shown, thorough.shown) == ([(120, 160)], [])


@pytest.mark.parametrize("share", [0, (LARGE_ENOUGH_PX - 1) / 160])
def test_no_face_or_a_small_one_needs_the_second(share):
    quick, thorough = Sees(share), Sees(0.1)
    (found,) = TwoLooks(thorough, 160, quick).detect(np.zeros((480, 640, 3), np.uint8))
    assert found.box.w == 64
    assert thorough.shown == [(480, 640)]


def test_a_small_picture_is_searched_as_it_is():
    quick, thorough = Sees(0.5), Sees(0.5)
    TwoLooks(thorough, 160, quick).detect(np.zeros((48, 48), np.uint8))
    assert (quick.shown, thorough.shown) == ([], [(48, 48)])


def test_both_looks_of_haar_agree_on_a_drawn_face():
    scene, (drawn,) = draw_scene(["happiness"], seed=3, width_px=320, height_px=240)
    (quick,) = open_two_looks("haar", None, 160).detect(scene)
    (thorough,) = HaarDetector().detect(scene)
    assert overlap(quick.box, thorough.box) > 0.9
    assert overlap(quick.box, drawn) > 0.8


def test_both_looks_of_yunet_agree_on_a_drawn_face(yunet_file):
    scene, _ = draw_scene(["happiness"], seed=3, width_px=320, height_px=240)
    both = open_two_looks("yunet", yunet_file, 160)
    (quick,), (thorough,) = both.detect(scene), YuNetDetector(yunet_file).detect(scene)
    assert overlap(quick.box, thorough.box) > 0.85
    assert (both.name, both.frame) == ("yunet", YuNetDetector.frame)


def test_an_unknown_detector_is_an_error():
    with pytest.raises(UnknownNameError, match=r"No detector is called 'har'\. Did you mean haar"):
        open_two_looks("har", None, 160)


def test_a_thorough_look_at_a_large_picture_is_bounded():
    quick, thorough = Sees(0), Sees(0.1)
    (found,) = TwoLooks(thorough, 160, quick).detect(np.zeros((3000, 4000, 3), np.uint8))
    assert thorough.shown == [(480, 640)]
    assert found.box == Box(0, 0, 400, 400)
