import numpy as np
import pytest
import torch
from torch import nn

from mien.data.dataset import Dataset
from mien.errors import DataError
from mien.labels import FER2013, FERPLUS
from mien.preprocess import InputSpec
from mien.recipe import HeadOptions
from mien.training.validation import Validator

SPEC = InputSpec(size=8)


class Fixed(nn.Module):
    """Answers by the brightness of the first pixel: its value is the class."""

    def __init__(self, sizes):
        super().__init__()
        self.sizes = sizes

    def forward(self, inputs):
        classes = ((inputs[:, 0, 0, 0] * SPEC.std + SPEC.mean) * 255).round().long()
        return torch.cat([10.0 * nn.functional.one_hot(classes, n) for n in self.sizes], dim=1)


def data(answers, labels, votes=None):
    images = np.zeros((len(answers), 8, 8), np.uint8)
    images[:, 0, 0] = answers
    return Dataset(
        images=images,
        labels=np.array(labels),
        label_names=FER2013.labels,
        split=np.ones(len(answers), np.uint8),
        votes=None if votes is None else np.array(votes, np.uint8),
    )


def score(faces, *heads, sizes=(7,)):
    return Validator(faces, heads, SPEC, torch.device("cpu"), False).score(Fixed(sizes))


def test_accuracy_and_macro_f1_are_those_counted_by_hand():
    row = score(data([0, 0, 3, 3], [0, 3, 3, 3]), HeadOptions())
    assert row["valid_accuracy"] == 0.75
    # angry: precision 1/2, recall 1; happy: precision 1, recall 2/3; nobody asked for the other five.
    assert row["valid_macro_f1"] == pytest.approx((2 / 3 + 0.8) / 2)
    assert "collapsed" not in row


def test_loss_is_the_cross_entropy_without_smoothing():
    row = score(data([0, 3], [0, 0]), HeadOptions(label_smoothing=0.1))
    logits = torch.zeros(2, 7)
    logits[0, 0], logits[1, 3] = 10.0, 10.0
    expected = nn.functional.cross_entropy(logits, torch.tensor([0, 0]))
    assert row["valid_loss"] == pytest.approx(float(expected))


def test_a_further_head_without_a_face_to_score_has_no_accuracy():
    votes = [[5, 5, 0, 0, 0, 0, 0, 0, 0, 0]] * 2
    row = score(
        data([0, 3], [0, 3], votes), HeadOptions(), HeadOptions(labels="ferplus"), sizes=(7, 8)
    )
    assert row["valid_accuracy"] == 1.0
    assert "valid_accuracy/ferplus" not in row


def test_one_answer_to_all_is_named_as_a_collapse():
    assert score(data([3] * 10, [3, 0] * 5), HeadOptions())["collapsed"] == "happy"


def test_faces_that_the_first_head_cannot_be_scored_by_are_refused():
    with pytest.raises(
        DataError, match=r"None of 2 validation faces .* 'ferplus' can be scored by"
    ):
        score(data([0, 3], [0, 3], np.zeros((2, 10))), HeadOptions(labels="ferplus"))


@pytest.mark.parametrize(
    "mode", ["majority", "shares", "probability", "crossentropy", "multi_target"]
)
def test_a_ferplus_head_is_scored_on_strict_majorities_however_it_is_trained(mode):
    #         neu hap sur sad ang dis fea con unk NF
    votes = [
        [0, 9, 0, 0, 0, 0, 0, 0, 0, 1],
        [4, 4, 0, 0, 0, 0, 0, 0, 2, 0],
        [8, 0, 0, 2, 0, 0, 0, 0, 0, 0],
    ]
    faces = data([1, 1, 1], [3, 3, 6], votes)
    row = score(faces, HeadOptions(labels="ferplus", mode=mode), sizes=(len(FERPLUS),))
    assert row["valid_accuracy"] == 0.5  # the tie in the middle does not count


def test_a_second_head_has_its_own_accuracy():
    votes = [[0, 9, 0, 0, 0, 0, 0, 0, 0, 1], [9, 0, 0, 0, 0, 0, 0, 0, 1, 0]]
    faces = data([1, 1], [1, 1], votes)
    row = score(faces, HeadOptions(), HeadOptions(labels="ferplus"), sizes=(7, 8))
    assert row["valid_accuracy"] == 1.0
    assert row["valid_accuracy/ferplus"] == 0.5
