import json
from dataclasses import replace

import numpy as np
import pytest

from mien.classroom.signals import Observation, Reason, State, StudentSignals
from mien.errors import InputError


def watch(mapping, observations, until_s, **options):
    """Readings of a student who sends these observations, advanced to a time."""
    student = StudentSignals(mapping, **{"expressions": True, **options})
    readings = [reading for one in observations for reading in student.add(one)]
    return readings + student.advance(until_s)


def test_windows_end_at_multiples_of_the_hop_whenever_one_joins(mapping, face):
    readings = watch(mapping, [face(12.5), face(13.5)], 30.0, start_s=12.0)
    assert [reading.time_s for reading in readings] == [15, 20, 25, 30]
    assert [reading.num_frames for reading in readings] == [2, 2, 0, 0]


def test_a_window_holds_what_came_after_its_begin_up_to_its_end(mapping, face):
    readings = watch(mapping, [face(t) for t in (0.0, 5.0, 5.5, 10.0, 15.0)], 15.0)
    assert [reading.num_frames for reading in readings] == [2, 3, 3]  # (-5, 5], (0, 10], (5, 15]


def test_nothing_is_said_of_the_face_before_the_baseline_is_learned(quick_mapping, face):
    readings = watch(quick_mapping, [face(t + 0.5) for t in range(40)], 40.0)
    assert [reading.state for reading in readings[:4]] == [State.NO_DATA] * 4
    assert [reading.reason for reading in readings[:4]] == [Reason.BASELINE] * 4
    # The first four windows with data teach; the fifth is the first to be compared with them.
    assert [reading.state for reading in readings[4:]] == [State.STEADY] * 4
    assert readings[3].z is None
    assert readings[4].z == {"strained": 0, "positive": 0, "surprised": 0}


def test_z_is_against_the_own_usual_by_hand(quick_mapping, face):
    usual = [face(t + 0.5, sadness=0.2) for t in range(20)]
    then = [face(t + 0.5, sadness=0.3, anger=0.1) for t in range(20, 30)]
    last = watch(quick_mapping, usual + then, 30.0)[-1]
    # Window 25 holds five frames of 0.2 and five of 0.4, window 30 ten of 0.4; the usual is 0.2 with the least scale, 0.05.
    first, second = (0.3 - 0.2) / 0.05, min(4.0, (0.4 - 0.2) / 0.05)
    # Window 25 teaches the baseline too: its centre has moved by a scale / 120.
    second = min(4.0, (0.4 - (0.2 + 0.05 / 120)) / 0.05)
    kept = 0.5 ** (5 / 15)
    assert last.z["strained"] == pytest.approx(second + kept * (first - second))
    assert last.features["strained"] == pytest.approx(0.4)
    assert last.features["neutral"] == pytest.approx(0.6)


def test_valence_and_arousal_are_weighted_means(quick_mapping, face):
    last = watch(quick_mapping, [face(t + 0.5, happiness=0.5, fear=0.25) for t in range(30)], 30.0)[
        -1
    ]
    assert last.valence == pytest.approx(0.5 * 0.8 - 0.25 * 0.6)
    assert last.arousal == pytest.approx(0.5 * 0.5 + 0.25 * 0.6)


@pytest.mark.parametrize(
    ("raised", "state"),
    [
        ({"anger": 0.5}, State.STRAINED),
        ({"contempt": 0.5}, State.STRAINED),
        ({"happiness": 0.5}, State.POSITIVE),
        ({"surprise": 0.5}, State.SURPRISED),
    ],
)
def test_each_state_comes_and_goes(quick_mapping, face, raised, state):
    usual = [face(t + 0.5) for t in range(60)]
    then = [face(t + 0.5, **raised) for t in range(60, 120)]
    after = [face(t + 0.5) for t in range(120, 200)]
    readings = watch(quick_mapping, usual + then + after, 200.0)
    by_time = {reading.time_s: reading.state for reading in readings}
    assert by_time[60.0] is State.STEADY
    assert by_time[100.0] is by_time[120.0] is state
    assert by_time[200.0] is State.STEADY


def test_a_face_that_always_looks_sad_is_steady(quick_mapping, face):
    readings = watch(quick_mapping, [face(t + 0.5, sadness=0.7) for t in range(120)], 120.0)
    assert {reading.state for reading in readings[4:]} == {State.STEADY}


def test_away_and_back(quick_mapping, face):
    there = [face(t + 0.5) for t in range(40)]
    gone = [Observation(time_s=t + 0.5, faces=0) for t in range(40, 70)]
    back = [face(t + 0.5) for t in range(70, 100)]
    by_time = {one.time_s: one.state for one in watch(quick_mapping, there + gone + back, 100.0)}
    assert by_time[45.0] is State.STEADY  # half the window shows a face
    assert [by_time[t] for t in (50.0, 60.0, 70.0)] == [State.AWAY] * 3
    assert by_time[80.0] is State.STEADY


def test_silence_is_no_data_and_never_away(quick_mapping, face):
    readings = watch(quick_mapping, [face(t + 0.5) for t in range(40)], 80.0)
    assert [(one.state, one.reason) for one in readings[-6:]] == [
        (State.NO_DATA, Reason.FEW_FRAMES)
    ] * 6
    assert all(
        one.features is None and one.z is None and one.valence is None for one in readings[-6:]
    )


def test_turned_is_against_where_one_usually_looks(quick_mapping, face):
    aside = [face(t + 0.5, yaw_deg=35.0) for t in range(40)]  # a camera beside the screen
    ahead = [face(t + 0.5, yaw_deg=0.0) for t in range(40, 60)]
    by_time = {one.time_s: one.state for one in watch(quick_mapping, aside + ahead, 60.0)}
    assert by_time[40.0] is State.STEADY
    assert by_time[60.0] is State.TURNED


