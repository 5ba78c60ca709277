import math

import pytest

from mien.classroom.signals import Moment, Reading, State
from mien.classroom.simulator import Scenario, StateScore, Stretch, score_moments, score_states


def script(*stretches):
    return Scenario(
        name="x",
        duration_s=1000,
        num_students=2,
        stretches=tuple(
            Stretch(state=state, from_s=from_s, to_s=to_s, students=(0,), is_moment=True)
            for state, from_s, to_s in stretches
        ),
    )


def said(*runs, until=300):
    """Readings every 5 s of one student: steady, but for these runs of (state, first, last)."""
    return {
        0: [
            Reading(
                time_s=float(t),
                state=next((s for s, first, last in runs if first <= t <= last), State.STEADY),
            )
            for t in range(5, until + 1, 5)
        ]
    }


def test_precision_recall_and_delay_by_hand():
    scenario = script((State.STRAINED, 102, 150), (State.STRAINED, 200, 240))
    readings = said((State.STRAINED, 120, 170), (State.STRAINED, 20, 30))
    score = score_states(scenario, readings, 0.0)[State.STRAINED]
    assert (score.num_true, score.num_recalled, score.num_found, score.num_right) == (2, 1, 2, 1)
    assert (score.recall, score.precision) == (0.5, 0.5)
    assert score.delays_s == [18.0]  # said at 120, begun at 102
    assert score.tails_s == [20.0]  # last said at 170, ended at 150
    # Scripted are the windows 105…145 and 200…235, 9 + 8; said 120…170 and 20…30, 11 + 3; both 120…145.
    assert (score.readings_true, score.readings_found, score.readings_both) == (17, 14, 6)
    assert score.reading_recall == pytest.approx(6 / 17)
    assert score.reading_precision == pytest.approx(6 / 14)


def test_what_is_said_a_minute_after_the_end_is_wrong():
    scenario = script((State.POSITIVE, 100, 150))
    for first, right in ((205, 1), (210, 0)):
        score = score_states(scenario, said((State.POSITIVE, first, 220)), 0.0)[State.POSITIVE]
        assert (score.num_recalled, score.num_right) == (0, right)


def test_scores_add_up_and_without_anything_there_is_no_share():
    one = score_states(script((State.AWAY, 50, 100)), said((State.AWAY, 60, 100)), 0.0)[State.AWAY]
    both = one + one
    assert (both.num_true, both.recall, both.delays_s) == (2, 1.0, [10.0, 10.0])
    assert math.isnan(StateScore().recall)
    assert math.isnan(StateScore().delay_s)


def test_readings_before_the_baseline_is_learned_are_left_out():
    scores = score_states(script(), said((State.AWAY, 5, 50)), 100.0)
    assert scores[State.AWAY].num_found == 0
    assert scores[State.STEADY].readings_true == 41


def mark(state, start_s):
    return Moment(
        state=state,
        start_s=start_s,
        marked_s=start_s + 90,
        end_s=None,
        before_percent=0,
        peak_percent=50,
        mapping_id="x",
    )


def test_moments_by_hand():
    scenario = script((State.STRAINED, 100, 200), (State.AWAY, 400, 500))
    marks = [mark(State.STRAINED, 125), mark(State.STRAINED, 300), mark(State.AWAY, 90)]
    scores = score_moments(scenario, marks)
    strained, away = scores[State.STRAINED], scores[State.AWAY]
    assert (strained.recall, strained.precision, strained.delays_s) == (1.0, 0.5, [115])
    assert (away.recall, away.precision) == (0.0, 0.0)
    assert (strained + away).recall == 0.5
    assert strained.delay_s == 115
    assert math.isnan(away.delay_s)
