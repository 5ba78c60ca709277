"""What a server that was killed goes on with, by what it had written of a lesson."""

from datetime import timedelta

import pytest

from mien.classroom import tables
from mien.classroom.lessons import LiveLesson, new_signals
from mien.classroom.outbox import Outbox
from mien.classroom.policy import decide
from mien.classroom.protocol import MAX_AHEAD, ProtocolError
from mien.classroom.records import Batch, LessonRecord, ParticipantRecord
from mien.classroom.resume import resume
from mien.classroom.signals import Answer, Observation, load_mapping

MAPPING = load_mapping()
DECISION = decide("KR", "education", "presence")


class Killed:
    """A lesson of six, one of whom is away; its server writes each second, and may be killed and started again."""

    def __init__(self, store, fake_time):
        self.store, self.time, self.now = store, fake_time, fake_time.now
        self.record = LessonRecord(
            id="l", teacher="kim", title="t", code="C", decision=DECISION.as_dict(),
            mapping=MAPPING.id, started_at=fake_time.now(),
        )  # fmt: skip
        store.add_lesson(self.record)
        signals = new_signals(DECISION, MAPPING)
        self.lesson = LiveLesson(self.record, DECISION, signals, fake_time.now, fake_time.clock)
        for number in range(6):
            record = ParticipantRecord(
                id=f"s{number}", lesson="l", tag="T", camera="device", consent="c", research=False,
                joined_at=fake_time.now(), admitted_at=fake_time.now(),
            )  # fmt: skip
            store.add_participant(record)
            self.lesson.connect(self.lesson.add(record), Outbox())

    def run(self, seconds):
        """Go on, and return the aggregates of that time."""
        known = len(self.lesson.history)
        for _ in range(seconds):
            self.time.s += 1
            for student in self.lesson.students.values():
                if student.record.camera == "none":
                    continue
                seen = Observation(time_s=0, faces=int(student.id != "s5"))
                self.lesson.observe(student, seen)
            self.lesson.tick()
            self.store.write(self.lesson.take_batch())
        new = self.lesson.history[known:]
        return [message for message in new if message["type"] == "aggregate"]

    def change_camera(self, name, camera):
        """As the store has it at once, and the signals' memory some seconds later."""
        student = self.lesson.students[name]
        self.lesson.change_camera(student, camera, None)
        self.store.set_camera(student.record)

    def windows_of(self, name):
        rows = self.store.rows_of(tables.windows, "l", name)
        return [row["window"]["time_s"] for row in rows]

    def start_again(self):
        facts = (self.record, DECISION, MAPPING, self.now, self.time.clock)
        self.lesson = resume(self.store, *facts)
        for student in self.lesson.students.values():
            self.lesson.connect(student, Outbox())


@pytest.fixture
def killed(store, fake_time):
    return Killed(store, fake_time)


def test_the_five_who_are_left_are_not_shown_after_the_six(killed):
    before = killed.run(180)[-1]
    assert before["percent"]["away"] == 20
    killed.lesson.withdraw("s5")
    killed.store.delete_participant("s5", killed.lesson.snapshot())
    killed.start_again()
    after = killed.run(180)
    assert len(after) > 30
    assert {one["withheld"] for one in after} == {"few_members"}


def test_shares_stay_closed_where_the_memory_is_gone(killed):
    killed.run(180)
    killed.lesson.withdraw("s5")
    killed.store.delete_participant("s5")
    killed.start_again()
    after = killed.run(180)
    assert len(after) > 30
    assert {one["withheld"] for one in after} == {"few_members"}


def test_shares_stay_closed_where_the_memory_is_older_than_what_was_shown(killed):
    killed.run(60)
    old = killed.lesson.snapshot()
    killed.run(120)
    killed.store.delete_participant("s5", old)
    killed.start_again()
    assert {one["withheld"] for one in killed.run(180)} == {"few_members"}


