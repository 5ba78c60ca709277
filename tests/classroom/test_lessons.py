"""A lesson with a clock that is told the time: what teacher and students are sent, and what is stored."""

import asyncio
import json

import pytest

from mien.classroom import outbox as outboxes
from mien.classroom.lessons import GONE_AFTER_S, LiveLesson
from mien.classroom.outbox import MAX_WAITING, Outbox
from mien.classroom.policy import decide
from mien.classroom.records import LessonRecord, ParticipantRecord
from mien.classroom.signals import Answer, ClassSignals, Observation, load_mapping

MAPPING = load_mapping()
CALM = (0.9, 0.02, 0.02, 0.02, 0.01, 0.01, 0.01, 0.01)
FACE = {"faces": 1, "score": 0.9, "face_px": 90, "brightness": 100, "sharpness": 500, "yaw_deg": 0}


def messages(outbox, *kinds):
    """What waits in an outbox, and is then gone."""
    read = [json.loads(text) for text in outbox._waiting]
    outbox._waiting.clear()
    return [message for message in read if not kinds or message["type"] in kinds]


class Room:
    """A lesson with students who send a calm face twice a second, or an empty room."""

    def __init__(self, fake_time, students, mode="class"):
        self.time = fake_time
        self.decision = decide("KR", "research" if mode == "research" else "education", mode)
        self.lesson = self.make(self.new_signals())
        self.teacher = Outbox()
        self.lesson.teachers.add(self.teacher)
        self.outboxes = {}
        self.away = set()
        for number in range(students):
            self.join(f"s{number}")

    def new_signals(self):
        allowed = self.decision
        return ClassSignals(
            MAPPING, expressions=allowed.expressions_allowed, aggregates=allowed.aggregates_allowed
        )

    def make(self, signals):
        record = LessonRecord(
            id="l", teacher="kim", title="t", code="C", decision=self.decision.as_dict(),
            mapping=MAPPING.id, started_at=FakeStart.now(),
        )  # fmt: skip
        return LiveLesson(record, self.decision, signals, self.time.now, self.time.clock)

    def join(self, name, camera="device"):
        record = ParticipantRecord(
            id=name, lesson="l", tag="TAG", camera=camera, consent=None, research=False,
            joined_at=self.time.now(),
        )  # fmt: skip
        student = self.lesson.add(record)
        self.outboxes[name] = Outbox()
        self.lesson.connect(student, self.outboxes[name])
        self.lesson.admit([name], self.time.now())

    def run(self, seconds):
        for _ in range(int(seconds)):
            for _ in range(2):
                self.time.s += 0.5
                for name, student in list(self.lesson.students.items()):
                    if student.record.camera == "none" or student.outbox is None:
                        continue
                    seen = Observation(time_s=0, probs=CALM, **FACE)
                    if name in self.away or not self.decision.expressions_allowed:
                        seen = Observation(time_s=0, faces=int(name not in self.away))
                    self.lesson.observe(student, seen)
            self.lesson.tick()


class FakeStart:
    now = None


@pytest.fixture
def room(fake_time):
    FakeStart.now = fake_time.now

    def make(students, mode="class"):
        start = fake_time.now()
        FakeStart.now = lambda: start
        return Room(fake_time, students, mode)

    return make


def test_five_students_are_seen_as_a_class_half_a_minute_late(room):
    here = room(6)
    here.away = {f"s{number}" for number in range(3)}
    here.run(180)
    shown = [m for m in messages(here.teacher, "aggregate") if m["percent"]]
    assert shown, "no aggregate was ever shown"
    last = shown[-1]
    assert (last["num_present"], last["num_valid"]) == (6, 6)
    assert last["percent"]["away"] == 50
    assert all(share % 10 == 0 for share in last["percent"].values())
    assert all(m["published_s"] - m["time_s"] >= 30 for m in shown)
    assert last["mapping_id"] == MAPPING.id
    text = json.dumps(shown)
    assert not any(f'"s{number}"' in text for number in range(6))


def test_of_many_taps_at_once_the_last_is_noted_and_counted_as_the_page_was_told(room):
    here = room(5)
    student = here.lesson.students["s0"]
    for answer in [Answer.OK] * 5 + [Answer.LOST, Answer.TOO_FAST]:
        here.lesson.tap(student, answer)
    noted = lambda: [row["answer"] for row in here.lesson.batch.self_reports]  # noqa: E731
    assert noted() == ["ok"] * 5
    here.run(6)
    assert noted() == ["ok"] * 5 + ["too_fast"]
    assert {row["at"] for row in here.lesson.batch.self_reports} == {here.lesson.at(0)}
    here.run(90)
    (counted,) = messages(here.teacher, "answers")
    assert counted["counts"] == {"lost": 0, "ok": 0, "too_fast": 1}


