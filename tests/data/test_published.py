"""What is said of a data set that claims to be FER2013 or FER+."""

import numpy as np
import pytest

from mien.data.dataset import SPLITS, Dataset
from mien.data.published import CLASS_COUNTS, STRICT_MAJORITY, check
from mien.labels import FER2013


def made(counts, layout, label_names=FER2013.labels, majority=None):
    """Tiny images with so many of each class in each split; votes are unanimous for the first ``majority`` rows."""
    labels = np.concatenate([np.repeat(np.arange(7), counts[split]) for split in counts])
    split = np.concatenate(
        [np.full(sum(counts[split]), SPLITS.index(split), np.uint8) for split in counts]
    )
    votes = None
    if majority:
        votes = np.zeros((len(labels), 10), np.uint8)
        for name, number in majority.items():
            votes[np.flatnonzero(split == SPLITS.index(name))[:number], 0] = 10
    return Dataset(
        images=np.zeros((len(labels), 1, 1), np.uint8),
        labels=labels,
        label_names=label_names,
        split=split,
        votes=votes,
        layout=layout,
    )


def summed(*splits):
    return tuple(np.sum([CLASS_COUNTS[split] for split in splits], axis=0).tolist())


def test_split_sizes_are_the_published_ones():
    assert {split: sum(counts) for split, counts in CLASS_COUNTS.items()} == {
        "train": 28_709,
        "valid": 3_589,
        "test": 3_589,
    }


@pytest.mark.parametrize("layout", ["csv", "parquet", "folders"])
def test_fer2013_as_published_gives_no_note(layout):
    assert check(made(CLASS_COUNTS, layout, majority=STRICT_MAJORITY)) == ()


def test_a_split_of_another_size_is_said():
    counts = CLASS_COUNTS | {"valid": (467, 56, 496, 895, 653, 415, 600)}
    assert check(made(counts, "csv")) == (
        "This is not FER2013 as published: valid has 3,582 images, published are 3,589.",
    )


def test_moved_labels_are_said_by_class():
    counts = CLASS_COUNTS | {"train": (3994, 437, *CLASS_COUNTS["train"][2:])}
    assert check(made(counts, "csv")) == (
        "This is not FER2013 as published: train has 3,994 angry (published 3,995), 437 disgust (published 436).",
    )


def test_a_missing_split_is_said():
    counts = {split: CLASS_COUNTS[split] for split in ("train", "valid")}
    assert check(made(counts, "parquet")) == (
        "There is no test split (PrivateTest, 3,589 images).",
    )


def test_a_mixed_test_folder_is_said():
    counts = {"train": CLASS_COUNTS["train"], "test": summed("valid", "test")}
    (note,) = check(made(counts, "folders"))
    assert note.startswith("test/ mixes PublicTest and PrivateTest (7,178 images)")


def test_a_test_folder_that_is_public_test_is_said():
    counts = {"train": CLASS_COUNTS["train"], "test": CLASS_COUNTS["valid"]}
    assert check(made(counts, "folders")) == (
        "test/ is PublicTest (3,589 images), which elsewhere is the valid split.",
    )


def test_folders_with_other_counts_are_said():
    counts = {"train": CLASS_COUNTS["train"], "test": (500, 60, 500, 900, 600, 400, 600)}
    (note,) = check(made(counts, "folders"))
    assert note == "This is not FER2013 as published: test has 3,560 images, published are 3,589."


def test_own_data_in_folders_is_not_measured_against_fer2013():
    small = {"train": (9,) * 7, "test": (3,) * 7}
    assert check(made(small, "folders")) == ()
    assert check(made(CLASS_COUNTS | {"test": (1,) * 7}, "folders", tuple("abcdefg"))) == ()
    assert check(made(small, "synthetic")) == ()


def test_a_small_csv_claims_to_be_fer2013_all_the_same():
    (note,) = check(made(dict.fromkeys(SPLITS, (1,) * 7), "csv"))
    assert note.startswith(
        "This is not FER2013 as published: train has 7 images, published are 28,709; valid"
    )


def test_votes_without_labels_are_not_measured_by_labels():
    votes_alone = made(CLASS_COUNTS, "parquet", majority=STRICT_MAJORITY)
    votes_alone.labels[:] = -1
    assert check(votes_alone) == ()


def test_other_votes_are_said():
    notes = check(made(CLASS_COUNTS, "csv", majority=STRICT_MAJORITY | {"valid": 3_000}))
    assert notes == (
        "This is not FER+ as published: a strict majority keeps 3,000 of valid (published 3,199).",
    )


def test_ferplus_folders_lack_the_three_names_that_stand_twice():
    for kept in (25_057, 25_060):  # as published, and as made from all rows
        majority = STRICT_MAJORITY | {"train": kept}
        assert check(made(CLASS_COUNTS, "ferplus", majority=majority)) == ()
    (note,) = check(made(CLASS_COUNTS, "ferplus", majority=STRICT_MAJORITY | {"train": 25_059}))
    assert "25,059 of train (published 25,060)" in note
