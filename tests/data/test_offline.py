"""The offline merge: what it adds, to which rows, and what it leaves alone."""

from dataclasses import replace

import numpy as np
import pytest

from mien.data import open_dataset
from mien.data.offline import merge, rows_to_copy
from mien.data.turning import disc, turn
from mien.errors import DataError, InputError


def merged(dataset, **options):
    given = {"flip": True, "rotate_deg": 20, "splits": ["train"]} | options
    return merge(dataset, **given, generator=np.random.default_rng(3))


def test_copies_of_training_faces_stand_behind_all_faces(drawn):
    result = merged(drawn)
    train = drawn.rows("train")
    size, extra = len(drawn), len(train)
    assert len(result) == size + 2 * extra
    assert np.array_equal(result.images[:size], drawn.images)
    assert np.array_equal(result.images[size : size + extra], drawn.images[train][:, :, ::-1])
    for field in ("labels", "votes"):
        values = getattr(drawn, field)
        assert np.array_equal(
            getattr(result, field), np.concatenate([values, values[train], values[train]])
        )
    assert (result.split[size:] == 0).all()
    assert np.array_equal(result.split[:size], drawn.split)
    assert result.names[size] == f"{drawn.names[train[0]]}-mirrored"
    assert result.names[-1] == f"{drawn.names[train[-1]]}-turned"


def test_turned_copies_are_the_face_at_a_random_angle_in_range(drawn):
    result = merged(drawn, flip=False)
    train = drawn.rows("train")
    angles = np.random.default_rng(3).uniform(-20, 20, len(train))
    assert np.array_equal(result.images[len(drawn) :], turn(drawn.images[train], angles))
    assert np.ptp(angles) > 20
    inside = disc(48, 48)
    back = turn(result.images[len(drawn) :], -angles).astype(int)
    # Noise is smoothed, nothing is cut.
    assert np.abs(back - drawn.images[train])[:, inside].mean() < 6


def test_all_splits_can_be_forced(drawn):
    result = merged(drawn, splits=["train", "valid", "test", "train"])
    assert len(result) == 3 * len(drawn)
    assert np.bincount(result.split).tolist() == (3 * np.bincount(drawn.split)).tolist()


def test_faces_that_nobody_saw_have_no_copies(drawn):
    names = drawn.names.copy()
    names[[0, 1]] = "row 1", "row 2"
    assert drawn.split[[0, 1]].tolist() == [0, 0]
    unseen = replace(drawn, names=names)
    assert set(drawn.rows("train")) - set(rows_to_copy(unseen, ["train"])) == {0, 1}
    # Without votes a number says nothing about the picture.
    assert len(rows_to_copy(replace(unseen, votes=None), ["train"])) == len(drawn.rows("train"))


def test_data_without_names_stays_without(drawn):
    assert merged(replace(drawn, names=None, votes=None)).names is None


def test_what_cannot_be_done_is_said(drawn):
    with pytest.raises(InputError, match="nothing to add; ask for mirrored copies"):
        merged(drawn, flip=False, rotate_deg=0)
    with pytest.raises(InputError, match="The angle is 120°; expected 0 to 90"):
        merged(drawn, rotate_deg=120)
    with pytest.raises(InputError, match="No split is given"):
        merged(drawn, splits=[])
    with pytest.raises(InputError, match="There is no split 'tests'"):
        merged(drawn, splits=["tests"])
    with pytest.raises(DataError, match="This data has no test split; it has train, valid"):
        merged(drawn.take(np.flatnonzero(drawn.split < 2)), splits=["test"])


@pytest.mark.slow
@pytest.mark.realdata
def test_fer2013_grows_as_the_project_that_did_so_says(fer2013_path):
    """35,887 + 2 × 35,714 = 107,315 rows: without the 173 pictures that FER+ gives no name.

    148 of those are in Training and 10 in PublicTest; so 15 must be in PrivateTest.
    """
    dataset = open_dataset(fer2013_path)
    assert len(dataset.rows("train")) - len(rows_to_copy(dataset, ["train"])) == 148
    assert len(dataset.rows("valid")) - len(rows_to_copy(dataset, ["valid"])) == 10
    assert 35_887 + 2 * (35_887 - 148 - 10 - 15) == 107_315
    dataset = dataset.take(np.flatnonzero(dataset.split < 2))
    assert len(merged(dataset, splits=["train", "valid"])) == 32_298 + 2 * 32_140
