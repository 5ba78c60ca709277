import itertools
import math

import numpy as np
import pytest

from mien.errors import InputError
from mien.recognition.smoothing import Smoothing, smooth

RAW = Smoothing(time_constant_s=0, dwell_s=0, margin=0)


def run(how, steps):
    """Labels and probabilities for (time, probabilities) pairs."""
    past, all_ = None, []
    for time_s, probs in steps:
        past = smooth(past, np.array(probs, float), time_s, how)
        all_.append(past)
    return all_


def test_an_old_answer_fades_with_the_time_constant():
    how = Smoothing(time_constant_s=0.5)
    first, second, third = run(how, [(0, [1, 0]), (0.5, [0, 1]), (1.5, [0, 1])])
    np.testing.assert_allclose(first.probs, [1, 0])
    np.testing.assert_allclose(second.probs, [0.36787944, 0.63212056])  # e^-1
    np.testing.assert_allclose(third.probs, [0.04978707, 0.95021293])  # e^-3


def test_the_frame_rate_changes_nothing():
    how = Smoothing(time_constant_s=0.4)
    slow = run(how, [(0, [1, 0]), (1, [0, 1])])[-1]
    fast = run(how, [(0, [1, 0]), *((n / 100, [0, 1]) for n in range(1, 101))])[-1]
    np.testing.assert_allclose(slow.probs, fast.probs)


def test_without_smoothing_every_frame_stands_for_itself():
    answers = run(RAW, [(0, [0.9, 0.1]), (0.04, [0.2, 0.8]), (0.08, [0.6, 0.4])])
    assert [answer.label for answer in answers] == [0, 1, 0]
    np.testing.assert_allclose(answers[1].probs, [0.2, 0.8])


def test_a_label_waits_for_its_dwell_and_the_margin():
    how = Smoothing(time_constant_s=0, dwell_s=0.5, margin=0.25)
    steps = [
        (0.0, [0.6, 0.4]),
        (0.4, [0.1, 0.9]),  # too early
        (0.5, [0.45, 0.55]),  # late enough, but leads by a tenth only
        (0.6, [0.375, 0.625]),  # a quarter is enough
        (0.7, [0.9, 0.1]),  # too early again
        (1.1, [0.9, 0.1]),
    ]
    answers = run(how, steps)
    assert [answer.label for answer in answers] == [0, 0, 0, 1, 1, 0]
    assert answers[-1].since_s == 1.1


@pytest.mark.parametrize("seed", range(40))
def test_no_label_changes_faster_than_its_dwell(seed):
    generator = np.random.default_rng(seed)
    how = Smoothing(
        time_constant_s=float(generator.choice([0, 0.05, 0.5])),
        dwell_s=float(generator.uniform(0, 1)),
        margin=float(generator.uniform(0, 0.3)),
    )
    times = np.cumsum(generator.exponential(0.05, 300))
    probs = generator.dirichlet(np.full(8, 0.2), 300)
    answers = run(how, zip(times.tolist(), probs, strict=True))
    changes = [
        now.time_s for before, now in itertools.pairwise(answers) if now.label != before.label
    ]
    assert changes
    assert np.diff([times[0], *changes]).min() >= how.dwell_s
    for answer in answers:
        assert answer.probs.sum() == pytest.approx(1)
        assert answer.probs.min() >= 0


@pytest.mark.parametrize("field", ["time_constant_s", "dwell_s"])
@pytest.mark.parametrize("value", [-0.1, math.inf, math.nan])
def test_times_out_of_range_are_refused(field, value):
    with pytest.raises(InputError, match="expected 0 or more"):
        Smoothing(**{field: value})


def test_a_margin_out_of_range_is_refused():
    with pytest.raises(InputError, match="The margin of smoothing is 1; expected 0 to below 1"):
        Smoothing(margin=1)