@pytest.mark.parametrize("is_remembered", [True, False])
def test_nothing_is_published_twice(killed, is_remembered):
    killed.lesson.tap(killed.lesson.students["s0"], Answer.LOST)
    killed.run(180)
    if not is_remembered:
        killed.store.delete_participant("none of them")
        killed.store.delete_participant("s5")
    killed.start_again()
    killed.run(180)
    told = [(m["type"], m.get("time_s", m.get("end_s"))) for m in killed.lesson.history]
    assert len(told) == len(set(told)) > 60


def test_a_lesson_that_was_never_shown_begins_to_be(killed):
    killed.run(20)
    killed.store.delete_participant("s5")
    killed.start_again()
    assert killed.run(180)[-1]["percent"] is not None


def test_time_goes_on_though_the_wall_clock_was_set_back(killed, fake_time):
    killed.run(120)
    killed.now = lambda: fake_time.now() - timedelta(seconds=60)
    killed.start_again()
    assert killed.lesson.time_s() == 120.0
    after = killed.run(120)
    assert [one["time_s"] for one in after][:2] == [95.0, 100.0]
    assert after[-1]["percent"]["away"] == 20


def test_a_camera_that_was_stopped_after_the_last_memory_is_off(killed):
    killed.run(100)
    killed.change_camera("s0", "none")
    killed.start_again()
    killed.run(60)
    assert max(killed.windows_of("s0")) == 100


def test_a_camera_that_was_begun_after_the_last_memory_is_on(killed):
    killed.change_camera("s0", "none")
    killed.run(100)
    killed.change_camera("s0", "device")
    killed.start_again()
    killed.run(60)
    assert killed.windows_of("s0") == [105 + 5 * number for number in range(12)]


def test_of_hours_without_a_server_there_are_no_windows_and_no_counts(killed, fake_time):
    killed.run(120)
    killed.lesson.tap(killed.lesson.students["s0"], Answer.LOST)
    killed.run(4)
    fake_time.s += 3 * 3600
    killed.start_again()
    began = len(killed.lesson.history)
    after = killed.run(180)
    assert not any(300 < time_s <= fake_time.s - 180 for time_s in killed.windows_of("s0"))
    answers = [one for one in killed.lesson.history if one["type"] == "answers"]
    assert [one["start_s"] for one in answers] == [0, 60, 120, 10920, 10980]
    assert [one["num_present"] for one in answers] == [6] * 5
    assert answers[2]["counts"]["lost"] == 1
    assert len(killed.lesson.history) - began < 50
    assert after[-1]["percent"]["away"] == 20


def test_a_lesson_that_was_forgotten_for_days_ends_where_its_server_did(killed, fake_time):
    killed.run(60)
    fake_time.s += 3 * 24 * 3600
    killed.start_again()
    killed.lesson.finish()
    assert len(killed.lesson.take_batch()) < 300


def test_what_was_sent_before_cannot_be_played_again(killed):
    guard = killed.lesson.students["s0"].guard
    guard.admit(7)
    killed.run(4)  # remembered
    guard.admit(8)
    killed.start_again()
    again, untouched = (killed.lesson.students[name].guard for name in ("s0", "s1"))
    for number in (7, 8, 7 + MAX_AHEAD):
        with pytest.raises(ProtocolError, match=f"number {number} was used before"):
            again.admit(number)
    again.admit(again.last + 1)
    untouched.admit(1)


def test_a_memory_of_an_older_version_is_enough(killed):
    killed.run(120)
    memory = killed.lesson.snapshot()
    for gone, of in (
        ("sequences", ()),
        ("shown", ("signals",)),
        ("is_closed", ("signals", "cohort")),
    ):
        part = memory["signals"]
        for name in of:
            part = part[name]
        del part[gone]
    killed.store.write(Batch(snapshot=memory))
    killed.start_again()
    assert killed.run(60)[-1]["percent"]["away"] == 20
