"""A running lesson in memory: who is in it, which frame is the newest, what teacher and students are sent."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from mien.classroom import signals
from mien.classroom.limits import Bucket
from mien.classroom.live_student import TAPS, LiveStudent
from mien.classroom.outbox import Outbox
from mien.classroom.policy import Decision
from mien.classroom.protocol import SequenceGuard
from mien.classroom.records import Batch, LessonRecord, ParticipantRecord
from mien.classroom.signals import Answer, ClassSignals, Observation, Publication, SignalMapping

__all__ = ["LiveLesson", "new_signals"]

GONE_AFTER_S = 120.0
"""A student whose connection broke so long ago has left; until then the seat is kept. Who still waits loses it then."""
SNAPSHOT_EVERY_S = 4.0
"""So much of the signals' memory is lost at most when the program is killed."""


def new_signals(decision: Decision, mapping: SignalMapping) -> ClassSignals:
    """Return what a lesson begins with: as much as the policy gate allows."""
    return ClassSignals(
        mapping,
        expressions=decision.expressions_allowed,
        aggregates=decision.aggregates_allowed,
    )


class LiveLesson:
    """A lesson between its opening and its end."""

    def __init__(
        self,
        record: LessonRecord,
        decision: Decision,
        class_signals: ClassSignals,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
        not_before_s: float = 0.0,
    ) -> None:
        """Begin, or go on after a restart.

        Args:
            record: What the store knows of it.
            decision: Of the policy gate, the same for all lessons of a server.
            class_signals: Empty, or read from a snapshot.
            now: The time in UTC.
            clock: Seconds that pass, never set back as wall clocks are.
            not_before_s: Time of the lesson that has passed for certain: a wall clock may have been set back since its start.
        """
        self.record = record
        self.decision = decision
        self.signals = class_signals
        self.students: dict[str, LiveStudent] = {}
        self.joining = 0
        """Seats that are taken by students whose rows are just being written."""
        self.teachers: set[Outbox] = set()
        self.batch = Batch()
        self.history: list[dict[str, Any]] = []
        """All that teachers were sent of the class, for the page that comes later."""
        self._clock = clock
        passed_s = (now() - record.started_at).total_seconds()
        self._base_s = max(passed_s, not_before_s) - clock()
        self._snapshot_s = clock()
        self._server: dict[str, dict[str, Any]] = {
            "store": {"away_since": None, "reason": None},
            "load": {"is_too_high": False},
        }
        """How the server is, as teachers were told last."""

    @property
    def id(self) -> str:
        """The lesson's id."""
        return self.record.id

    def time_s(self) -> float:
        """Return the seconds since the lesson's start."""
        return max(0.0, self._base_s + self._clock())

    def at(self, time_s: float) -> datetime:
        """Return when a time of the lesson was."""
        return self.record.started_at + timedelta(seconds=time_s)

    # Students come and go

    def add(
        self, record: ParticipantRecord, known: bool = False, last_sequence: int = 0
    ) -> LiveStudent:
        """Take in a student.

        Args:
            record: What the store knows.
            known: After a restart, whether the snapshot holds the student.
            last_sequence: Up to which number messages have come, or may have.
        """
        guard = SequenceGuard(last_sequence)
        taps = Bucket(TAPS, self._clock)
        student = LiveStudent(
            record, taps=taps, guard=guard, seen_s=self._clock(), is_counted=known
        )
        self.students[record.id] = student
        self.tell_waiting()
        return student

    def admit(self, ids: Iterable[str], at: datetime) -> None:
        """Let students in who wait."""
        for student_id in ids:
            student = self.students[student_id]
            student.record = replace(student.record, admitted_at=at, tag=None)
            if student.outbox is not None:
                self._count_in(student)
            student.tell(type="admitted")
        self.tell_waiting()

    def connect(self, student: LiveStudent, outbox: Outbox) -> None:
        """Take a student's socket; an older one is closed."""
        if student.outbox is not None:
            student.outbox.close(4001, "opened elsewhere")
        student.outbox = outbox
        if student.is_admitted:
            self._count_in(student)
        self.tell_waiting()

    def disconnect(self, student: LiveStudent, outbox: Outbox) -> None:
        """Note that a socket is closed; the seat is kept for a while."""
        if student.outbox is outbox:
            student.outbox = None
            student.newest = None
            student.seen_s = self._clock()

    def withdraw(self, student_id: str) -> None:
        """Forget a student at once: in memory now; the store is told by the caller."""
        student = self.students.pop(student_id)
        student.newest = None
        if student.is_counted:
            self.signals.withdraw(student_id, self.time_s())
        student.is_counted = False  # what was sent before the page heard of it may still come
        self.batch = self.batch.without(student_id)
        self._snapshot_s = -math.inf  # the last one goes with the student
        student.tell(type="withdrawn")
        if student.outbox is not None:
            student.outbox.close(4002, "withdrawn")
        self.tell_waiting()

    def change_camera(self, student: LiveStudent, camera: str, consent: str | None) -> None:
        """Begin or stop to send; what was agreed to for windows that are kept stays known."""
        student.newest = None
        student.camera_changes += 1
        agreed = consent or student.record.consent
        student.record = replace(student.record, camera=camera, consent=agreed)
        if student.is_counted:
            self._count_out(student)
            self._count_in(student)
        student.tell(type="camera", camera=camera)

    def _count_in(self, student: LiveStudent) -> None:
        if not student.is_counted:
            has_camera = student.record.camera != "none"
            self.signals.join(student.id, self.time_s(), camera=has_camera)
            student.is_counted = True

    def _count_out(self, student: LiveStudent) -> None:
        self.signals.leave(student.id, self.time_s())
        student.is_counted = False

    def go_on(self, last_s: float) -> None:
        """Take up the signals' memory after a restart, as if all connections had broken when the last server ended.

        Of a long time without one there are no windows and no counts: nobody was looked at, and nobody could answer.

        Args:
            last_s: Up to when it is known of the lesson that it ran.
        """
        gone_s = last_s + GONE_AFTER_S
        for student in self._counted():
            # The camera may have been changed after the memory was written.
            has_camera = student.record.camera != "none"
            self.signals.join(student.id, last_s, camera=has_camera)
        if self.time_s() <= gone_s:
            return
        self._publish(self.signals.advance(gone_s))
        for student in self._counted():
            self.signals.leave(student.id, gone_s)
            student.is_counted = False
        self.signals.skip(self.time_s())
        self.remember()

    def _counted(self) -> list[LiveStudent]:
        return [student for student in self.students.values() if student.is_counted]

    # What students send

    def observe(self, student: LiveStudent, observation: Observation) -> None:
        """Take in one frame's measures, with the time at which they are known."""
        if student.is_counted and student.record.camera != "none":
            self.signals.observe(student.id, replace(observation, time_s=self.time_s()))

    def tap(self, student: LiveStudent, answer: Answer) -> None:
        """Take in a self-report, now or some seconds later: what the page was told is noted is noted."""
        if student.is_counted:
            student.late_tap = (self.time_s(), answer)
            self._take_tap(student)

    def _take_tap(self, student: LiveStudent, at_once: bool = False) -> None:
        if student.late_tap is None or not (at_once or student.taps.take()):
            return
        (time_s, answer), student.late_tap = student.late_tap, None
        self.signals.answer(student.id, time_s, answer)
        who = {"lesson": self.id, "participant": student.id}
        self.batch.self_reports.append({**who, "at": self.at(time_s), "answer": answer.value})

    def take_late_taps(self) -> None:
        """Take in what was tapped last, however fast, before the lesson or the server ends."""
        for student in self.students.values():
            self._take_tap(student, at_once=True)

    # Once a second

    def tick(self) -> None:
        """Move the signals on, tell everybody what became known, and note what is to be stored."""
        now_s = self._clock()
        for student in self.students.values():
            self._take_tap(student)
            is_gone = student.outbox is None and now_s - student.seen_s > GONE_AFTER_S
            if student.is_counted and is_gone:
                self._count_out(student)
        published = self.signals.advance(self.time_s())
        self._publish(published)
        # What is written and what is remembered go together, or a killed server would close the same windows again.
        if not published.is_empty or now_s - self._snapshot_s >= SNAPSHOT_EVERY_S:
            self._snapshot_s = now_s
            self.remember()

    def abandoned(self) -> list[str]:
        """Return who has a seat, was not let in, and has had no page open for so long that others may have the seat."""
        latest_s = self._clock() - GONE_AFTER_S
        return [
            one.id
            for one in self.students.values()
            if not one.is_admitted and one.outbox is None and one.seen_s < latest_s
        ]

    def snapshot(self) -> dict[str, Any]:
        """Return the row that a restart goes on from."""
        # Or what was sent before a restart could be played again after it.
        sequences = {s.id: s.guard.last for s in self.students.values() if s.guard.last}
        memory = {
            "counted": [student.id for student in self._counted()],
            "sequences": sequences,
            "signals": self.signals.as_dict(),
        }
        return {"lesson": self.id, "at": self.at(self.time_s()), "signals": memory}

    def remember(self) -> None:
        """Note what a restart needs to go on."""
        self.batch.snapshot = self.snapshot()

    def finish(self) -> None:
        """End the lesson: what was held back for the delay is let out; everybody is told."""
        self.take_late_taps()
        self._publish(self.signals.finish(self.time_s()))
        for outbox in self.outboxes():
            outbox.put(type="ended")
            outbox.close(1000, "ended")

    def take_batch(self) -> Batch:
        """Return what is to be stored, once."""
        batch, self.batch = self.batch, Batch()
        return batch

    def outboxes(self) -> list[Outbox]:
        """Return all open sockets."""
        students = [student.outbox for student in self.students.values()]
        return [*self.teachers, *(outbox for outbox in students if outbox is not None)]

    def _publish(self, published: Publication) -> None:
        for student_id, readings in published.readings.items():
            for reading in readings:
                self._keep_reading(student_id, reading)
        for aggregate in published.aggregates:
            self._keep("aggregate", aggregate.as_dict(), aggregate.time_s)
        for counts in published.answers:
            self._keep("answers", counts.as_dict(), counts.end_s)
        for moment in published.moments:
            self._keep_moment(moment)
        if published.agreement is not None:
            self._keep("agreement", published.agreement.as_dict(), self.time_s())

    def _keep_reading(self, student_id: str, reading: signals.Reading) -> None:
        student = self.students.get(student_id)
        if student is None:
            return
        fields = reading.as_dict()
        student.tell(type="reading", **fields)
        self.batch.windows.append(
            {
                "lesson": self.id,
                "participant": student_id,
                "at": self.at(reading.time_s),
                "state": reading.state.value,
                "window": fields,
            }
        )

    def _keep(self, kind: str, fields: dict[str, Any], time_s: float) -> None:
        message = {"type": kind, **fields}
        self._tell_teachers(message)
        row = {"lesson": self.id, "at": self.at(time_s), "kind": kind, "aggregate": fields}
        self.batch.aggregates.append(row)

    def _keep_moment(self, moment: signals.Moment) -> None:
        fields = moment.as_dict()
        self._tell_teachers({"type": "moment", **fields})
        key = {"lesson": self.id, "state": moment.state.value, "start_s": moment.start_s}
        self.batch.moments.append({**key, "moment": fields})

    # What teachers are told

    def watch(self, teacher: Outbox) -> None:
        """Tell a teacher's page that has just come how everything stands, and all that comes from now on."""
        started_at = self.record.started_at.isoformat()
        teacher.put(type="history", messages=self.history, started_at=started_at)
        teacher.put(**self.room())
        for part, state in self._server.items():
            if any(state.values()):
                teacher.put(type=part, **state)
        self.teachers.add(teacher)

    def _tell_teachers(self, message: dict[str, Any]) -> None:
        self.history.append(message)
        for outbox in self.teachers:
            outbox.put(**message)

    def tell_store(self, away_since: datetime | None, reason: str | None) -> None:
        """Tell teachers when rows begin to be missing and why, and when that is over."""
        since = away_since.isoformat() if away_since else None
        self._tell_change("store", {"away_since": since, "reason": reason})

    def tell_load(self, is_too_high: bool) -> None:
        """Tell teachers when the server lets cameras send so little that no window has enough, and when that is over."""
        self._tell_change("load", {"is_too_high": is_too_high})

    def _tell_change(self, part: str, state: dict[str, Any]) -> None:
        if state != self._server[part]:
            self._server[part] = state
            for outbox in self.teachers:
                outbox.put(type=part, **state)

    def tell_waiting(self) -> None:
        """Tell teachers who waits, and how many are in."""
        message = self.room()
        for outbox in self.teachers:
            outbox.put(**message)

    def waiting(self, handles: Iterable[str]) -> list[LiveStudent]:
        """Return those of whom a teacher's page speaks, if they still wait."""
        asked = set(handles)
        students = self.students.values()
        return [one for one in students if one.handle in asked and not one.is_admitted]

    def room(self) -> dict[str, Any]:
        """Return who waits, by handle and tag, and how many have been let in; no names exist."""
        students = self.students.values()
        return {
            "type": "room",
            "waiting": [
                {"id": s.handle, "tag": s.record.tag} for s in students if not s.is_admitted
            ],
            "admitted": sum(s.is_admitted for s in students),
            "connected": sum(s.is_admitted and s.outbox is not None for s in students),
        }
