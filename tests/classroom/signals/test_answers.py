import json
import math

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from mien.classroom.signals import Answer, Reading, State
from mien.classroom.signals.answers import AgreementTally, AnswerBook, cohen_kappa


def book_of(mapping, *taps):
    book = AnswerBook(mapping)
    for student, time_s, answer in taps:
        book.add(student, time_s, answer)
    return book


def test_each_student_counts_once_a_period_with_the_last_tap(mapping):
    book = book_of(
        mapping,
        ("a", 5, Answer.OK),
        ("a", 50, Answer.LOST),
        ("b", 20, Answer.TOO_FAST),
        ("c", 59, Answer.LOST),
        ("c", 61, Answer.OK),
    )
    first = book.count(90.0, 6)
    assert (first.start_s, first.end_s, first.published_s) == (0, 60, 90)
    assert first.counts == {Answer.LOST: 2, Answer.OK: 0, Answer.TOO_FAST: 1}
    second = book.count(150.0, 6)
    assert second.counts == {Answer.LOST: 0, Answer.OK: 1, Answer.TOO_FAST: 0}


def test_a_period_is_due_after_its_end_and_the_delay(mapping):
    book = book_of(mapping)
    assert book.due(89.9, 30.0) is None
    assert book.due(90.0, 30.0) == (0, 60)


def test_answers_of_fewer_than_five_are_withheld(mapping):
    for num, is_shown in ((4, False), (5, True)):
        counts = book_of(mapping, ("a", 5, Answer.LOST)).count(90.0, num)
        assert (counts.counts is not None) == is_shown
        assert counts.num_present == num


def test_who_withdraws_is_not_in_what_is_counted_later(mapping):
    book = book_of(mapping, ("a", 5, Answer.LOST), ("b", 6, Answer.LOST))
    book.forget("a")
    assert "a" not in json.dumps(book.as_dict()["taps"])
    assert book.count(90.0, 6).counts[Answer.LOST] == 1


def test_a_late_tap_counts_in_the_next_period_not_never(mapping):
    book = book_of(mapping)
    book.count(90.0, 6)
    book.add("a", 59.0, Answer.LOST)
    assert book.count(150.0, 6).counts[Answer.LOST] == 1


def test_kappa_by_hand_and_against_scikit_learn():
    # 20 and 15 of 50 agree; by chance 0.5 · 0.6 + 0.5 · 0.4 = 0.5: (0.7 - 0.5) / 0.5
    assert cohen_kappa(20, 5, 10, 15) == pytest.approx(0.4)
    generator = np.random.default_rng(0)
    for _ in range(50):
        one, other = generator.integers(0, 2, (2, 30))
        cells = [
            int(((one == a) & (other == b)).sum()) for a, b in ((1, 1), (1, 0), (0, 1), (0, 0))
        ]
        assert cohen_kappa(*cells) == pytest.approx(cohen_kappa_score(one, other))
    assert math.isnan(cohen_kappa(10, 0, 0, 0))


def readings(state, *times):
    return [Reading(time_s=t, state=state) for t in times]


def tally_of(mapping, taps, read):
    tally = AgreementTally(mapping)
    for student, time_s, answer in taps:
        tally.add(student, time_s, answer)
    tally.match(200.0, read)
    return tally


def test_agreement_by_hand(mapping):
    taps = [
        ("a", 101, Answer.LOST),
        ("b", 101, Answer.TOO_FAST),
        ("c", 101, Answer.OK),
        ("d", 101, Answer.OK),
        ("e", 101, Answer.LOST),
    ]
    read = {
        "a": readings(State.STRAINED, 100),
        "b": readings(State.STEADY, 100),
        "c": readings(State.STEADY, 100),
        "d": readings(State.POSITIVE, 100),
        "e": readings(State.STRAINED, 95, 100),
    }
    agreement = tally_of(mapping, taps, read).renew()
    assert (agreement.num_taps, agreement.percent_agreeing) == (5, 80)
    assert agreement.kappa == 0.6  # 2, 1, 0, 2: (0.8 - 0.48) / 0.52 = 0.615


def test_a_tap_goes_with_the_reading_that_ended_nearest(mapping):
    read = {
        "a": [
            *readings(State.STEADY, 95),
            *readings(State.STRAINED, 100),
            *readings(State.STEADY, 105),
        ]
    }
    for time_s, is_strained in ((97, False), (97.5, False), (98, True), (102, True), (103, False)):
        (pair,) = tally_of(mapping, [("a", time_s, Answer.OK)], read).as_dict()["pairs"]
        assert pair == ["a", False, is_strained]


@pytest.mark.parametrize("state", [State.AWAY, State.TURNED, State.NO_DATA])
def test_where_nothing_is_known_of_the_face_nothing_is_compared(mapping, state):
    taps = [(name, 100, Answer.LOST) for name in "abcde"]
    tally = tally_of(mapping, taps, {name: readings(state, 100) for name in "abcde"})
    assert tally.as_dict()["pairs"] == []
    assert tally.renew() is None
    far = tally_of(mapping, taps, {name: readings(State.STEADY, 120) for name in "abcde"})
    assert far.as_dict()["pairs"] == []


def test_pairs_of_fewer_than_five_students_wait(mapping):
    taps = [("a", 100, Answer.LOST)] * 9 + [(name, 100, Answer.OK) for name in "bcd"]
    read = {name: readings(State.STEADY, 100) for name in "abcde"}
    tally = tally_of(mapping, taps, read)
    assert tally.renew() is None
    tally.add("e", 100, Answer.OK)
    tally.match(200.0, read)
    assert tally.renew().num_taps == 13
    assert tally.renew() is None  # nothing new
    assert tally.as_dict()["pairs"] == []


def test_it_goes_on_after_being_saved_and_forgets_who_withdraws(mapping):
    read = {name: readings(State.STEADY, 100) for name in "abcde"}
    tally = tally_of(mapping, [(name, 100, Answer.OK) for name in "abcd"], read)
    tally.add("e", 300, Answer.LOST)
    again = AgreementTally(mapping)
    again.restore(json.loads(json.dumps(tally.as_dict())))
    assert again.as_dict() == tally.as_dict()
    for name in "ae":
        again.forget(name)
    assert [pair[0] for pair in again.as_dict()["pairs"]] == ["b", "c", "d"]
    assert again.as_dict()["waiting"] == []
