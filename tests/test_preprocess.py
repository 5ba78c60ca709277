import numpy as np
import pytest

from mien.errors import InputError
from mien.preprocess import InputSpec, fit, normalise, to_inputs

GREY = InputSpec()


def test_a_face_of_the_right_size_is_left_as_it_is():
    face = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    assert fit(face, GREY) is face


def test_shrinking_averages():
    blocks = np.kron(np.arange(48 * 48, dtype=np.uint8).reshape(48, 48), np.ones((2, 2), np.uint8))
    np.testing.assert_array_equal(fit(blocks, GREY), blocks[::2, ::2])
    checks = np.tile(np.array([[0, 200], [200, 0]], np.uint8), (48, 48))
    np.testing.assert_array_equal(fit(checks, GREY), np.full((48, 48), 100))


def test_enlarging_keeps_an_even_face_even():
    np.testing.assert_array_equal(fit(np.full((20, 31), 9, np.uint8), GREY), np.full((48, 48), 9))


def test_colour_becomes_grey_by_luma():
    red, green, blue = (fit(np.full((48, 48, 3), c, np.uint8), GREY)[0, 0] for c in np.eye(3) * 255)
    assert (red, green, blue) == (76, 150, 29)  # 0.299, 0.587, 0.114 of 255 (ITU-R BT.601)


def test_grey_becomes_colour():
    face = fit(np.full((48, 48), 7, np.uint8), InputSpec(channels=3))
    np.testing.assert_array_equal(face, np.full((48, 48, 3), 7))


def test_one_channel_counts_as_grey():
    assert fit(np.zeros((48, 48, 1), np.uint8), GREY).shape == (48, 48)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((4, 4)), r"A face is a uint8 array.*got float64 \(4, 4\)\. Scale it to 0…255"),
        (np.zeros((4, 4, 4), np.uint8), "Leave the alpha channel out"),
        (np.zeros((0, 4), np.uint8), r"got uint8 \(0, 4\)\."),
        (np.zeros((4, 4, 2), np.uint8), r"got uint8 \(4, 4, 2\)\."),
        (np.zeros(4, np.uint8), r"got uint8 \(4,\)\."),
        ([[1, 2]], r"got list\. Convert it: numpy\.asarray"),
    ],
)
def test_what_is_no_picture_is_refused(image, words):
    with pytest.raises(InputError, match=words):
        fit(image, GREY)


def test_inputs_are_scaled_by_mean_and_std():
    spec = InputSpec(mean=0.25, std=0.5)
    faces = np.stack([np.full((48, 48), v, np.uint8) for v in (0, 51, 255)])
    inputs = to_inputs(faces, spec)
    assert inputs.shape == (3, 1, 48, 48)
    assert inputs.dtype == np.float32
    assert inputs.flags.c_contiguous
    np.testing.assert_allclose(inputs[:, 0, 5, 7], [-0.5, -0.1, 1.5], atol=1e-6)


def test_colour_inputs_have_their_channels_first():
    face = np.zeros((1, 48, 48, 3), np.uint8)
    face[..., 1] = 255
    inputs = to_inputs(face, InputSpec(channels=3))
    np.testing.assert_array_equal(inputs[0, :, 0, 0], [-1, 1, -1])


def test_unfitted_faces_are_refused():
    with pytest.raises(
        InputError, match=r"Faces are uint8 \(40, 40\); this model takes uint8 \(48, 48\)"
    ):
        to_inputs(np.zeros((1, 40, 40), np.uint8), GREY)


def test_torch_and_numpy_normalise_alike():
    torch = pytest.importorskip("torch")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 1, 48, 48)).astype(np.float32)
    spec = InputSpec(mean=0.5076, std=0.255)
    expected = normalise(pixels, spec)
    np.testing.assert_array_equal(normalise(torch.from_numpy(pixels), spec).numpy(), expected)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"size": 4}, "input size is 4 px; expected 8 to 1024"),
        ({"channels": 2}, r"has 2 channels; expected 1 \(grey\) or 3 \(RGB\)"),
        ({"std": 0}, "std is 0; expected a positive number"),
        ({"colour": 1}, "input specification cannot be read: .*colour"),
    ],
)
def test_a_wrong_spec_is_refused(fields, words):
    with pytest.raises(InputError, match=words):
        InputSpec.from_dict(fields)


def test_a_spec_comes_back_from_its_fields():
    spec = InputSpec(size=64, channels=3, mean=0.4, std=0.2)
    assert InputSpec.from_dict(spec.as_dict()) == spec
