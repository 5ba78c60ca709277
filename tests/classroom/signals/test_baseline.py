import json
import math

import numpy as np
import pytest

from mien.classroom.signals.baseline import Baseline


def learned(values, drift=100, min_scale=0.01):
    baseline = Baseline(len(values), drift, min_scale)
    for value in values:
        baseline.add(value)
    return baseline


def test_median_and_mad_by_hand():
    baseline = learned([0.1, 0.2, 0.4, 0.2, 0.9])
    assert baseline.centre == 0.2  # deviations 0.1, 0, 0.2, 0, 0.7: their median is 0.1
    assert baseline.scale == pytest.approx(0.14826)
    assert baseline.z(0.2 + 0.14826) == pytest.approx(1)
    assert baseline.z(0.1) == pytest.approx(-0.1 / 0.14826)


def test_it_is_not_ready_before_it_has_learned():
    baseline = Baseline(3, 100, 0.01)
    baseline.add(0.5)
    baseline.add(0.5)
    assert not baseline.is_ready
    assert math.isnan(baseline.z(0.5))
    baseline.add(0.5)
    assert baseline.is_ready


def test_a_still_face_does_not_make_large_z_of_nothing():
    baseline = learned([0.3] * 5, min_scale=0.05)
    assert baseline.scale == 0.05
    assert baseline.z(0.35) == pytest.approx(1)


def test_one_outlier_moves_it_no_further_than_a_small_step():
    near, far = learned([0.1, 0.2, 0.3]), learned([0.1, 0.2, 0.3])
    near.add(0.21)
    far.add(1000.0)
    assert near.centre == far.centre == pytest.approx(0.2 + 0.14826 / 100)


def test_it_moves_by_one_scale_at_most_in_its_drift_time():
    baseline = learned([0.1, 0.2, 0.3], drift=100, min_scale=0.5)
    for _ in range(100):
        baseline.add(5.0)
    assert baseline.centre == pytest.approx(0.2 + 0.5)
    assert baseline.scale == 0.5  # 1.4826 · (0.1 + 0.5 / 4) is less than the least


def test_a_long_state_does_not_hide_itself_by_widening_the_spread():
    baseline = learned([0.1, 0.2, 0.3, 0.2, 0.1, 0.3], drift=120, min_scale=0.05)
    begin = baseline.z(1.0)
    for _ in range(120):  # ten minutes of windows
        baseline.add(1.0)
    assert 0.55 * begin < baseline.z(1.0) < 0.8 * begin


def test_it_follows_the_median_and_spread_of_what_comes_later():
    generator = np.random.default_rng(0)
    baseline = learned(generator.normal(0, 1, 24).tolist(), drift=60, min_scale=0.01)
    centres, scales = [], []
    for value in generator.normal(3, 2, 9000).tolist():
        baseline.add(value)
        centres.append(baseline.centre)
        scales.append(baseline.scale)
    assert np.median(centres[6000:]) == pytest.approx(3, abs=0.3)
    assert np.median(scales[6000:]) == pytest.approx(2, abs=0.3)


@pytest.mark.parametrize("num_values", [2, 9])
def test_it_goes_on_after_being_saved(num_values):
    values = np.random.default_rng(1).uniform(size=40).tolist()
    straight, resumed = Baseline(5, 10, 0.01), Baseline(5, 10, 0.01)
    for value in values[:num_values]:
        straight.add(value)
        resumed.add(value)
    again = Baseline(5, 10, 0.01)
    again.restore(json.loads(json.dumps(resumed.as_dict())))
    for value in values[num_values:]:
        straight.add(value)
        again.add(value)
    assert again.as_dict() == straight.as_dict()
