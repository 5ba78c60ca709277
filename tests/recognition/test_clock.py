import pytest

from mien.recognition.clock import Clock


def times(reported, fps=25):
    clock = Clock(fps)
    return [clock.tick(time_s) for time_s in reported]


def test_a_first_frame_that_b_frames_delay_is_at_nought_and_one_after_others_that_are_lost_is_not():
    assert times([0.08, 0.12, 0.5]) == pytest.approx([0, 0.04, 0.42])
    assert times([7.0, 7.04, 7.5]) == [7.0, 7.04, 7.5]


def test_what_stands_in_the_order_of_decoding_does_not_go_back():
    assert times([0, 0.08, 0.04, 0.12]) == [0, 0.08, 0.08, 0.12]


def test_recordings_that_were_joined_go_on():
    assert times([0, 0.04, 0.08, 3.0, 0.0, 0.04, 0.08, 0.5]) == pytest.approx(
        [0, 0.04, 0.08, 3.0, 3.04, 3.08, 3.12, 3.54]
    )
    assert times([10, 11, 12, 5, 6], fps=1) == [10, 11, 12, 13, 14]


def test_an_avi_with_b_frames_begins_at_nought_and_ends_a_frame_after_the_last_but_one():
    assert times([0.04, 0.08, 0.12, 0]) == pytest.approx([0, 0.04, 0.08, 0.12])


def test_one_frame_without_a_time_moves_none_of_the_others():
    assert times([0, 1, 0, 3], fps=1) == [0, 1, 2, 3]


def test_without_any_times_the_rate_counts_and_does_not_drift():
    assert times([0] * 30_001, fps=30)[-1] == 1000
