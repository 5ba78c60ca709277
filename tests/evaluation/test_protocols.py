"""Which head is scored on what, and what the score may be called."""

import numpy as np
import pytest

from mien.data import open_dataset
from mien.data.dataset import Dataset
from mien.errors import DataError
from mien.evaluation.protocols import copies_of_training, is_chosen_on, protocols
from mien.labels import FER2013, FER2013_FOLDERS, FERPLUS, FERPLUS_VOTES
from mien.modelfile import Head

SEVEN = Head(name="fer2013", labels=FER2013.labels)
EIGHT = Head(name="ferplus", labels=FERPLUS.labels)
TEN = Head(name="ferplus-votes", labels=FERPLUS_VOTES.labels)
PUBLIC = (467, 56, 496, 895, 653, 415, 607)
PRIVATE = (491, 55, 528, 879, 594, 416, 626)


def labelled(counts, names=FER2013.labels, split=1, votes=None):
    """Small empty pictures with so many of each class."""
    labels = np.repeat(np.arange(len(counts)), counts)
    n = len(labels)
    return Dataset(
        images=np.zeros((n, 2, 2), np.uint8),
        labels=labels,
        label_names=names,
        split=np.full(n, split, np.uint8),
        votes=votes,
    )


def voted(*winners):
    """Seven of ten votes for each winner, the other three for neutral."""
    votes = np.zeros((len(winners), 10), np.uint8)
    votes[:, 0] = 3
    votes[np.arange(len(winners)), winners] += 7
    return votes


@pytest.mark.parametrize(
    ("counts", "split", "name"),
    [
        (PUBLIC, 1, "fer2013-publictest"),
        (PRIVATE, 2, "fer2013-privatetest"),
        (PUBLIC, 2, "fer2013-publictest"),  # the folder layout calls it test
        (tuple(a + b for a, b in zip(PUBLIC, PRIVATE, strict=True)), 2, "fer2013-bothtests"),
        ((467, 56, 496, 895, 653, 415, 606), 1, "labels-valid"),
    ],
)
def test_the_data_is_called_fer2013_only_by_its_counts(counts, split, name):
    (protocol,) = protocols(
        [SEVEN], labelled(counts, split=split), ("train", "valid", "test")[split]
    )
    assert protocol.name == name
    assert len(protocol.rows) == sum(counts)


def test_labels_in_another_order_reach_the_right_class():
    data = labelled((1, 2, 0, 0, 0, 0, 3), FER2013_FOLDERS.labels)  # angry, disgust, surprise
    (protocol,) = protocols([SEVEN], data, "valid")
    assert [FER2013.labels[target] for target in protocol.targets] == [
        "angry",
        *["disgust"] * 2,
        *["surprise"] * 3,
    ]


def test_two_heads_are_scored_on_labels_and_on_the_majority_of_votes():
    votes = voted(1, 4, 9, 7)  # happiness, anger, NF (dropped), contempt
    data = labelled((1, 0, 0, 2, 0, 0, 1), votes=votes)
    seven, eight = protocols([SEVEN, EIGHT], data, "valid")
    assert seven.rows.tolist() == [0, 1, 2, 3]
    assert seven.shares is None
    assert (eight.name, eight.rows.tolist(), eight.targets.tolist()) == (
        "ferplus-majority-valid",
        [0, 1, 3],
        [1, 4, 7],
    )
    np.testing.assert_allclose(eight.shares[0], [0.3, 0.7, 0, 0, 0, 0, 0, 0])


def test_a_head_with_unknown_and_not_a_face_is_scored_on_the_eight_and_on_all_ten():
    votes = np.concatenate([voted(7, 0, 9, 8), [[4, 0, 0, 4, 0, 0, 0, 0, 0, 2], [0] * 9 + [10]]])
    data = labelled((6, 0, 0, 0, 0, 0, 0), votes=votes.astype(np.uint8))
    eight, ten = protocols([TEN], data, "valid")
    assert (eight.name, eight.rows.tolist()) == ("ferplus-majority-valid", [0, 1])
    assert eight.targets.tolist() == [7, 0]
    assert eight.shares.shape == (2, 10)
    # A tie goes to the first column; a picture in which nobody saw a face has no file, and no place here.
    assert (ten.name, ten.rows.tolist()) == ("ferplus-argmax10-valid", [0, 1, 2, 3, 4])
    assert ten.targets.tolist() == [7, 0, 9, 8, 0]
    assert ten.shares is None