def test_the_last_of_many_taps_is_noted_when_the_lesson_ends_or_the_student_has_left(room):
    here = room(2)
    for name in ("s0", "s1"):
        for answer in [Answer.OK] * 5 + [Answer.LOST]:
            here.lesson.tap(here.lesson.students[name], answer)
    here.lesson.disconnect(here.lesson.students["s1"], here.outboxes["s1"])
    here.lesson.finish()
    last = {row["participant"]: row["answer"] for row in here.lesson.batch.self_reports}
    assert last == {"s0": "lost", "s1": "lost"}


@pytest.mark.parametrize("students", [1, 4])
def test_fewer_than_five_are_never_shown(room, students):
    here = room(students)
    here.run(150)
    shown = messages(here.teacher, "aggregate", "answers")
    assert shown
    assert all(m.get("percent") is None and m.get("counts") is None for m in shown)


def test_self_view_shows_students_their_own_and_the_teacher_nothing(room):
    here = room(6, "self-view")
    here.run(90)
    assert messages(here.teacher, "aggregate", "moment") == []
    own = messages(here.outboxes["s0"], "reading")
    assert [m["time_s"] for m in own][:3] == [5.0, 10.0, 15.0]


def test_presence_knows_present_and_away_only(room):
    here = room(5, "presence")
    here.away = {"s0"}
    here.run(150)
    last = [m for m in messages(here.teacher, "aggregate") if m["percent"]][-1]
    assert last["percent"] == {"present": 80, "away": 20, "no_data": 0}


def test_readings_go_to_their_own_student_and_into_the_batch(room):
    here = room(2)
    here.run(10)
    assert len(messages(here.outboxes["s1"], "reading")) >= 1
    batch = here.lesson.take_batch()
    assert {row["participant"] for row in batch.windows} == {"s0", "s1"}
    first = batch.windows[0]
    assert first["at"] == here.lesson.at(5.0)
    assert first["window"]["time_s"] == 5.0
    assert here.lesson.take_batch().windows == []


def test_withdrawing_takes_effect_at_once(room):
    here = room(6)
    here.run(60)
    here.lesson.tap(here.lesson.students["s0"], Answer.LOST)
    outbox = here.outboxes["s0"]
    here.lesson.withdraw("s0")
    assert messages(outbox)[-1] == {"type": "withdrawn"}
    assert outbox.closing == (4002, "withdrawn")
    batch = here.lesson.take_batch()
    assert not any(r["participant"] == "s0" for r in batch.windows + batch.self_reports)
    here.run(1)
    snapshot = here.lesson.take_batch().snapshot  # the old one went with the student
    assert "s0" not in json.dumps(snapshot["signals"])
    messages(here.teacher)
    here.run(120)
    assert not any("s0" in json.dumps(m) for m in messages(here.teacher))
    # The five who are left differ from the six before by one: shares stay withheld.
    assert "s0" not in here.lesson.signals.students


def test_what_comes_of_a_student_who_has_just_withdrawn_is_not_taken_in(room):
    here = room(6)
    gone = here.lesson.students["s0"]
    here.lesson.withdraw("s0")
    here.lesson.tap(gone, Answer.LOST)
    here.lesson.observe(gone, Observation(time_s=0, probs=CALM, **FACE))
    assert here.lesson.take_batch().self_reports == []
    assert "s0" not in here.lesson.signals.students


def test_a_seat_is_kept_while_a_connection_is_broken(room):
    here = room(5)
    student = here.lesson.students["s0"]
    here.lesson.disconnect(student, here.outboxes["s0"])
    here.run(GONE_AFTER_S - 1)
    assert student.is_counted
    here.run(3)
    assert not student.is_counted
    again = Outbox()
    here.lesson.connect(student, again)
    assert student.is_counted


def test_a_second_page_takes_the_place_of_the_first(room):
    here = room(1)
    first, second = here.outboxes["s0"], Outbox()
    student = here.lesson.students["s0"]
    here.lesson.connect(student, second)
    assert first.closing == (4001, "opened elsewhere")
    here.lesson.disconnect(student, first)  # its end must not end the second
    assert student.outbox is second


def test_the_waiting_room_has_tags_and_no_names(room):
    here = room(1)
    record = ParticipantRecord(
        id="x", lesson="l", tag="T9K", camera="none", consent=None, research=False,
        joined_at=here.time.now(),
    )  # fmt: skip
    waiting = here.lesson.add(record)
    assert messages(here.teacher, "room")[-1] == {
        "type": "room", "waiting": [{"id": waiting.handle, "tag": "T9K"}], "admitted": 1, "connected": 1,
    }  # fmt: skip
    here.lesson.admit(["x"], here.time.now())
    assert messages(here.teacher, "room")[-1]["waiting"] == []
    assert here.lesson.students["x"].record.tag is None


