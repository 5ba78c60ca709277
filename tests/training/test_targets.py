import numpy as np
import pytest

from mien.data.dataset import Dataset
from mien.errors import DataError
from mien.labels import FER2013, FERPLUS
from mien.recipe import HeadOptions
from mien.training.targets import head_labels, make_targets

LUCK = np.full(3, 0.5)
#                 neu hap sur sad ang dis fea con unk NF
VOTES = np.array(
    [
        [6, 0, 0, 2, 2, 0, 0, 0, 0, 0],
        [0, 4, 4, 0, 0, 0, 0, 0, 2, 0],
        [1, 0, 0, 0, 1, 0, 0, 0, 0, 8],
    ],
    np.uint8,
)


def dataset(label_names=FER2013.labels, votes=VOTES):
    return Dataset(
        images=np.zeros((3, 8, 8), np.uint8),
        labels=np.array([3, 0, -1]),
        label_names=label_names,
        split=np.zeros(3, np.uint8),
        votes=votes,
    )


def test_labels_become_one_hot_and_missing_ones_do_not_count():
    targets = make_targets(HeadOptions(labels="fer2013"), dataset(), LUCK)
    assert targets.probs.argmax(axis=1)[:2].tolist() == [3, 0]
    assert targets.probs.sum(axis=1).tolist() == [1, 1, 0]
    assert targets.counts.tolist() == [1, 1, 0]


def test_labels_in_the_folders_order_are_put_into_fer2013s():
    folders = tuple(sorted(FER2013.labels))  # happy is 3 in both, angry 0 in both
    data = dataset(folders)
    data.labels[:] = [4, 5, 6]  # neutral, sad, surprise in folder order
    targets = make_targets(HeadOptions(labels="fer2013"), data, LUCK)
    assert [FER2013.labels[i] for i in targets.probs.argmax(axis=1)] == [
        "neutral",
        "sad",
        "surprise",
    ]


def test_own_labels_keep_the_datas_names_and_order():
    data = dataset(("left", "right", "up", "down"))
    options = HeadOptions(labels="own")
    assert head_labels(options, data) == ("left", "right", "up", "down")
    assert make_targets(options, data, LUCK).probs.argmax(axis=1).tolist()[:2] == [3, 0]


def test_fer2013_head_refuses_other_labels_and_says_what_to_choose():
    with pytest.raises(DataError, match=r'cannot learn from this data.*heads.labels = "own"'):
        make_targets(HeadOptions(labels="fer2013"), dataset(("left", "right", "up", "down")), LUCK)


def test_a_ferplus_head_without_votes_says_what_is_missing():
    with pytest.raises(DataError, match=r"learns from FER\+ votes .* has none. Put fer2013new.csv"):
        make_targets(HeadOptions(labels="ferplus"), dataset(votes=None), LUCK)


def test_shares_are_all_votes_for_an_expression():
    targets = make_targets(HeadOptions(labels="ferplus", mode="shares"), dataset(), LUCK)
    np.testing.assert_allclose(targets.probs[0], [0.6, 0, 0, 0.2, 0.2, 0, 0, 0])
    np.testing.assert_allclose(targets.probs[1], [0, 0.5, 0.5, 0, 0, 0, 0, 0])


def test_rows_with_too_few_expression_votes_do_not_count():
    options = HeadOptions(labels="ferplus", mode="shares", min_votes=3)
    assert make_targets(options, dataset(), LUCK).counts.tolist() == [1, 1, 0]


def test_majority_needs_more_than_half():
    targets = make_targets(HeadOptions(labels="ferplus", mode="majority"), dataset(), LUCK)
    assert targets.counts.tolist() == [1, 0, 0]
    assert FERPLUS.labels[targets.probs[0].argmax()] == "neutral"


def test_argmax_over_ten_columns_keeps_not_a_face_as_seed_projects_did():
    options = HeadOptions(labels="ferplus-votes", mode="argmax")
    assert make_targets(options, dataset(), LUCK).probs.argmax(axis=1).tolist() == [0, 1, 9]


def test_multi_target_marks_every_class_with_enough_votes():
    targets = make_targets(HeadOptions(labels="ferplus", mode="multi_target"), dataset(), LUCK)
    assert targets.any_of
    assert np.flatnonzero(targets.probs[1]).tolist() == [1, 2]


def test_probability_follows_the_luck_it_is_given():
    options = HeadOptions(labels="ferplus", mode="probability")
    low = make_targets(options, dataset(), np.zeros(3)).probs[0].argmax()
    high = make_targets(options, dataset(), np.full(3, 0.999)).probs[0].argmax()
    assert low != high
