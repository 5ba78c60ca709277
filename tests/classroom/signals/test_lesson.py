import itertools
import json

import numpy as np
import pytest

from mien.classroom.signals import Answer, ClassSignals, Observation, Reason, State, Withheld
from mien.errors import ConfigError, InputError


class Room:
    """A lesson with its clock, and frames of everybody who is there, one a second."""

    def __init__(self, mapping, face, expressions=True, aggregates=True):
        self.mapping, self.face, self.expressions = mapping, face, expressions
        self.lesson = ClassSignals(mapping, expressions=expressions, aggregates=aggregates)
        self.time_s = 0.0
        self.there = set()
        self.shows = {}
        self.out = []

    def join(self, *names, camera=True):
        for name in names:
            self.lesson.join(name, self.time_s, camera=camera)
            if camera:
                self.there.add(name)

    def leave(self, name):
        self.there.discard(name)
        self.lesson.leave(name, self.time_s)

    def withdraw(self, name):
        self.there.discard(name)
        self.lesson.withdraw(name, self.time_s)

    def run(self, seconds):
        out = []
        for _ in range(seconds):
            self.time_s += 1
            for name in sorted(self.there):
                self.lesson.observe(name, self.frame(name))
            out.append(self.lesson.advance(self.time_s))
        self.out += out
        return out

    def frame(self, name):
        shown = self.shows.get(name, {})
        if shown == "away":
            return Observation(time_s=self.time_s, faces=0)
        if not self.expressions:
            return Observation(time_s=self.time_s, faces=1)
        return self.face(self.time_s, **shown)

    def resume(self):
        self.lesson = ClassSignals.from_dict(
            json.loads(json.dumps(self.lesson.as_dict())), self.mapping
        )


@pytest.fixture
def room(quick_mapping, face):
    return Room(quick_mapping, face)


def aggregates(out):
    return [one for part in out for one in part.aggregates]


def test_shares_come_late_and_only_once_each(room):
    room.join(*"abcdef")
    found = aggregates(room.run(100))
    assert [one.time_s for one in found] == [5.0 * n for n in range(1, 19)]
    assert all(one.published_s - one.time_s == 10 for one in found)
    assert {one.mapping_id for one in found} == {"quick-1"}
    last = found[-1]
    assert (last.num_present, last.num_valid, last.percent[State.STEADY]) == (6, 6, 100)


def test_the_share_is_of_those_who_are_there(room):
    room.join(*"abcdefgh")
    room.run(60)
    room.shows = {name: {"anger": 0.6} for name in "abc"}
    room.shows["d"] = "away"
    last = aggregates(room.run(60))[-1]
    assert {state: share for state, share in last.percent.items() if share} == {
        State.STRAINED: 40,  # 3 of 8
        State.AWAY: 10,
        State.STEADY: 50,
    }


def test_four_students_see_no_aggregate_and_a_fifth_does_not_reveal_them(room):
    room.join(*"abcd")
    assert {one.withheld for one in aggregates(room.run(100))} == {Withheld.FEW_MEMBERS}
    room.join("e")
    found = aggregates(room.run(60))
    assert found[-1].percent is not None
    assert found[-1].num_present == 5


def test_who_is_without_a_camera_is_never_counted_among_the_faces(room):
    room.join(*"abcd")
    room.join("e", "f", camera=False)
    assert all(one.percent is None for one in aggregates(room.run(100)))
    with pytest.raises(InputError, match="'e', who has no camera on; join first"):
        room.lesson.observe("e", Observation(time_s=200.0, faces=0))


def test_one_who_leaves_cannot_be_found_by_the_difference(room):
    room.join(*"abcdefghijkl")
    room.run(60)
    room.shows["l"] = {"anger": 0.6}
    before = aggregates(room.run(60))[-1]
    room.leave("l")
    after = aggregates(room.run(1) + room.run(20))[-1]
    assert (before.num_present, after.num_present, after.num_waiting) == (12, 7, 4)


