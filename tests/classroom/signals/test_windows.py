import itertools

import numpy as np
import pytest

from mien.classroom.signals import Reason
from mien.classroom.signals.windows import JudgedFrame, pool


def good(time_s, happiness=0.0, yaw_deg=None):
    return JudgedFrame(time_s, None, (1 - happiness, happiness, 0, 0, 0, 0, 0, 0), yaw_deg)


def bad(time_s, reason):
    return JudgedFrame(time_s, reason, None, None)


def frames(kinds):
    """One frame a second: a number is a good face with so much happiness, a reason a bad one."""
    return [
        bad(place + 1.0, kind)
        if isinstance(kind, Reason)
        else good(place + 1.0, kind, 10.0 * place)
        for place, kind in enumerate(kinds)
    ]


def test_means_and_medians_are_over_the_valid_frames_only(mapping):
    kinds = [0.1, 0.2, Reason.BLURRED, 0.3, 0.4, Reason.NO_FACE, 0.9]
    window = pool(frames(kinds), 10.0, mapping.window)
    assert (window.num_frames, window.num_valid) == (7, 5)
    assert window.probs[1] == pytest.approx(0.38)  # (0.1 + 0.2 + 0.3 + 0.4 + 0.9) / 5
    assert window.yaw_deg == 30.0  # of 0, 10, 30, 40, 60
    assert window.reason is None
    assert not window.is_away


def test_four_valid_frames_are_too_few_and_nothing_is_filled_in(mapping):
    window = pool(frames([0.1, 0.2, 0.3, 0.4, Reason.BLURRED]), 10.0, mapping.window)
    assert window.probs is None
    assert window.yaw_deg is None
    assert window.reason is Reason.BLURRED


@pytest.mark.parametrize(("num_without", "is_away"), [(6, False), (7, True), (10, True)])
def test_seven_of_ten_frames_without_a_face_are_away(mapping, num_without, is_away):
    kinds = [Reason.NO_FACE] * num_without + [0.1] * (10 - num_without)
    assert pool(frames(kinds), 10.0, mapping.window).is_away == is_away


def test_silence_is_no_absence(mapping):
    for kinds in ([], [Reason.NO_FACE] * 4):
        window = pool(frames(kinds), 10.0, mapping.window)
        assert not window.is_away
        assert window.reason is Reason.FEW_FRAMES


def test_the_most_frequent_reason_is_named_and_ties_do_not_depend_on_the_order(mapping):
    kinds = [Reason.SMALL, Reason.SMALL, Reason.BLURRED, Reason.BLURRED, Reason.UNCERTAIN]
    for order in itertools.permutations(kinds):
        assert pool(frames(order), 10.0, mapping.window).reason is Reason.SMALL


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_the_frames_changes_nothing(mapping, seed):
    generator = np.random.default_rng(seed)
    kinds = [
        float(generator.uniform()) if generator.uniform() < 0.7 else Reason.NO_FACE
        for _ in range(int(generator.integers(0, 20)))
    ]
    all_ = frames(kinds)
    shuffled = [all_[place] for place in generator.permutation(len(all_))]
    one, other = (pool(each, 10.0, mapping.window) for each in (all_, shuffled))
    assert (one.num_valid, one.is_away, one.reason, one.yaw_deg) == (
        other.num_valid,
        other.is_away,
        other.reason,
        other.yaw_deg,
    )
    assert (one.probs is None) == (other.probs is None) == (one.num_valid < 5 or one.is_away)
    if one.probs:
        assert one.probs == pytest.approx(other.probs)
