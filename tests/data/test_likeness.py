"""Likeness: identical rows, perceptual hashes against OpenCV's transform, close pairs against all pairs."""

import cv2
import numpy as np
import pytest

from mien.data.likeness import close_pairs, correlations, first_identical, perceptual_hashes


def test_identical_pictures_share_their_first_row(textures):
    images = textures(3, seed=0)[[0, 1, 0, 2, 1, 0]]
    assert first_identical(images).tolist() == [0, 1, 0, 3, 1, 0]
    images[5, 47, 47] ^= 1
    assert first_identical(images)[5] == 5


def test_a_hash_holds_the_signs_of_the_low_frequencies_against_their_median(textures):
    """OpenCV's transform scales its first row and column; beyond them the signs must be the same."""
    image = textures(1, seed=1)
    waves = cv2.dct(image[0].astype(np.float32))[:8, :8]
    waves[0] *= np.sqrt(2)
    waves[:, 0] *= np.sqrt(2)
    lowest = waves.ravel()[1:]
    expected = int((lowest > np.median(lowest)).sum())
    assert int(np.bitwise_count(perceptual_hashes(image))[0]) == expected == 31


def test_neither_light_nor_contrast_nor_a_little_noise_changes_a_hash_much(textures):
    images = textures(50, seed=2)
    hashes = perceptual_hashes(images)
    darker = (images * 0.6 + 20).astype(np.uint8)
    noise = np.random.default_rng(0).normal(0, 6, images.shape)
    noisy = np.clip(images + noise, 0, 255).astype(np.uint8)
    assert np.bitwise_count(hashes ^ perceptual_hashes(darker)).max() <= 4
    assert np.bitwise_count(hashes ^ perceptual_hashes(noisy)).max() <= 6
    assert np.bitwise_count(hashes[:-1] ^ hashes[1:]).min() > 10


@pytest.mark.parametrize("most_bits", [0, 5, 10])
def test_close_pairs_are_those_that_comparing_all_finds(most_bits):
    generator = np.random.default_rng(3)
    known = generator.integers(0, 2**64, 700, np.uint64)
    flips = generator.random((600, 64)) < generator.uniform(0, 0.25, (600, 1))
    masks = np.packbits(flips, axis=1).view(np.uint64)[:, 0]
    queries = known[:600] ^ masks
    every = np.bitwise_count(queries[:, None] ^ known) <= most_bits
    expected = np.nonzero(every)
    assert 20 < len(expected[0]) < 600
    found = close_pairs(queries, known, most_bits)
    assert found[0].tolist() == expected[0].tolist()
    assert found[1].tolist() == expected[1].tolist()


def test_no_hashes_have_no_pairs():
    none = np.zeros(0, np.uint64)
    some = np.zeros(3, np.uint64)
    assert [len(part) for part in close_pairs(none, some)] == [0, 0]
    assert [len(part) for part in close_pairs(some, none)] == [0, 0]


def test_correlations_are_numpy_s(textures):
    first, second = textures(4, seed=4), textures(4, seed=5)
    second[3] = 77
    pairs = (np.array([0, 1, 2, 3, 0]), np.array([1, 1, 0, 3, 2]))
    inside = np.zeros((48, 48), bool)
    inside[10:30, 5:40] = True
    for mask in (None, inside):
        pick = np.ones((48, 48), bool) if mask is None else mask
        expected = [
            0.0 if b == 3 else np.corrcoef(first[a][pick], second[b][pick])[0, 1]
            for a, b in zip(*pairs, strict=True)
        ]
        np.testing.assert_allclose(correlations(first, second, pairs, mask), expected, atol=1e-5)
