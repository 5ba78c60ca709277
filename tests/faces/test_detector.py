import numpy as np
import pytest

from mien.errors import InputError, UnknownNameError
from mien.faces import DETECTORS, HaarDetector, WholePicture, open_detector
from mien.types import Box


def test_the_whole_picture_is_one_face():
    (face,) = WholePicture().detect(np.zeros((3, 5, 3), np.uint8))
    assert face.box == Box(0, 0, 5, 3)
    assert face.score == 1


def test_auto_is_haar_where_nothing_better_is():
    assert isinstance(open_detector("auto"), HaarDetector)


def test_detectors_carry_the_name_that_opens_them():
    assert [spec.name for spec in DETECTORS] == ["auto", "haar", "yunet", "none"]
    assert open_detector("haar").name == "haar"
    assert open_detector("none").name == "none"


@pytest.mark.parametrize("name", ["haar", "none"])
def test_a_file_for_a_detector_without_one_is_refused(name, tmp_path):
    with pytest.raises(
        InputError, match=rf"The detector {name} has no file, but .* choose auto or yunet\."
    ):
        open_detector(name, tmp_path / "net.onnx")


def test_an_unknown_detector_is_named():
    with pytest.raises(UnknownNameError, match=r"No detector is called 'harr'\. Did you mean haar"):
        open_detector("harr")