def test_stopping_the_camera_leaves_the_student_in_the_lesson(room):
    here = room(1)
    student = here.lesson.students["s0"]
    here.lesson.change_camera(student, "none", None)
    messages(here.outboxes["s0"])
    here.lesson.observe(student, Observation(time_s=0, faces=0))  # was on its way: passed by
    here.run(12)
    assert messages(here.outboxes["s0"], "reading") == []
    here.lesson.tap(student, Answer.OK)
    assert [row["answer"] for row in here.lesson.take_batch().self_reports] == ["ok"]


def test_a_snapshot_goes_on_exactly_as_if_nothing_had_happened(room, fake_time):
    here = room(6)
    here.run(65)
    here.lesson.remember()
    memory = json.loads(json.dumps(here.lesson.take_batch().snapshot["signals"]))
    twin = here.make(ClassSignals.from_dict(memory["signals"], MAPPING))
    twin.teachers.add(other := Outbox())
    for student in list(here.lesson.students.values()):
        known = twin.add(student.record, known=student.id in memory["counted"])
        twin.connect(known, Outbox())
    messages(here.teacher), messages(other)
    for _ in range(60):
        fake_time.s += 1
        for lesson in (here.lesson, twin):
            for student in lesson.students.values():
                lesson.observe(student, Observation(time_s=0, probs=CALM, **FACE))
            lesson.tick()
    expected = messages(here.teacher, "aggregate")
    assert expected == messages(other, "aggregate")
    assert len(expected) == 12


def test_ending_lets_out_what_was_held_back_and_closes_all(room):
    here = room(5)
    here.run(40)
    here.lesson.finish()
    assert [m["time_s"] for m in messages(here.teacher, "aggregate")][-1] == 40.0
    assert here.teacher.closing == (1000, "ended")
    assert here.outboxes["s0"].closing == (1000, "ended")


def test_the_teacher_is_told_when_the_store_is_away(room):
    here = room(1)
    since = here.time.now()
    away = {"type": "store", "away_since": since.isoformat(), "reason": "full"}
    back = {"type": "store", "away_since": None, "reason": None}
    here.lesson.tell_store(None, None)
    for _ in range(2):
        here.lesson.tell_store(since, "full")
    later = Outbox()
    here.lesson.watch(later)  # a page that comes in the middle
    here.lesson.tell_store(None, None)
    assert messages(here.teacher, "store") == messages(later, "store") == [away, back]
    here.lesson.watch(after := Outbox())
    assert messages(after, "store") == []


def test_the_teacher_is_told_when_the_server_is_overloaded(room):
    here = room(1)
    too_high, over = ({"type": "load", "is_too_high": is_so} for is_so in (True, False))
    here.lesson.tell_load(False)
    for _ in range(2):
        here.lesson.tell_load(True)
    here.lesson.watch(later := Outbox())
    here.lesson.tell_load(False)
    assert messages(here.teacher, "load") == messages(later, "load") == [too_high, over]
    assert messages(later, "store") == []


def test_what_is_written_and_what_is_remembered_go_together(room):
    """Killed at any time, a server goes on from its last snapshot and makes no window that is stored already."""
    here = room(6)
    stored = []
    for _ in range(100):
        here.run(1)
        batch = here.lesson.take_batch()
        rows = [*batch.windows, *batch.aggregates]
        stored += [(row["at"], row.get("participant") or row["kind"]) for row in rows]
        if rows:
            memory = json.loads(json.dumps(batch.snapshot["signals"]["signals"]))
            twin = here.make(ClassSignals.from_dict(memory, MAPPING))
            twin.tick()
            assert twin.take_batch().windows == twin.take_batch().aggregates == []
    assert len(stored) == len(set(stored)) > 100


def test_who_does_not_read_loses_the_connection_and_no_memory():
    outbox = Outbox()
    for number in range(MAX_WAITING + 50):
        outbox.put(number=number)
    assert outbox.closing == (1008, "too slow")
    assert len(outbox._waiting) == 0


def test_a_quiet_connection_is_heard_of(monkeypatch):
    monkeypatch.setattr(outboxes, "BEAT_S", 0.01)

    async def quiet():
        outbox, heard = Outbox(), []

        async def send(text):
            heard.append(json.loads(text))
            if len(heard) == 2:
                outbox.close(1000, "ended")

        return await outbox.drain(send), heard

    assert asyncio.run(quiet()) == ((1000, "ended"), [{"type": "beat"}] * 2)