def test_no_two_heads_are_scored_on_one_protocol():
    """Two results of one name could not be told apart: `mien compare` refused a file beside itself."""
    data = labelled((2, 0, 0, 0, 0, 0, 0), votes=voted(7, 0))
    for heads in ((EIGHT, TEN), (TEN, EIGHT)):
        found = {one.name: one.head for one in protocols(heads, data, "valid")}
        assert len(protocols(heads, data, "valid")) == 2
        assert found == {
            "ferplus-majority-valid": "ferplus",
            "ferplus-argmax10-valid": "ferplus-votes",
        }


def test_a_head_of_eight_is_not_scored_on_columns_that_it_cannot_name():
    data = labelled((2, 0, 0, 0, 0, 0, 0), votes=voted(7, 0))
    assert [p.name for p in protocols([EIGHT], data, "valid")] == ["ferplus-majority-valid"]


@pytest.mark.realdata
def test_calling_all_of_publictest_neutral_scores_what_fer2013plus_logged_for_collapsed_runs(
    fer2013_path,
):
    data = open_dataset(fer2013_path)
    eight, ten = protocols([TEN], data, "valid")
    assert (eight.name, len(eight.rows)) == ("ferplus-majority-publictest", 3_199)
    assert (ten.name, len(ten.rows)) == ("ferplus-argmax10-publictest", 3_579)
    assert round(100 * (ten.targets == 0).mean(), 2) == 37.30


def test_fer2013_labels_do_not_score_a_ferplus_head_beside_their_own():
    assert [p.head for p in protocols([SEVEN, EIGHT], labelled(PUBLIC), "valid")] == ["fer2013"]


def test_labels_that_a_head_knows_among_others_make_another_protocol():
    data = labelled((2, 3), ("happy", "sad"))
    assert [p.name for p in protocols([SEVEN, EIGHT], data, "valid")] == [
        "labels-valid-by-fer2013",
        "labels-valid-by-ferplus",
    ]
    assert protocols([SEVEN], data, "valid")[0].targets.tolist() == [3, 3, 4, 4, 4]


def test_pictures_without_a_label_are_left_out():
    data = labelled((2, 2, 0, 0, 0, 0, 0))
    data.labels[1] = -1
    assert protocols([SEVEN], data, "valid")[0].rows.tolist() == [0, 2, 3]


def test_data_that_says_nothing_about_the_model_is_refused():
    with pytest.raises(
        DataError,
        match=r"Nothing in the valid split can score this model.*cat, dog; the model answers fer2013: angry",
    ):
        protocols([SEVEN], labelled((1, 1), ("cat", "dog")), "valid")


def test_copies_of_training_pictures_are_found():
    images = np.arange(6, dtype=np.uint8).repeat(4).reshape(6, 2, 2)
    images[4] = images[1]
    data = Dataset(
        images=images,
        labels=np.zeros(6, np.int64),
        label_names=("one",),
        split=np.array([0, 0, 0, 1, 1, 1], np.uint8),
    )
    assert copies_of_training(data, data.rows("valid")).tolist() == [False, True, False]
    assert copies_of_training(data.take(np.arange(3, 6)), np.arange(3)) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fer2013-privatetest", False),
        ("fer2013-privatetest-by-ferplus", False),
        ("ferplus-majority-privatetest-clean", False),
        ("labels-test", False),
        ("fer2013-publictest", True),
        ("fer2013-bothtests", True),
        ("labels-valid", True),
    ],
)
def test_whether_we_choose_on_it_is_known_by_all_of_a_protocols_names(name, expected):
    assert is_chosen_on(name) is expected
