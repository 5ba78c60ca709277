import itertools
import json

import numpy as np
import pytest

from mien.classroom.signals import State
from mien.classroom.signals.steadying import Steadier

CALM = {"strained": 0.0, "positive": 0.0, "surprised": 0.0}


def z(**raised):
    return {**CALM, **raised}


def run(steadier, steps):
    return [steadier.step(time_s, values) for time_s, values in steps]


def test_a_value_loses_half_its_weight_in_a_half_life(mapping):
    steadier = Steadier(mapping.states)
    steadier.step(0.0, z(strained=4.0))
    steadier.step(15.0, z(strained=0.0))
    assert steadier.z["strained"] == pytest.approx(2.0)
    steadier.step(30.0, z(strained=2.0))
    assert steadier.z["strained"] == pytest.approx(2.0)
    steadier.step(45.0, z(strained=0.0))
    assert steadier.z["strained"] == pytest.approx(1.0)


def test_the_length_of_the_steps_changes_nothing(mapping):
    coarse, fine = Steadier(mapping.states), Steadier(mapping.states)
    run(coarse, [(0, z(positive=3)), (20, z(positive=1))])
    run(fine, [(0, z(positive=3)), *((t, z(positive=1)) for t in (5, 10, 15, 20))])
    assert coarse.z["positive"] == pytest.approx(fine.z["positive"])


def test_it_enters_at_one_threshold_and_leaves_at_the_other(mapping):
    steadier = Steadier(mapping.states)
    levels = [0, 0, 0, 0, 0, 1.4, 1.4, 1.4, 1.6, 1.6, 1.6, 1.6, 1.6, 1.6, 0.9, 0.9, 0.9, 0.7, 0.7]
    # A level that holds for 300 s is reached whatever the half-life; forgetting is not asked about here.
    states = []
    for place, level in enumerate(levels):
        for second in range(0, 300, 5):
            state = steadier.step(place * 300.0 + second, z(strained=float(level)))
        states.append(state)
    raised = [state is State.STRAINED for state in states]
    assert raised == [
        level >= 1.6 or (place > 13 and level >= 0.9) for place, level in enumerate(levels)
    ]


def test_nothing_is_said_before_the_first_dwell_is_over(mapping):
    states = run(Steadier(mapping.states), [(t, z(positive=4)) for t in range(0, 40, 5)])
    assert states == [State.STEADY] * 4 + [State.POSITIVE] * 4


def test_the_highest_wins_and_ties_go_by_the_order_of_the_features(mapping):
    high = [(t, z(strained=2, positive=3, surprised=2)) for t in range(0, 30, 5)]
    assert run(Steadier(mapping.states), high)[-1] is State.POSITIVE
    tied = [(t, z(strained=2, positive=2)) for t in range(0, 30, 5)]
    assert run(Steadier(mapping.states), tied)[-1] is State.STRAINED


def test_one_state_follows_another_directly(mapping):
    steps = [(t, z(surprised=4)) for t in range(0, 60, 5)]
    steps += [(t, z(strained=4)) for t in range(60, 180, 5)]
    states = run(Steadier(mapping.states), steps)
    assert [state for state, _ in itertools.groupby(states)] == [
        State.STEADY,
        State.SURPRISED,
        State.STRAINED,
    ]


def test_a_monstrous_value_counts_as_the_highest_allowed(mapping):
    one, other = Steadier(mapping.states), Steadier(mapping.states)
    run(one, [(0, z(strained=1e9)), (5, z(strained=-1e9))])
    run(other, [(0, z(strained=4)), (5, z(strained=-4))])
    assert one.z == other.z


def test_after_a_long_gap_nothing_is_carried_on(mapping):
    steadier = Steadier(mapping.states)
    run(steadier, [(t, z(strained=4)) for t in range(0, 60, 5)])
    assert steadier.step(85.0, z(strained=4)) is State.STRAINED  # 30 s after the last: still known
    assert steadier.step(120.0, z(strained=4)) is State.STEADY
    assert steadier.z["strained"] == 4


@pytest.mark.parametrize("seed", range(30))
def test_no_state_is_held_for_less_than_its_dwell_except_through_a_gap(mapping, seed):
    generator = np.random.default_rng(seed)
    steadier, time_s, states = Steadier(mapping.states), 0.0, []
    walk = np.cumsum(generator.normal(0, 1.2, (400, 3)), axis=0) % 6 - 2
    for row in walk:
        time_s += 5.0
        states.append(steadier.step(time_s, dict(zip(CALM, row.tolist(), strict=True))))
        if generator.uniform() < 0.1:
            again = Steadier(mapping.states)
            again.restore(json.loads(json.dumps(steadier.as_dict())))
            steadier = again
    lengths = [len(list(run)) * 5.0 for _, run in itertools.groupby(states)]
    assert len(lengths) > 5
    assert min(lengths[:-1]) >= mapping.states.dwell_s
