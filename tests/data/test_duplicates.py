"""Duplicates: groups, near and altered copies that were put in by hand are found, and nothing else."""

import cv2
import numpy as np
import pytest

from mien.data.dataset import Dataset
from mien.data.duplicates import find_duplicates, join
from mien.data.turning import turn


@pytest.fixture(scope="module")
def spoiled(textures):
    """Sixty pictures, rows 40 to 59 held out.

    Row 5 is row 0; 41 and 42 are 1 and 2; 43 is 3 with noise; 44 is 4 mirrored; 45 is 6 turned by 13° against the
    clock; 46 is 7 mirrored and turned by 10° with the clock; 50 is 51.
    """
    images = textures(60, seed=0)
    images[5], images[41], images[42], images[50] = images[[0, 1, 2, 51]]
    noise = np.random.default_rng(1).normal(0, 8, (48, 48))
    images[43] = np.clip(images[3] + noise, 0, 255)
    images[44] = images[4][:, ::-1]
    images[45] = turn(images[6:7], np.array([13.0]))[0]
    images[46] = turn(images[7:8, :, ::-1].copy(), np.array([-10.0]))[0]
    return Dataset(
        images=images,
        labels=np.zeros(60, np.int64),
        label_names=("a",),
        split=np.repeat(np.array([0, 1, 2], np.uint8), [40, 10, 10]),
    )


@pytest.fixture(scope="module")
def found(spoiled):
    return find_duplicates(spoiled)


def test_identical_groups_are_found(found):
    groups = found.identical_groups()
    assert [group.tolist() for group in groups] == [[0, 5], [1, 41], [2, 42], [50, 51]]


def test_near_pairs_are_found(found):
    assert found.near.tolist() == [[3, 43]]
    assert [group.tolist() for group in found.near_groups()] == [[3, 43]]


def test_copies_of_training_pictures_are_told_apart_from_near_ones(spoiled, found):
    identical, near = found.copies_of_train(spoiled.split)
    assert identical.tolist() == [41, 42]
    assert near.tolist() == [43]


def test_altered_copies_are_found_with_what_was_done(found):
    altered = found.altered
    assert altered.rows.tolist() == [44, 45, 46]
    assert altered.originals.tolist() == [4, 6, 7]
    assert altered.mirrored.tolist() == [True, False, True]
    assert altered.angles_deg[0] == 0
    assert altered.angles_deg[1] in (-10, -15)
    # Mirroring again turns the other way, so the same angle brings it back.
    assert altered.angles_deg[2] == -10


def test_near_groups_hold_identical_pictures_too(textures):
    images = textures(6, seed=3)[[0, 1, 2, 0, 1, 3]]
    images[4] = cv2.GaussianBlur(images[4], (3, 3), 1)
    images[5] = images[0].astype(int) * 7 // 8
    dataset = Dataset(
        images=images,
        labels=np.zeros(6, np.int64),
        label_names=("a",),
        split=np.zeros(6, np.uint8),
    )
    found = find_duplicates(dataset)
    assert [group.tolist() for group in found.near_groups()] == [[0, 3, 5], [1, 4]]
    assert len(found.altered.rows) == 0


def test_groups_are_joined_over_others():
    first = np.array([0, 1, 2, 1, 4, 5, 6, 7])
    links = np.array([[5, 6], [1, 5], [6, 7]])
    assert [group.tolist() for group in join(first, links)] == [[1, 3, 5, 6, 7]]


def test_one_picture_has_no_copies(unlabelled):
    found = find_duplicates(unlabelled(1, seed=0, split="valid"))
    assert found.identical_groups() == []
    assert found.near_groups() == []