@pytest.mark.parametrize("resumes", [False, True])
def test_no_moment_comes_of_some_being_left_out_of_the_count(room, resumes):
    """Away rises from 40 to 70 % when the count goes from twelve to seven, though nobody has changed."""
    room.join(*"abcdefghijkl")
    room.shows = dict.fromkeys("efghi", "away")
    before = aggregates(room.run(200))[-1]
    room.leave("l")  # takes four companions along, the first by their ids
    if resumes:
        room.resume()
    room.run(200)
    after = aggregates(room.out)[-1]
    assert (before.num_present, before.percent[State.AWAY]) == (12, 40)
    assert (after.num_present, after.percent[State.AWAY]) == (7, 70)
    assert [moment for part in room.out for moment in part.moments] == []
    room.shows.update(dict.fromkeys("jk", "away"))
    room.run(100)
    (moment,) = [moment for part in room.out for moment in part.moments]
    assert (moment.before_percent, moment.peak_percent) == (70, 100)


def test_a_small_class_goes_silent_when_somebody_withdraws(room):
    room.join(*"abcdef")
    room.run(100)
    room.withdraw("f")
    found = aggregates(room.run(60))
    assert {one.withheld for one in found} == {Withheld.FEW_MEMBERS}


def test_what_was_published_is_skipped(room):
    room.join(*"abcde")
    room.lesson.skip_windows(45.0)
    room.lesson.skip_answers(60.0)
    out = room.run(140)
    assert [one.time_s for one in aggregates(out)][:2] == [50.0, 55.0]
    assert [one.end_s for part in out for one in part.answers] == [120.0]


def test_shares_that_were_closed_stay_closed(room):
    room.join(*"abcdefg")
    room.run(60)
    room.lesson.close_shares()
    room.resume()
    room.join(*"hijklm")
    found = aggregates(room.run(100))
    assert {one.withheld for one in found} == {Withheld.FEW_MEMBERS}
    assert (found[-1].num_present, found[-1].num_waiting) == (0, 13)


def test_a_withdrawal_reaches_what_is_still_held_back_and_leaves_no_trace(room):
    room.join(*"abcdefghijkl")
    room.run(100)
    room.lesson.answer("l", room.time_s, Answer.LOST)
    room.shows["l"] = {"anger": 0.6}
    room.run(3)
    room.withdraw("l")
    assert '"l"' not in json.dumps(room.lesson.as_dict())
    room.withdraw("l")  # once more does no harm
    out = room.run(60)
    assert all(one.num_present == 7 for one in aggregates(out))
    assert all("l" not in part.readings for part in out)
    assert sum(one.counts[Answer.LOST] for part in out for one in part.answers) == 0


def test_a_broken_connection_is_no_data_and_keeps_the_others_counted(room):
    room.join(*"abcdefg")
    room.run(60)
    room.there.discard("g")
    last = aggregates(room.run(60))[-1]
    assert (last.num_valid, last.num_present) == (6, 7)
    assert last.percent[State.NO_DATA] == 10
    reading = room.out[-1].readings["g"][-1]
    assert (reading.state, reading.reason) == (State.NO_DATA, Reason.FEW_FRAMES)


def test_who_comes_back_keeps_the_baseline(room):
    room.join(*"abcdefg")
    room.run(60)
    room.leave("g")
    room.run(30)
    room.join("g")
    out = room.run(15)
    assert [one.state for part in out for one in part.readings.get("g", ())][-1] is State.STEADY


def test_every_reading_is_given_once_to_its_own_student(room):
    room.join(*"abcdefg")
    room.run(90)
    for name in "abcdefg":
        times = [one.time_s for part in room.out for one in part.readings.get(name, ())]
        assert times == [5.0 * n for n in range(1, 19)]


def test_a_moment_is_marked_from_what_was_published(room):
    room.join(*"abcdefgh")
    room.run(200)
    room.shows = {name: {"sadness": 0.6} for name in "abcd"}
    room.run(150)
    room.shows = {}
    room.run(120)
    moments = [one for part in room.out for one in part.moments]
    marked, ended = moments
    assert marked.state is State.STRAINED
    assert 200 < marked.start_s <= 225
    assert marked.marked_s == marked.start_s + 60 + 10
    assert (marked.before_percent, marked.peak_percent) == (0, 50)
    assert 350 <= ended.end_s <= 400