def test_without_landmarks_nobody_is_ever_turned(quick_mapping, face):
    readings = watch(quick_mapping, [face(t + 0.5, yaw_deg=None) for t in range(60)], 60.0)
    assert State.TURNED not in {reading.state for reading in readings}
    assert readings[-1].state is State.STEADY


def test_what_a_network_makes_of_a_profile_is_not_used(quick_mapping, face):
    usual = [face(t + 0.5) for t in range(60)]
    profile = [face(t + 0.5, yaw_deg=60.0, anger=0.9) for t in range(60, 100)]
    readings = watch(quick_mapping, usual + profile, 100.0)
    assert [reading.state for reading in readings[-6:]] == [State.TURNED] * 6
    assert readings[-1].features is None


def test_times_that_run_backwards_are_refused(mapping, face):
    student = StudentSignals(mapping, expressions=True)
    student.add(face(5.0))
    student.add(face(5.0))
    with pytest.raises(
        InputError, match=r"An observation of 4 s came after one of 5 s; expected them in"
    ):
        student.add(face(4.0))


def test_a_window_that_has_closed_stays_closed(mapping, face):
    student = StudentSignals(mapping, expressions=True)
    assert [one.time_s for one in student.advance(10.0)] == [5, 10]
    assert student.add(face(9.0)) == []
    assert student.advance(10.0) == []
    (reading,) = student.advance(15.0)
    assert reading.num_frames == 1


# Presence mode


def seen(time_s, faces=1):
    return Observation(time_s=time_s, faces=faces)


def test_presence_says_there_away_or_no_data_and_nothing_else(mapping):
    there = [seen(t + 0.5, 2 if t % 3 else 1) for t in range(30)]
    gone = [seen(t + 0.5, 0) for t in range(30, 60)]
    readings = watch(mapping, there + gone, 80.0, expressions=False)
    by_time = {one.time_s: one for one in readings}
    assert by_time[10.0].state is by_time[30.0].state is State.PRESENT
    assert by_time[60.0].state is State.AWAY
    assert (by_time[80.0].state, by_time[80.0].reason) == (State.NO_DATA, Reason.FEW_FRAMES)
    assert all(one.z is one.features is one.valence is None for one in readings)


def test_presence_refuses_probabilities_and_poses(mapping, face):
    student = StudentSignals(mapping, expressions=False)
    with pytest.raises(InputError, match="probabilities or a yaw in presence mode"):
        student.add(face(1.0))
    with pytest.raises(InputError, match="probabilities or a yaw in presence mode"):
        student.add(replace(face(1.0), probs=None))


# Properties


def stream(face, seed, num=400):
    """Frames at uneven times with everything that can be wrong with them."""
    generator = np.random.default_rng(seed)
    time_s = 0.0
    for place in range(num):
        episode = place // 50 % 4  # as usual, strained, gone, as usual
        time_s += float(generator.exponential(0.8)) + (40.0 if generator.uniform() < 0.005 else 0.0)
        lot = generator.uniform()
        if lot < (0.9 if episode == 2 else 0.1):
            yield seen(time_s, int(generator.integers(0, 3)) * 2)
        else:
            strain, smile = (float(x) for x in generator.uniform(0, 0.3, 2))
            strain += 0.4 * (episode == 1)
            one = face(time_s, float(generator.normal(0, 20)), sadness=strain, happiness=smile)
            yield replace(one, sharpness=50.0) if 0.2 < lot < 0.3 else one


@pytest.mark.parametrize("seed", range(10))
def test_saving_and_restoring_at_any_time_changes_nothing(quick_mapping, face, seed):
    generator = np.random.default_rng(seed)
    straight = StudentSignals(quick_mapping, expressions=True)
    resumed = StudentSignals(quick_mapping, expressions=True)
    for one in stream(face, seed):
        assert straight.add(one) == resumed.add(one)
        if generator.uniform() < 0.05:
            saved = json.loads(json.dumps(resumed.as_dict()))
            resumed = StudentSignals.from_dict(saved, quick_mapping, expressions=True)
    assert straight.as_dict() == resumed.as_dict()


@pytest.mark.parametrize("seed", range(10))
def test_unknown_stays_unknown(quick_mapping, face, seed):
    all_ = list(stream(face, seed))
    readings = watch(quick_mapping, all_, all_[-1].time_s)
    assert len({reading.state for reading in readings}) >= 3
    for reading in readings:
        inside = [one for one in all_ if reading.time_s - 10 < one.time_s <= reading.time_s]
        good = [one for one in inside if one.faces == 1 and one.sharpness > 200]
        assert (reading.num_frames, reading.num_valid) == (len(inside), len(good))
        if len(good) < 5:
            assert reading.state in (State.NO_DATA, State.AWAY)
        if reading.state is State.NO_DATA:
            assert reading.reason is not None
            assert reading.z is None
        if reading.features is not None:
            assert reading.features["positive"] == pytest.approx(
                np.mean([one.probs[1] for one in good])
            )


@pytest.mark.parametrize("seed", range(5))
def test_how_often_windows_are_asked_for_changes_nothing(quick_mapping, face, seed):
    often, seldom = (StudentSignals(quick_mapping, expressions=True) for _ in range(2))
    readings = [], []
    for one in stream(face, seed):
        readings[0].extend(often.advance(np.nextafter(one.time_s, 0)))
        readings[0].extend(often.add(one))
        readings[1].extend(seldom.add(one))
    assert readings[0] == readings[1]
