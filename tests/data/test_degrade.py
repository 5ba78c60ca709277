import cv2
import numpy as np
import pytest
import torch

from mien.data.degrade import compress, shrink
from mien.data.synthetic import draw_faces


@pytest.fixture(scope="module")
def images():
    return torch.from_numpy(draw_faces(6, seed=0, size=48).images)[:, None].float()


@pytest.mark.parametrize("quality", [15, 30, 50, 80, 100])
def test_jpeg_is_libjpegs(images, quality):
    ours = compress(images, torch.full((6,), quality))[:, 0].numpy()
    for before, after in zip(images[:, 0].numpy().astype(np.uint8), ours, strict=True):
        coded = cv2.imencode(".jpg", before, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        theirs = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE).astype(float)
        # libjpeg computes in whole numbers: a level here and there is its rounding.
        assert np.abs(after - theirs).mean() < 1
        if quality < 100:
            assert np.abs(after - theirs).mean() < 0.25 * np.abs(theirs - before).mean()


def test_each_face_has_its_own_quality_and_odd_sides_keep_their_size(images):
    odd = images[:2, :, :45, :43]
    mixed = compress(odd, torch.tensor([10, 90]))
    assert mixed.shape == odd.shape
    assert torch.equal(mixed[1:], compress(odd[1:], torch.tensor([90])))
    first, second = ((mixed - odd).abs().mean(dim=(1, 2, 3))).tolist()
    assert first > 3 * second


def test_a_flat_face_stays_flat_and_pixels_stay_in_range():
    flat = torch.full((1, 1, 16, 16), 77.0)
    assert torch.equal(compress(flat, torch.tensor([30])), flat)
    rough = torch.randint(0, 2, (1, 1, 16, 16)).float() * 255
    packed = compress(rough, torch.tensor([5]))
    assert float(packed.min()) >= 0
    assert float(packed.max()) <= 255


def test_shrinking_by_two_averages_fours_and_interpolates_between():
    row = torch.tensor([0.0, 8.0, 16.0, 24.0])
    face = row.expand(1, 1, 4, 4).contiguous()
    small = shrink(face, torch.tensor([2]))
    # Means 4 and 20; linear between their middles, the ends repeat.
    torch.testing.assert_close(small[0, 0], torch.tensor([4.0, 8.0, 16.0, 20.0]).expand(4, 4))


def test_shrinking_to_the_same_side_changes_nothing_and_to_another_is_opencvs(images):
    torch.testing.assert_close(shrink(images, torch.full((6,), 48)), images)
    ours = shrink(images, torch.tensor([16, 24, 16, 24, 16, 24]))[:, 0].numpy()
    for before, after, side in zip(images[:, 0].numpy(), ours, [16, 24] * 3, strict=True):
        small = cv2.resize(before, (side, side), interpolation=cv2.INTER_AREA)
        theirs = cv2.resize(small, (48, 48), interpolation=cv2.INTER_LINEAR)
        assert np.abs(after - theirs).max() < 0.1


def test_any_side_keeps_the_mean_brightness_of_a_flat_face():
    flat = torch.full((3, 1, 48, 48), 90.0)
    torch.testing.assert_close(shrink(flat, torch.tensor([17, 31, 36])), flat)
