"""Holding out part of the training split."""

import numpy as np
import pytest

from mien.data.dataset import Dataset
from mien.data.splits import hold_out
from mien.errors import DataError, InputError


@pytest.fixture
def train_and_test():
    """100, 50 and 10 training images of three classes, 20 test images, all of them different."""
    labels = np.repeat([0, 1, 2, 0], [100, 50, 10, 20])
    images = np.arange(180, dtype=np.uint8)[:, None, None].repeat(2, axis=2)
    split = np.repeat(np.array([0, 2], np.uint8), [160, 20])
    return Dataset(images=images, labels=labels, label_names=("a", "b", "c"), split=split)


def test_every_class_gives_the_same_part(train_and_test):
    result = hold_out(train_and_test, 0.1, np.random.default_rng(0))
    assert np.bincount(result.labels[result.rows("valid")]).tolist() == [10, 5, 1]
    assert np.bincount(result.labels[result.rows("train")]).tolist() == [90, 45, 9]
    assert result.rows("test").tolist() == list(range(160, 180))
    np.testing.assert_array_equal(result.images, train_and_test.images)


def test_the_seed_decides_which(train_and_test):
    rows = [
        hold_out(train_and_test, 0.2, np.random.default_rng(seed)).rows("valid").tolist()
        for seed in (3, 3, 4)
    ]
    assert rows[0] == rows[1] != rows[2]
    assert (train_and_test.split == 1).sum() == 0


def test_copies_of_one_face_stay_on_one_side(train_and_test):
    train_and_test.images[:100] = train_and_test.images[:100] // 5  # each face five times
    for seed in range(5):
        result = hold_out(train_and_test, 0.3, np.random.default_rng(seed))
        sides = {
            split: {image.tobytes() for image in result.images[:100][result.split[:100] == split]}
            for split in (0, 1)
        }
        assert sides[1]
        assert not sides[0] & sides[1]


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 1.5])
def test_a_fraction_out_of_range_is_refused(train_and_test, fraction):
    with pytest.raises(
        InputError, match=f"part to hold out is {fraction}; expected a fraction between 0 and 1"
    ):
        hold_out(train_and_test, fraction, np.random.default_rng(0))


def test_a_fraction_that_holds_out_none_is_refused(train_and_test):
    with pytest.raises(InputError, match="of 160 images holds out none; take a larger one"):
        hold_out(train_and_test, 0.001, np.random.default_rng(0))


def test_a_second_validation_split_is_refused(drawn):
    with pytest.raises(DataError, match="has a valid split of 3 images already; use that"):
        hold_out(drawn, 0.1, np.random.default_rng(0))
