"""The rows of lessons: SQLite in WAL mode beside the program, or PostgreSQL by URL. The only place with SQL.

Calls block; the server makes them from one thread of its own. Nothing here has ever seen a pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from mien.classroom import tables
from mien.classroom.ages import too_old
from mien.classroom.database import BUSY_TIMEOUT_S
from mien.classroom.records import Batch, LessonRecord, ParticipantRecord, Row
from mien.classroom.remains import Remains
from mien.classroom.store_lock import StoreLock
from mien.classroom.transaction import StoreError, Transaction

__all__ = ["Store", "StoreError"]


class Store:
    """Reads and writes the rows of lessons."""

    def __init__(
        self,
        engine: sa.Engine,
        now: Callable[[], datetime] | None = None,
        lock: StoreLock | None = None,
    ) -> None:
        """Take an opened database.

        Args:
            engine: From `open_engine`; its schema is up to date.
            now: Gives the time in UTC.
            lock: That no other server has the store; None for those who only look or purge.
        """
        self._engine = engine
        self._now = now or (lambda: datetime.now(UTC))
        self._lock = lock
        self.remains = Remains(engine, round(1000 * BUSY_TIMEOUT_S))
        """What deleting has left on the disk."""

    # Lessons

    def add_lesson(self, lesson: LessonRecord) -> None:
        """Keep a new lesson."""
        self._run(sa.insert(tables.lessons).values(**_fields(lesson)))

    def end_lesson(
        self, lesson: str, tokens_until: datetime, ended_at: datetime | None = None
    ) -> None:
        """Mark a lesson as ended.

        Args:
            lesson: The lesson's id.
            tokens_until: Until then its students can see and delete what is kept of them.
            ended_at: When that was, if it could not be written down at once.
        """
        students = sa.select(tables.participants.c.id).where(tables.participants.c.lesson == lesson)
        ended_at = ended_at or self._now()
        was_in_use = tables.tokens.c.expires_at > ended_at
        with self._begin() as connection:
            connection.execute(
                sa.update(tables.lessons)
                .where(tables.lessons.c.id == lesson, tables.lessons.c.ended_at.is_(None))
                .values(ended_at=ended_at, code=None)
            )
            connection.execute(
                sa.update(tables.tokens)
                .where(tables.tokens.c.participant.in_(students), was_in_use)
                .values(expires_at=tokens_until)
            )
            connection.execute(
                sa.delete(tables.snapshots).where(tables.snapshots.c.lesson == lesson)
            )
            connection.execute(
                sa.update(tables.participants)
                .where(tables.participants.c.lesson == lesson)
                .values(tag=None)
            )
        self.remains.note()  # the memory of single students

    def delete_lesson(self, lesson: str) -> None:
        """Delete a lesson with all its rows; that it was looked at stays known."""
        self._run(sa.delete(tables.lessons).where(tables.lessons.c.id == lesson))
        self.remains.note()

    def lesson(self, lesson: str) -> LessonRecord | None:
        """Return a lesson by its id."""
        rows = self._rows(sa.select(tables.lessons).where(tables.lessons.c.id == lesson))
        return LessonRecord(**rows[0]) if rows else None

    def lessons(self, teacher: str | None = None, running: bool = False) -> list[LessonRecord]:
        """Return lessons, the newest first.

        Args:
            teacher: Only theirs; None for all.
            running: Only those that have not ended.
        """
        query = sa.select(tables.lessons).order_by(tables.lessons.c.started_at.desc())
        if teacher is not None:
            query = query.where(tables.lessons.c.teacher == teacher)
        if running:
            query = query.where(tables.lessons.c.ended_at.is_(None))
        return [LessonRecord(**row) for row in self._rows(query)]

    # Participants

    def add_participant(self, participant: ParticipantRecord) -> None:
        """Keep a student who waits."""
        self._run(sa.insert(tables.participants).values(**_fields(participant)))

    def admit(self, participants: Sequence[str]) -> None:
        """Let students in; what they were known by while waiting is forgotten."""
        self._run(
            sa.update(tables.participants)
            .where(tables.participants.c.id.in_(participants))
            .values(admitted_at=self._now(), tag=None)
        )

    def set_camera(self, participant: ParticipantRecord) -> None:
        """Change what a student sends and has agreed to; consent to research is taken back by this, and never given."""
        changed: Row = {"camera": participant.camera, "consent": participant.consent}
        if participant.camera == "none" or not participant.research:
            changed["research"] = False
        chosen = tables.participants.c.id == participant.id
        self._run(sa.update(tables.participants).where(chosen).values(changed))

    def set_research(self, participant: str, agreed: bool) -> None:
        """Change whether a student's windows may be exported; nobody agrees who has stopped to send meanwhile."""
        may_agree = tables.participants.c.camera != "none"
        self._run(
            sa.update(tables.participants)
            .where(tables.participants.c.id == participant, *([may_agree] if agreed else []))
            .values(research=agreed)
        )

    def delete_participant(self, participant: str, snapshot: Row | None = None) -> None:
        """Delete a student with all rows and tokens, on the disk too.

        Args:
            participant: The student's id.
            snapshot: Takes the place of the lesson's last one, which holds the student. None deletes that only: a server
                that is killed then has forgotten whom the class was counted with.
        """
        own = sa.select(tables.participants.c.lesson).where(tables.participants.c.id == participant)
        with self._begin() as connection:
            connection.execute(
                sa.delete(tables.snapshots).where(tables.snapshots.c.lesson.in_(own))
            )
            connection.execute(
                sa.delete(tables.participants).where(tables.participants.c.id == participant)
            )
            if snapshot is not None:
                _replace(connection, tables.snapshots, snapshot, ("lesson",))
        self.remains.note()

    def participant(self, participant: str) -> ParticipantRecord | None:
        """Return a student by the id; None if it is unknown or deleted."""
        rows = self._rows(
            sa.select(tables.participants).where(tables.participants.c.id == participant)
        )
        return ParticipantRecord(**rows[0]) if rows else None

    def participants(self, lesson: str) -> list[ParticipantRecord]:
        """Return the students of a lesson in the order in which they came."""
        query = (
            sa.select(tables.participants)
            .where(tables.participants.c.lesson == lesson)
            .order_by(tables.participants.c.joined_at, tables.participants.c.id)
        )
        return [ParticipantRecord(**row) for row in self._rows(query)]

    # Tokens

    def add_token(
        self, digest: str, expires_at: datetime, teacher: str | None, participant: str | None
    ) -> None:
        """Keep a token's digest."""
        values = {"teacher": teacher, "participant": participant, "expires_at": expires_at}
        self._run(sa.insert(tables.tokens).values(digest=digest, **values))

    def token(self, digest: str) -> Row | None:
        """Return ``teacher``, ``participant``, ``lesson`` (of the participant) and ``expires_at``; None if unknown or over."""
        joined = tables.tokens.outerjoin(tables.participants)
        columns = (
            tables.tokens.c.teacher,
            tables.tokens.c.participant,
            tables.participants.c.lesson,
            tables.tokens.c.expires_at,
        )
        query = sa.select(*columns).select_from(joined).where(tables.tokens.c.digest == digest)
        rows = self._rows(query.where(tables.tokens.c.expires_at > self._now()))
        return rows[0] if rows else None

    def extend_token(self, digest: str, expires_at: datetime) -> None:
        """Let a token that is in use live on."""
        self._run(
            sa.update(tables.tokens)
            .where(tables.tokens.c.digest == digest)
            .values(expires_at=expires_at)
        )

    def delete_token(self, digest: str) -> None:
        """Make a token void."""
        self._run(sa.delete(tables.tokens).where(tables.tokens.c.digest == digest))

    # What lessons leave behind

    def write(self, batch: Batch) -> None:
        """Write a batch, all of it or nothing; by `StoreError.unsure` an error says that it is not known which."""
        number = None
        try:
            with self._begin() as connection:
                for table, rows in batch.parts():
                    if rows:
                        connection.execute(sa.insert(table), rows)
                for row in batch.moments:
                    _replace(connection, tables.moments, row, ("lesson", "state", "start_s"))
                for row in batch.gaps:  # the same one may have been taken with an earlier end
                    _replace(connection, tables.gaps, row, ("lesson", "start_at"))
                if batch.snapshot is not None:
                    _replace(connection, tables.snapshots, batch.snapshot, ("lesson",))
                # Last, when nothing but the commit can fail.
                if connection.dialect.name == "postgresql":
                    number = connection.scalar(sa.select(sa.func.txid_current()))
        except StoreError as error:
            error.unsure = number
            raise

    def has_taken(self, number: int) -> bool:
        """Whether a transaction was taken whose end nobody was told.

        Raises:
            StoreError: If the database does not answer, or may still be asked to commit it.
        """
        rows = self._rows(sa.select(sa.func.txid_status(number).label("status")))
        status = rows[0]["status"] if rows else None
        if status == "in progress":
            raise StoreError("The store has not ended the last transaction yet.", "locked")
        return status == "committed"

    def snapshot(self, lesson: str) -> Row | None:
        """Return the last snapshot of a running lesson."""
        rows = self._rows(sa.select(tables.snapshots).where(tables.snapshots.c.lesson == lesson))
        return rows[0] if rows else None

    def rows_of(self, table: sa.Table, lesson: str, participant: str | None = None) -> list[Row]:
        """Return the rows of one table for a lesson, or for one student, in the order written."""
        query = sa.select(table).where(table.c.lesson == lesson).order_by(table.c.id)
        if participant is not None:
            query = query.where(table.c.participant == participant)
        return self._rows(query)

    def note(self, teacher: str, lesson: str, action: str) -> None:
        """Write down that a teacher looked at something."""
        values = {"at": self._now(), "teacher": teacher, "lesson": lesson, "action": action}
        self._run(sa.insert(tables.audit).values(**values))

    def views(self, lesson: str) -> list[Row]:
        """Return who looked at a lesson, and when: ``at``, ``teacher``, ``action``."""
        columns = (tables.audit.c.at, tables.audit.c.teacher, tables.audit.c.action)
        query = sa.select(*columns).where(tables.audit.c.lesson == lesson)
        return self._rows(query.order_by(tables.audit.c.id))

    # Deleting what is too old

    def purge(self, window_hours: float, aggregate_days: float, audit_days: float) -> Row:
        """Delete what has reached its age; return how many rows of each kind went."""
        old = too_old(self._now(), window_hours, aggregate_days, audit_days)
        with self._begin() as connection:
            counts = {kind: connection.execute(rows).rowcount for kind, rows in old.items()}
        if any(counts.values()):  # else tables that nobody touched would be written anew all night
            self.remains.note()
        return counts

    def check(self) -> None:
        """Ask the database for an answer.

        Raises:
            StoreError: If it gives none.
        """
        self._rows(sa.select(sa.literal(1)))

    def hold(self) -> None:
        """See that no other server has the store.

        Raises:
            StoreError: If one has it by now, or the database does not answer.
        """
        if self._lock is not None:
            self._lock.renew()

    def close(self) -> None:
        """Close all connections, and leave the store to another server."""
        self._engine.dispose()
        if self._lock is not None:
            self._lock.close()

    def _begin(self) -> Transaction:
        if self._lock is not None and self._lock.is_lost:
            raise StoreError("Another server has taken the store.", "locked")
        return Transaction(self._engine)

    def _run(self, statement: sa.Executable) -> None:
        with self._begin() as connection:
            connection.execute(statement)

    def _rows(self, query: sa.Select[Any]) -> list[Row]:
        try:
            with self._begin() as connection:
                return [dict(row) for row in connection.execute(query).mappings()]
        except StoreError as error:
            if error.reason != "refused":
                raise
            return []  # no row has a value that the database cannot even ask for


def _fields(record: LessonRecord | ParticipantRecord) -> Row:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def _replace(connection: sa.Connection, table: sa.Table, row: Row, key: Sequence[str]) -> None:
    """Insert a row in the place of the one with the same key: in every SQL alike, and few rows need it."""
    connection.execute(sa.delete(table).where(*(table.c[name] == row[name] for name in key)))
    connection.execute(sa.insert(table).values(**row))
