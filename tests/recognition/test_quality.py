import cv2
import numpy as np
import pytest

from mien.data.synthetic import draw_faces
from mien.recognition.quality import (
    BLURRED_BELOW,
    DARK_BELOW,
    SMALL_BELOW_PX,
    measure_quality,
)


def laplacian_variance(face):
    """The variance of the Laplacian from its definition: 4-neighbourhood, borders mirrored without the edge."""
    grey = np.pad(face.astype(float), 1, mode="reflect")
    inner = grey[1:-1, 1:-1]
    edges = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner
    return edges.var()


@pytest.fixture(scope="module")
def faces():
    return draw_faces(12, seed=1).images


def test_the_measures_are_what_they_are_called(faces):
    for face in faces:
        quality = measure_quality(face, 48)
        assert quality.sharpness == pytest.approx(laplacian_variance(face), rel=1e-5)
        assert quality.brightness == pytest.approx(face.mean(), abs=1e-6)
        assert quality.flags == ()


def test_blur_is_flagged(faces):
    blurred = [measure_quality(cv2.GaussianBlur(face, (0, 0), 3), 48) for face in faces]
    assert {quality.flags for quality in blurred} == {("blurred",)}


def test_darkness_is_flagged(faces):
    dark = [measure_quality((face * 0.08).astype(np.uint8), 48) for face in faces]
    assert all("dark" in quality.flags for quality in dark)


@pytest.mark.parametrize(
    ("face_px", "flags"), [(SMALL_BELOW_PX, ()), (SMALL_BELOW_PX - 1, ("small",))]
)
def test_small_faces_are_flagged(faces, face_px, flags):
    assert measure_quality(faces[0], face_px).flags == flags


def test_thresholds_themselves_are_good_enough():
    at_threshold = np.full((48, 48), DARK_BELOW, np.uint8)
    assert "dark" not in measure_quality(at_threshold, 48).flags
    assert "dark" in measure_quality(at_threshold - 1, 48).flags
    noise = np.random.default_rng(0).normal(0, 1, (48, 48))
    just = noise * np.sqrt(BLURRED_BELOW / laplacian_variance(noise))
    assert (
        "blurred"
        not in measure_quality(np.clip(120 + 1.2 * just, 0, 255).astype(np.uint8), 48).flags
    )
    assert (
        "blurred" in measure_quality(np.clip(120 + 0.8 * just, 0, 255).astype(np.uint8), 48).flags
    )


def test_colour_and_size_do_not_matter(faces):
    large = cv2.resize(faces[0], (96, 96), interpolation=cv2.INTER_NEAREST)
    colour = cv2.cvtColor(large, cv2.COLOR_GRAY2RGB)
    assert measure_quality(colour, 96).sharpness == pytest.approx(
        measure_quality(faces[0], 96).sharpness, rel=1e-5
    )
