"""A scripted class through everything: the figures of docs/classroom.md must not get worse unnoticed."""

import dataclasses

import pytest

from mien.classroom.signals import Answer, State, load_mapping
from mien.classroom.simulator import load_scenario, play, random_lesson, score_moments, score_states


@pytest.fixture(scope="module")
def scenario():
    return load_scenario()


@pytest.fixture(scope="module")
def played(scenario):
    return play(scenario, load_mapping())


@pytest.mark.slow
def test_every_scripted_state_of_the_shipped_lesson_is_found(scenario, played):
    scores = score_states(scenario, played.readings, 180.0)
    for state, score in scores.items():
        assert score.recall == 1.0, state
        if state is not State.STEADY:  # it begins when the state before has faded
            assert score.delay_s <= 30, state
    assert scores[State.AWAY].precision == scores[State.TURNED].precision == 1.0


@pytest.mark.slow
def test_both_moments_are_marked_and_no_other(scenario, played):
    scores = score_moments(scenario, played.moments)
    for state, score in scores.items():
        assert (score.recall, score.precision) == (1.0, 1.0), state
        # A minute to hold, half a minute held back, and the signal's own delay.
        assert 90 <= score.delay_s <= 135, state


@pytest.mark.slow
def test_what_comes_out_names_its_mapping_and_counts_the_answers(played):
    assert {one.mapping_id for one in (*played.aggregates, *played.moments)} == {"mien-signals-1"}
    assert sum(one.counts[Answer.LOST] for one in played.answers) == 3
    assert sum(one.counts[Answer.OK] for one in played.answers) == 2 + 6
    assert played.agreement.num_taps >= 5


@pytest.mark.slow
def test_the_same_script_gives_the_same_lesson(scenario):
    short = dataclasses.replace(
        scenario, duration_s=400.0, stretches=scenario.stretches[:2], answers=()
    )
    assert play(short, load_mapping()) == play(short, load_mapping())


@pytest.mark.slow
def test_in_presence_mode_only_who_is_there_comes_out():
    scenario = dataclasses.replace(load_scenario(), answers=())
    played = play(scenario, load_mapping(), expressions=False)
    said = {reading.state for readings in played.readings.values() for reading in readings}
    assert said == {State.PRESENT, State.AWAY, State.NO_DATA} or said == {State.PRESENT, State.AWAY}
    assert [one.state for one in played.moments] == [State.AWAY]
    assert played.agreement is None


@pytest.mark.slow
def test_a_random_lesson_is_read_as_well_as_the_documents_say():
    lesson = random_lesson(0, num_students=10)
    played = play(lesson, load_mapping())
    scores = score_states(lesson, played.readings, 180.0)
    for state in (State.STRAINED, State.POSITIVE, State.SURPRISED, State.AWAY, State.TURNED):
        if scores[state].num_true:
            assert scores[state].recall >= 0.9, state
    moments = score_moments(lesson, played.moments)
    assert all(score.recall == 1.0 for score in moments.values())
