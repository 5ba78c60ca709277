import dataclasses

import numpy as np
import pytest

from mien.classroom.signals import EXPRESSIONS, State
from mien.classroom.simulator import Scenario, Stretch, simulated_frames


def script(state=State.STEADY, **settings):
    stretch = Stretch(state=state, from_s=100, to_s=200, students=(0,))
    return Scenario(name="x", duration_s=300, num_students=3, stretches=(stretch,), **settings)


def probs_of(frames, from_s, to_s):
    return np.mean(
        [
            f.observation.probs
            for f in frames
            if f.observation and f.observation.probs and from_s <= f.time_s < to_s
        ],
        axis=0,
    )


def test_the_same_student_sends_the_same_and_every_student_differs():
    one, again, other = (list(simulated_frames(script(), number)) for number in (0, 0, 1))
    assert one == again
    usual = [probs_of(frames, 0, 300) for frames in (one, other)]
    assert np.abs(usual[0] - usual[1]).max() > 0.05


@pytest.mark.parametrize(
    ("state", "names"),
    [
        (State.STRAINED, ("anger", "disgust", "fear", "sadness", "contempt")),
        (State.POSITIVE, ("happiness",)),
        (State.SURPRISED, ("surprise",)),
    ],
)
def test_a_state_moves_its_own_expressions_by_the_shift(state, names):
    frames = list(simulated_frames(script(state, noise=0.0, missed=0.0, dropped=0.0), 0))
    columns = [EXPRESSIONS.index(name) for name in names]
    before, during = (probs_of(frames, *times)[columns].sum() for times in ((0, 100), (100, 200)))
    assert during == pytest.approx(before + 0.35 * (1 - before), abs=0.005)


def test_away_turned_and_no_data_can_be_seen_in_the_frames():
    clean = {"missed": 0.0, "dropped": 0.0}
    away, turned, blurred = (
        [f.observation for f in simulated_frames(script(state, **clean), 0) if f.state is state]
        for state in (State.AWAY, State.TURNED, State.NO_DATA)
    )
    assert len(away) == len(turned) == len(blurred) == 100
    assert {one.faces for one in away} == {0}
    usual = np.median([f.observation.yaw_deg for f in simulated_frames(script(**clean), 0)])
    assert np.abs(np.array([one.yaw_deg for one in turned]) - usual).min() > 15
    assert max(one.sharpness for one in blurred) < 200


def test_frames_are_dropped_and_faces_missed_as_often_as_asked():
    frames = list(simulated_frames(script(dropped=0.2, missed=0.1, fps=10.0), 1))
    assert len(frames) == 3000
    lost = np.mean([frame.observation is None for frame in frames])
    missed = np.mean([frame.observation.faces == 0 for frame in frames if frame.observation])
    assert lost == pytest.approx(0.2, abs=0.03)
    assert missed == pytest.approx(0.1, abs=0.03)


def test_the_rate_is_that_of_the_script():
    frames = list(simulated_frames(dataclasses.replace(script(), fps=2.0), 0))
    assert np.diff([frame.time_s for frame in frames]) == pytest.approx(0.5)
    assert 0 <= frames[0].time_s < 0.5
