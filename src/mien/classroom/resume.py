"""Going on with a lesson after a restart, from what the store has of it; it blocks, as the store does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import datetime

from mien.classroom import tables
from mien.classroom.lessons import LiveLesson, new_signals
from mien.classroom.policy import Decision
from mien.classroom.protocol import MAX_AHEAD
from mien.classroom.records import LessonRecord, Row
from mien.classroom.signals import ClassSignals, SignalMapping
from mien.classroom.store import Store

__all__ = ["resume"]


def resume(
    store: Store,
    record: LessonRecord,
    decision: Decision,
    mapping: SignalMapping,
    now: Callable[[], datetime],
    clock: Callable[[], float] = time.monotonic,
) -> LiveLesson:
    """Return a lesson as it was when the server ended.

    Args:
        store: Where the lesson is kept.
        record: Of the lesson, which ran under the same rules.
        decision: Of the policy gate.
        mapping: The one that the lesson began with.
        now: The time in UTC.
        clock: Seconds that pass.

    Raises:
        StoreError: If the store does not answer.
    """
    snapshot = store.snapshot(record.id)
    memory = snapshot["signals"] if snapshot else None
    rows = store.rows_of(tables.aggregates, record.id)
    signals = new_signals(decision, mapping)
    if memory is not None:
        signals = ClassSignals.from_dict(memory["signals"], mapping)
    _go_on_after(signals, [row for row in rows if row["kind"] != "agreement"], memory is not None)
    times = [row["at"] for row in (*rows, snapshot) if row is not None]
    passed_s = max(((at - record.started_at).total_seconds() for at in times), default=0.0)
    lesson = LiveLesson(record, decision, signals, now, clock, passed_s)
    for row in rows:
        lesson.history.append({"type": row["kind"], **row["aggregate"]})
    for row in store.rows_of(tables.moments, record.id):
        lesson.history.append({"type": "moment", **row["moment"]})
    counted = set(memory["counted"]) if memory else set()
    sequences = memory.get("sequences", {}) if memory else {}  # unknown to an older version
    for participant in store.participants(record.id):
        last = sequences.get(participant.id, 0)
        lesson.add(participant, participant.id in counted, last + MAX_AHEAD if last else 0)
    lesson.go_on(passed_s)
    return lesson


def _go_on_after(signals: ClassSignals, rows: Iterable[Row], has_memory: bool) -> None:
    """Publish nothing again, and no shares that could be held against those whose making is forgotten."""
    remembered_s = signals.now_s if has_memory else -1.0
    for row in rows:
        stored = row["aggregate"]
        if row["kind"] == "answers":
            signals.skip_answers(stored["end_s"])
            continue
        signals.skip_windows(stored["time_s"])
        if stored["percent"] is not None and stored["published_s"] > remembered_s:
            signals.close_shares()