def test_of_the_time_without_a_camera_there_are_no_windows_and_no_frames_in_memory(room):
    room.join(*"ab")
    room.run(62)
    room.leave("a")
    room.run(1)
    assert room.lesson.as_dict()["seats"]["a"]["signals"]["frames"] == []
    room.run(1500)
    room.join("a")
    readings = [one for part in room.run(10) for one in part.readings.get("a", ())]
    assert [one.time_s for one in readings] == [1565, 1570]
    assert [one.num_frames for one in readings] == [2, 7]


def test_a_window_that_ended_before_the_camera_was_stopped_is_told(room):
    room.join("a")
    room.run(59)
    room.lesson.observe("a", room.face(60.0))
    room.lesson.leave("a", 60.5)
    told = room.lesson.advance(61.0).readings["a"]
    assert [one.time_s for one in told] == [60.0]


def test_the_end_lets_out_what_was_held_back(room):
    room.join(*"abcdef")
    room.run(62)
    room.lesson.answer("a", 61.0, Answer.LOST)
    out = room.lesson.finish(75.0)
    assert [one.time_s for one in out.aggregates] == [55, 60, 65, 70, 75]
    counted = [(one.start_s, one.end_s, one.counts[Answer.LOST]) for one in out.answers]
    assert counted == [(0, 60, 0), (60, 75, 1)]


@pytest.mark.parametrize("end_s", [60.0, 62.0, 120.0])
def test_taps_of_the_last_minute_count_however_early_the_lesson_ends(room, end_s):
    room.join(*"abcde", camera=False)
    room.lesson.answer("a", 59.0, Answer.LOST)
    if end_s > 60:
        room.lesson.answer("b", end_s - 1, Answer.OK)
    out = room.lesson.finish(end_s)
    counted = [one.counts[Answer.LOST] + one.counts[Answer.OK] for one in out.answers]
    assert counted == ([1] if end_s == 60 else [1, 1])
    assert out.answers[-1].end_s == end_s


def test_a_last_minute_that_was_counted_is_not_counted_again_after_a_restart(room):
    room.join(*"abcde", camera=False)
    room.lesson.skip_answers(75.0)
    assert [one.start_s for one in room.lesson.finish(130.0).answers] == [120]


def test_taps_count_for_everybody_who_was_in_the_lesson(room):
    room.join("a", "b", camera=False)
    room.join(*"cde")
    room.lesson.answer("a", 5.0, Answer.TOO_FAST)
    (counts,) = [one for part in room.run(70) for one in part.answers]
    assert counts.num_present == 5
    assert counts.counts == {Answer.LOST: 0, Answer.OK: 0, Answer.TOO_FAST: 1}


def test_a_tap_from_when_few_were_there_stays_unsaid_when_many_came_later(room):
    room.join("a", "b")
    room.lesson.answer("a", 5.0, Answer.LOST)
    room.run(65)
    room.join(*"cdefgh")
    first, second = [one for part in room.run(70) for one in part.answers]
    assert (first.num_present, first.counts) == (2, None)
    assert second.num_present == 8


@pytest.mark.parametrize("is_restarted", [False, True])
def test_who_comes_back_before_a_minute_is_counted_was_not_there_in_it(room, is_restarted):
    room.join(*"abcde", camera=False)
    room.run(10)
    room.leave("e")
    room.run(60)
    room.lesson.answer("a", room.time_s, Answer.LOST)
    room.run(52)
    room.join("e", camera=False)
    if is_restarted:
        room.resume()
    room.run(8)
    first, second = [one for part in room.out for one in part.answers]
    assert first.num_present == 5
    assert (second.num_present, second.counts) == (4, None)
    assert [one for part in room.run(60) for one in part.answers][-1].num_present == 5


def test_stays_are_remembered_until_their_minute_is_counted_and_no_longer(room):
    room.join("a", camera=False)
    for _ in range(300):
        room.leave("a")
        room.join("a", camera=False)
        room.run(1)
    assert len(room.lesson.as_dict()["seats"]["a"]["earlier"]) < 100


def test_agreement_is_renewed_when_five_have_tapped(room):
    room.join(*"abcdef")
    room.run(60)
    room.shows = {name: {"anger": 0.6} for name in "abc"}
    room.run(40)
    for name in "abc":
        room.lesson.answer(name, room.time_s, Answer.LOST)
    assert all(part.agreement is None for part in room.run(20))
    for name in "de":
        room.lesson.answer(name, room.time_s, Answer.OK)
    (agreement,) = [part.agreement for part in room.run(20) if part.agreement]
    assert (agreement.num_taps, agreement.percent_agreeing, agreement.kappa) == (5, 100, 1.0)


