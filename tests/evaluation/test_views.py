"""Test-time views show the same face; averaging is what one would do by hand."""

import numpy as np
import pytest

from mien.errors import UnknownNameError
from mien.evaluation.views import averaged, views_of


@pytest.fixture
def faces():
    return np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)


def left_and_right(faces):
    """A predictor that a mirror changes: mean brightness of the left and of the right half."""
    pixels = faces.reshape(len(faces), 48, 48, -1).astype(np.float32)
    return {
        "side": np.stack(
            [pixels[:, :, :24].mean((1, 2, 3)), pixels[:, :, 24:].mean((1, 2, 3))], axis=1
        )
    }


def test_flip_is_the_face_and_its_mirror_averaged_by_hand(faces):
    seen = list(views_of(faces, "flip"))
    assert (seen[0] == faces).all()
    assert (seen[1] == faces[:, :, ::-1]).all()
    by_hand = (left_and_right(faces)["side"] + left_and_right(faces[:, :, ::-1])["side"]) / 2
    np.testing.assert_allclose(averaged(left_and_right, faces, "flip")["side"], by_hand, rtol=1e-6)


def test_no_views_are_the_answers_themselves(faces):
    assert (averaged(left_and_right, faces, "none")["side"] == left_and_right(faces)["side"]).all()


def test_ten_crops_are_five_places_and_their_mirrors():
    # A bright pixel in a corner is seen by that corner's crop only.
    dot = np.zeros((1, 48, 48), np.uint8)
    dot[0, 0, 0] = 255
    crops = list(views_of(dot, "tencrop"))
    assert [crop.shape for crop in crops] == [(1, 48, 48)] * 10
    assert [bool(crop.any()) for crop in crops] == [True, True] + [False] * 8
    assert all(
        (mirror == crop[:, :, ::-1]).all()
        for crop, mirror in zip(crops[::2], crops[1::2], strict=True)
    )


def test_crops_keep_44_of_48_pixels():
    ramp = np.tile(np.arange(48, dtype=np.uint8) * 5, (1, 48, 1))
    left, right = (list(views_of(ramp, "tencrop"))[index] for index in (0, 2))
    assert left[0, 20, -1] == pytest.approx(43 * 5, abs=2)
    assert right[0, 20, 0] == pytest.approx(4 * 5, abs=2)


def test_colour_faces_keep_their_channels(faces):
    colour = np.repeat(faces[..., None], 3, axis=3)
    for views in ("none", "flip", "tencrop"):
        grey_answer, colour_answer = (
            averaged(left_and_right, faces, views),
            averaged(left_and_right, colour, views),
        )
        np.testing.assert_allclose(grey_answer["side"], colour_answer["side"], rtol=1e-5)


def test_unknown_views_suggest_close_ones(faces):
    with pytest.raises(
        UnknownNameError, match=r"No set of views is called 'tencrops'\. Did you mean tencrop\?"
    ):
        next(views_of(faces, "tencrops"))
