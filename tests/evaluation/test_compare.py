"""A against B on the same pictures."""

import json
import tracemalloc

import numpy as np
import pytest
from scipy.stats import binomtest

from mien.errors import InputError
from mien.evaluation import metrics
from mien.evaluation.compare import compare, mcnemar, paired_bootstrap
from mien.evaluation.intervals import percentiles, resample
from mien.evaluation.predictions import Predictions


def answers(both, only_a, only_b, neither):
    """Labels and two models' answers with the given numbers of pictures."""
    n = both + only_a + only_b + neither
    labels = np.arange(n) % 3
    right_a = np.repeat([True, True, False, False], [both, only_a, only_b, neither])
    right_b = np.repeat([True, False, True, False], [both, only_a, only_b, neither])
    return (
        labels,
        np.where(right_a, labels, (labels + 1) % 3),
        np.where(right_b, labels, (labels + 2) % 3),
    )


@pytest.mark.parametrize(("only_a", "only_b"), [(30, 12), (5, 5), (0, 8), (700, 640)])
def test_mcnemar_is_the_exact_binomial_test(only_a, only_b):
    result = mcnemar(*answers(50, only_a, only_b, 20))
    assert (result.only_a, result.only_b) == (only_a, only_b)
    assert result.p_value == pytest.approx(binomtest(only_a, only_a + only_b).pvalue)


def test_models_that_never_differ_are_the_same_by_chance():
    assert mcnemar(*answers(50, 0, 0, 20)).p_value == 1


def test_the_paired_difference_by_hand_and_its_width():
    difference = paired_bootstrap(
        *answers(400, 60, 40, 100), metrics.accuracy, np.random.default_rng(0)
    )
    assert difference.value == pytest.approx(20 / 600)
    # Variance of the mean of +1 (60), -1 (40) and 0 (500) over 600 pictures.
    half = 1.96 * ((100 / 600 - (20 / 600) ** 2) / 600) ** 0.5
    assert difference.low == pytest.approx(20 / 600 - half, abs=0.003)
    assert difference.high == pytest.approx(20 / 600 + half, abs=0.003)


def test_the_draws_are_those_over_all_cells():
    labels, a, b = answers(40, 30, 10, 20)
    joint = np.zeros((3, 3, 3), int)
    np.add.at(joint, (labels, a, b), 1)
    drawn = resample(joint, np.random.default_rng(0))
    low, high = percentiles(metrics.macro_f1(drawn.sum(-1)) - metrics.macro_f1(drawn.sum(-2)))
    found = paired_bootstrap(labels, a, b, metrics.macro_f1, np.random.default_rng(0))
    assert (found.low, found.high) == (low, high)


def test_many_classes_need_little_memory():
    rng = np.random.default_rng(0)
    labels, a, b = rng.integers(0, 60, (3, 1000))
    tracemalloc.start()
    try:
        paired_bootstrap(labels, a, b, metrics.macro_f1, np.random.default_rng(0))
        assert tracemalloc.get_traced_memory()[1] < 400e6  # of all cells it would be 3.5e9
    finally:
        tracemalloc.stop()


def test_swapping_the_models_turns_the_sign():
    labels, a, b = answers(40, 30, 10, 20)
    there = paired_bootstrap(labels, a, b, metrics.macro_f1, np.random.default_rng(0))
    back = paired_bootstrap(labels, b, a, metrics.macro_f1, np.random.default_rng(0))
    assert there.value == pytest.approx(-back.value)
    assert there.value > 0


def test_answers_of_different_pictures_are_refused():
    labels, a, b = answers(4, 3, 2, 1)
    with pytest.raises(
        InputError, match="are not of the same pictures; evaluate both models on the same split"
    ):
        mcnemar(labels, a[:-1], b)
    with pytest.raises(InputError, match="not of the same pictures"):
        paired_bootstrap(labels, a, b[:-1], metrics.accuracy, np.random.default_rng(0))


def kept(logits, model, targets):
    return Predictions(
        protocol="labels-valid",
        model=model,
        model_sha256=None,
        split="valid",
        views="none",
        data_hash="d",
        pictures_hash="p",
        image_size=48,
        labels=("x", "y", "z"),
        temperature=1.0,
        rows=np.arange(len(targets)),
        targets=targets,
        logits=np.eye(3, dtype=np.float32)[logits],
    )


def test_two_sets_of_answers_are_compared_in_every_way():
    labels, a, b = answers(400, 80, 30, 90)
    labels = labels % 2  # no picture of class z
    a, b = np.where(a == labels, labels, a), np.where(b == labels, labels, b)
    found = compare(kept(a, "A", labels), kept(b, "B", labels))
    right_a, right_b = a == labels, b == labels
    value_a, value_b, difference = found.rates["accuracy"]
    assert (value_a, value_b) == (right_a.mean(), right_b.mean())
    assert difference.value == pytest.approx(right_a.mean() - right_b.mean())
    assert found.mcnemar == mcnemar(labels, a, b)
    assert found.agreement == (a == b).mean()
    assert found.recalls["x"] == (
        int((labels == 0).sum()),
        pytest.approx(right_a[labels == 0].mean()),
        pytest.approx(right_b[labels == 0].mean()),
    )
    assert found.recalls["z"] == (0, None, None)
    assert found.better == ("a" if difference.low > 0 else None)
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["b"] == "B"


def test_the_better_one_is_named_whichever_comes_first():
    labels, a, b = answers(300, 90, 20, 50)
    first, second = kept(a, "A", labels), kept(b, "B", labels)
    assert compare(first, second).better == "a"
    assert compare(second, first).better == "b"
    assert compare(first, first).better is None
