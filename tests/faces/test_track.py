import numpy as np
import pytest

from mien.errors import InputError
from mien.faces.track import Tracker
from mien.types import Box


def at(x, y=100, side=60):
    return Box(round(x - side / 2), round(y - side / 2), side, side)


def test_a_face_keeps_its_number_while_it_moves():
    tracker = Tracker()
    assert [tracker.update([at(100 + 4 * n)], n / 25) for n in range(50)] == [[1]] * 50


def test_two_faces_that_cross_keep_theirs():
    tracker = Tracker()
    numbers = []
    for n in range(50):
        left, right = at(100 + 8 * n, 100), at(500 - 8 * n, 140)
        boxes = [left, right] if n % 2 else [right, left]  # the order says nothing
        found = tracker.update(boxes, n / 25)
        numbers.append(found if n % 2 else found[::-1])
    assert numbers == [numbers[0]] * 50
    assert sorted(numbers[0]) == [1, 2]


def test_a_moving_face_is_found_again_where_its_way_leads():
    # 12 px a frame over ten lost frames are two sides: without its motion the face would be a new one.
    tracker = Tracker()
    for n in range(20):
        tracker.update([at(100 + 12 * n)], n / 25)
    assert tracker.update([], 20 / 25) == []
    assert tracker.update([at(100 + 12 * 30)], 30 / 25) == [1]


def test_a_shaking_box_is_not_flung_away_during_a_loss():
    shake = np.random.default_rng(0).integers(-4, 5, size=60)
    tracker = Tracker()
    for n, by in enumerate(shake):
        tracker.update([at(200 + int(by))], n / 30)
    assert tracker.update([at(200)], 60 / 30 + 0.9) == [1]


def test_a_number_is_never_used_again():
    tracker = Tracker(max_lost_s=0.5)
    for time_s in (0.0, 0.1, 0.2, 0.3):
        assert tracker.update([at(100)], time_s) == [1]
    assert tracker.update([at(100)], 0.8) == [1]
    assert tracker.update([at(100)], 1.31) == [2]
    assert tracker.alive == {2}
    assert tracker.update([], 5.0) == []
    assert tracker.alive == frozenset()
    assert tracker.update([at(100)], 5.1) == [3]


def test_uneven_frame_times_change_nothing():
    times = np.cumsum(np.random.default_rng(1).choice([0.01, 0.04, 0.2], 80))
    tracker = Tracker()
    assert {tracker.update([at(100 + 90 * t)], t)[0] for t in times} == {1}


def test_two_frames_of_the_same_time_divide_nothing_by_nought():
    tracker = Tracker()
    assert tracker.update([at(100)], 1.0) == tracker.update([at(103)], 1.0) == [1]


def test_someone_who_appears_elsewhere_is_new():
    tracker = Tracker()
    tracker.update([at(100)], 0)
    assert tracker.update([at(160), at(100)], 0.04) == [2, 1]
    assert tracker.update([at(400)], 0.08) == [3]


def test_a_face_of_another_size_in_the_same_place_is_new():
    tracker = Tracker()
    tracker.update([at(100, side=120)], 0)
    assert tracker.update([at(100, side=60)], 0.04) == [2]


def test_few_frames_a_second_still_join_a_face_that_moved_by_its_own_width():
    tracker = Tracker()
    tracker.update([at(100)], 0)
    assert tracker.update([at(155)], 0.5) == [1]


@pytest.mark.parametrize("step_s", [2.0, 60.0])
def test_slower_than_a_frame_a_second_a_face_stays_itself(step_s):
    tracker = Tracker()
    assert [tracker.update([at(100 + 5 * n)], step_s * n) for n in range(6)] == [[1]] * 6
    assert tracker.update([], step_s * 6) == []
    assert tracker.update([at(130)], step_s * 7) == [1]  # one frame without it
    for n in (8, 9):
        tracker.update([], step_s * n)
    assert tracker.update([at(130)], step_s * 10) == [2]  # two


def test_the_better_pair_goes_first():
    tracker = Tracker()
    tracker.update([at(100), at(150)], 0)
    assert tracker.update([at(148), at(115)], 0.04) == [2, 1]


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan")])
def test_a_loss_that_is_no_time_is_refused(seconds):
    with pytest.raises(InputError, match=r"max_lost_s is .*; expected 0 or more seconds"):
        Tracker(seconds)


def test_it_says_where_faces_should_be_and_who_was_missed():
    tracker = Tracker()
    for n in range(10):
        tracker.update([at(100 + 4 * n), at(500)], n / 25)
    tracker.update([at(140)], 10 / 25)
    moving, missed = tracker.expected(11 / 25)
    assert (moving.is_missed, missed.is_missed) == (False, True)
    assert moving.box.x + 30 == pytest.approx(144, abs=2)
    assert missed.box == at(500)
    assert tracker.expected(10) == []