def test_taps_of_the_last_seconds_are_held_beside_the_signals_too(room):
    room.join(*"abcde")
    room.run(60)
    for name in "abcde":
        room.lesson.answer(name, room.time_s - 1, Answer.OK)
    assert room.lesson.finish(room.time_s).agreement.num_taps == 5


def test_self_view_counts_nobody(quick_mapping, face):
    room = Room(quick_mapping, face, aggregates=False)
    room.join(*"abcdefg")
    out = room.run(120)
    assert all(not part.aggregates and not part.moments for part in out)
    assert out[-1].readings["a"][-1].state is State.STEADY


def test_presence_counts_who_is_there(quick_mapping, face):
    room = Room(quick_mapping, face, expressions=False)
    room.join(*"abcdef")
    room.run(90)
    room.shows = {"a": "away", "b": "away"}
    last = aggregates(room.run(100))[-1]
    assert last.percent == {State.PRESENT: 70, State.AWAY: 30, State.NO_DATA: 0}
    assert [one.state for part in room.out for one in part.moments] == [State.AWAY]
    with pytest.raises(InputError, match="presence mode"):
        room.lesson.observe("a", face(room.time_s))


def test_strangers_are_refused(room):
    for call in (
        lambda: room.lesson.observe("x", Observation(time_s=1.0, faces=0)),
        lambda: room.lesson.answer("x", 1.0, Answer.OK),
        lambda: room.lesson.leave("x", 1.0),
    ):
        with pytest.raises(InputError, match="'x' is not in the lesson; join first"):
            call()


def test_another_mapping_cannot_go_on_with_a_saved_lesson(room, mapping):
    room.join(*"abcdef")
    with pytest.raises(
        ConfigError, match="saved with the mapping quick-1, and mien-signals-1 is loaded"
    ):
        ClassSignals.from_dict(room.lesson.as_dict(), mapping)


def random_class(mapping, face, seed, resume):
    """Everything that can happen, in a random order; what was published, with the people behind it."""
    generator = np.random.default_rng(seed)
    room = Room(mapping, face)
    names = [f"{number:02d}" for number in range(16)]
    published = []
    for _ in range(60):
        name = str(generator.choice(names))
        lot = generator.uniform()
        if lot < 0.45 and name not in room.there:
            room.join(name)
        elif lot < 0.55 and name in room.there:
            room.leave(name)
        elif lot < 0.58:
            room.withdraw(name)
        elif name in room.lesson.students:
            room.lesson.answer(name, room.time_s, Answer.LOST)
            room.shows[name] = [{}, {"anger": 0.6}, "away"][int(generator.integers(3))]
        for part in room.run(int(generator.integers(1, 12))):
            published.append(part)
            for one in part.aggregates:
                counted = room.lesson._cohort.counted
                assert counted <= room.there
                if one.percent is not None:
                    assert one.num_present == len(counted) >= 5
                    assert one.num_valid >= 5
                    assert all(share % 10 == 0 for share in one.percent.values())
                else:
                    assert one.num_valid is None
        if resume:
            room.resume()
    return published


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_no_aggregate_is_of_few_and_a_restart_changes_nothing(
    quick_mapping, face, seed
):
    straight = random_class(quick_mapping, face, seed, resume=False)
    assert any(one.percent is not None for part in straight for one in part.aggregates)
    assert straight == random_class(quick_mapping, face, seed, resume=True)


def test_the_order_in_which_students_send_changes_nothing(quick_mapping, face):
    outcomes = []
    for order in (list("abcdef"), list("fedcba")):
        lesson = ClassSignals(quick_mapping, expressions=True, aggregates=True)
        for name in order:
            lesson.join(name, 0.0, camera=True)
        out = []
        for second, name in itertools.product(range(1, 80), order):
            strain = 0.5 if name < "d" and second > 50 else 0.0
            lesson.observe(name, face(second, fear=strain))
            if name == order[-1]:
                out.append(lesson.advance(second))
        outcomes.append([(dict(part.readings), part.aggregates, part.moments) for part in out])
    assert outcomes[0] == outcomes[1]
