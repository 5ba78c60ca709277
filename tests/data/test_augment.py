import numpy as np
import pytest
import torch

from mien.data.augment import Augmentation, augment, draw, mixing
from mien.data.degrade import compress, shrink
from mien.data.synthetic import draw_faces

EVERYTHING = Augmentation(
    flip=True,
    rotate_deg=15,
    scale=0.15,
    shift=0.1,
    brightness=0.3,
    contrast=0.3,
    erase=0.5,
)


@pytest.fixture
def faces():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (8, 1, 48, 48), generator=generator).float()


def chances(column: int, value: float, rows: int = 8) -> torch.Tensor:
    """Chances in the middle (which changes nothing) except in one column."""
    table = torch.full((rows, 15), 0.5)
    table[:, column] = value
    return table


def test_nothing_to_do_leaves_every_pixel_as_it_was(faces):
    assert augment(faces, torch.rand(8, 15), Augmentation(), 48) is faces


def test_the_same_seed_and_epoch_draw_the_same_for_a_row():
    assert np.array_equal(draw(5, seed=1, epoch=2), draw(5, seed=1, epoch=2))
    assert not np.array_equal(draw(5, seed=1, epoch=2), draw(5, seed=1, epoch=3))
    assert not np.array_equal(draw(5, seed=1, epoch=2), draw(5, seed=2, epoch=2))


def test_a_face_is_changed_alike_whatever_batch_it_is_in(faces):
    table = torch.from_numpy(draw(8, seed=0, epoch=0))
    together = augment(faces, table, EVERYTHING, 48)
    alone = augment(faces[3:4], table[3:4], EVERYTHING, 48)
    torch.testing.assert_close(together[3:4], alone)


def test_flip_mirrors_exactly_the_faces_whose_chance_says_so(faces):
    table = torch.full((8, 15), 0.5)
    table[:4, 0] = 0.1
    changed = augment(faces, table, Augmentation(flip=True), 48)
    torch.testing.assert_close(changed[:4], faces[:4].flip(3), atol=1e-2, rtol=0)
    torch.testing.assert_close(changed[4:], faces[4:], atol=1e-2, rtol=0)


def test_a_shift_moves_by_the_part_of_the_side_that_it_says(faces):
    moved = augment(faces, chances(3, 1.0), Augmentation(shift=0.125), 48)
    torch.testing.assert_close(moved[..., :42], faces[..., 6:], atol=1e-2, rtol=0)


def test_a_quarter_turn_is_a_quarter_turn(faces):
    turned = augment(faces, chances(1, 1.0), Augmentation(rotate_deg=90), 48)
    expected = [torch.rot90(faces, k, (2, 3)) for k in (1, -1)]
    assert min(float((turned - e).abs().max()) for e in expected) < 0.1


def test_scale_enlarges_around_the_middle():
    faces = torch.zeros(1, 1, 48, 48)
    faces[..., 20:28, 20:28] = 255
    larger = augment(faces, chances(2, 1.0, 1), Augmentation(scale=float(np.log(2))), 48)
    assert larger.sum() / faces.sum() == pytest.approx(4, rel=0.02)


def test_brightness_multiplies_and_never_leaves_the_range(faces):
    brighter = augment(faces, chances(5, 1.0), Augmentation(brightness=0.5), 48)
    torch.testing.assert_close(brighter, (faces * 1.5).clamp(0, 255))


def test_contrast_keeps_the_mean_of_a_face():
    faces = torch.full((1, 1, 48, 48), 100.0)
    faces[..., :24] = 140
    stretched = augment(faces, chances(6, 1.0, 1), Augmentation(contrast=0.5), 48)
    assert float(stretched.mean()) == pytest.approx(120, abs=1e-3)
    assert float(stretched.max()) == pytest.approx(150, abs=1e-3)


def test_erasing_blots_out_one_square_of_the_drawn_size(faces):
    table = chances(7, 0.0)
    table[:, 8] = 1.0  # largest side
    erased = augment(faces, table, Augmentation(erase=0.5, erase_px=(6, 18)), 48)
    changed = (erased != faces).sum(dim=(1, 2, 3))
    assert ((changed > 18 * 18 - 10) & (changed <= 18 * 18)).all()


def test_a_smaller_size_gives_smaller_faces_of_the_same_brightness(faces):
    small = augment(faces, torch.full((8, 15), 0.5), Augmentation(), 36)
    assert small.shape == (8, 1, 36, 36)
    assert float(small.mean()) == pytest.approx(float(faces.mean()), rel=0.02)


def test_mixup_shares_are_reproducible_and_in_range():
    shares = [mixing(0.2, seed=0, epoch=1, step=s) for s in range(50)]
    assert shares == [mixing(0.2, seed=0, epoch=1, step=s) for s in range(50)]
    assert all(0 <= share <= 1 for share in shares)
    assert len(set(shares)) == 50


def test_only_faces_whose_lot_it_is_are_compressed_or_shrunken():
    faces = torch.from_numpy(draw_faces(3, seed=0, size=48).images)[:, None].float()
    table = torch.full((3, 15), 0.5)
    table[0, 11:13] = torch.tensor([0.1, 0.999])  # JPEG, best quality of the range
    table[1, 13:15] = torch.tensor([0.1, 0.0])  # shrunken to the smallest side
    how = Augmentation(jpeg=0.2, jpeg_quality=(20, 80), shrink=0.2, shrink_px=(16, 36))
    changed = augment(faces, table, how, 48)
    assert torch.equal(changed[0], compress(faces[:1], torch.tensor([80]))[0])
    assert torch.equal(changed[1], shrink(faces[1:2], torch.tensor([16]))[0])
    assert torch.equal(changed[2], faces[2])
    assert not torch.equal(faces[0], changed[0])
