"""One batched write a second for each lesson; a store that is locked, full or gone stops no lesson.

What could not be written waits in memory, up to a bound; the time without a store is marked as a gap.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mien.classroom.metrics import Metrics
from mien.classroom.store import Batch, Row, Store, StoreError

__all__ = ["MAX_WAITING_ROWS", "Writer"]

logger = logging.getLogger(__name__)

MAX_WAITING_ROWS = 5000
"""For one lesson: two minutes of 200 students."""

_REMEDIES = {
    "locked": "Another program holds it: end that one.",
    "full": "Make room on its disk.",
    "gone": "See that it runs and can be written to.",
}
"""What whoever runs the server can do; rows that are refused are a fault of ours."""

InThread = Callable[..., Awaitable[Any]]


@dataclass(slots=True)
class _Lesson:
    incoming: Batch = field(default_factory=Batch)
    """Handed over since the last try; joined to what waits when the next one begins."""
    waiting: Batch = field(default_factory=Batch)
    away_since: datetime | None = None
    reason: str = ""
    lost: int = 0
    forgetting: set[str] = field(default_factory=set)
    """Students who withdrew while the store was away; they are deleted before anything else is written."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Writer:
    """Keeps what waits to be written, by lesson."""

    def __init__(
        self, store: Store, in_thread: InThread, now: Callable[[], datetime], metrics: Metrics
    ) -> None:
        """Write to ``store`` by ``in_thread``, which runs a blocking call elsewhere."""
        self._store = store
        self._in_thread = in_thread
        self._now = now
        self._metrics = metrics
        self._lessons: dict[str, _Lesson] = {}

    def away_since(self, lesson: str) -> datetime | None:
        """Return since when the store has taken nothing of a lesson; None if all is well."""
        return self._lessons[lesson].away_since if lesson in self._lessons else None

    def reason(self, lesson: str) -> str | None:
        """Return why the store takes nothing of a lesson; None if all is well."""
        return self._lessons[lesson].reason if self.away_since(lesson) else None

    def trouble(self) -> str | None:
        """Return why the store takes nothing of any lesson; None if all is well. A full disk still gives what it has."""
        return next((why for lesson in self._lessons if (why := self.reason(lesson))), None)

    def is_busy(self, lesson: str) -> bool:
        """Whether a write of the lesson is going on; then the next one waits for its turn."""
        return lesson in self._lessons and self._lessons[lesson].lock.locked()

    def write(self, lesson: str, batch: Batch) -> Coroutine[Any, Any, bool]:
        """Write a batch and what waited before it; return whether the store took it.

        The batch is in the writer's hands from the call on, not from the first await: a student who withdraws in between
        is taken out of it.
        """
        state = self._lessons.setdefault(lesson, _Lesson())
        state.incoming.add(batch)
        return self._write(lesson, state)

    async def _write(self, lesson: str, state: _Lesson) -> bool:
        async with state.lock:
            state.waiting.add(state.incoming)
            state.incoming = Batch()
            if not len(state.waiting) and not state.waiting.snapshot and not state.forgetting:
                return state.away_since is None
            return await self._try(lesson, state)

    async def _try(self, lesson: str, state: _Lesson) -> bool:
        batch = state.waiting
        if state.away_since is not None:
            batch = Batch(gaps=[self._gap(lesson, state)])
            batch.add(state.waiting)
        try:
            for participant in list(state.forgetting):
                delete = self._store.delete_participant
                await self._in_thread(delete, participant, state.waiting.snapshot)
                state.forgetting.discard(participant)
            await self._write_batch(batch)
        except StoreError as error:
            self._keep(state, error)
            return False
        if state.away_since is not None:
            logger.warning("The store is back; %d rows were lost.", state.lost)
        self._metrics.batches.labels("written").inc()
        state.waiting, state.away_since, state.lost = Batch(), None, 0
        return True

    async def _write_batch(self, batch: Batch) -> None:
        """Write rows and snapshot together; if one of them is refused, the other all the same.

        Raises:
            StoreError: If the store does not answer, or refuses the rows.
        """
        try:
            await self._in_thread(self._store.write, batch)
        except StoreError as error:
            if error.reason != "refused" or batch.snapshot is None or not len(batch):
                raise
        else:
            return
        alone = Batch(snapshot=batch.snapshot)
        batch.snapshot = None
        try:
            await self._in_thread(self._store.write, batch)
        finally:
            await self._write_snapshot(alone)

    async def _write_snapshot(self, alone: Batch) -> None:
        try:
            await self._in_thread(self._store.write, alone)
        except StoreError as error:
            logger.warning("%s The lesson's memory is that of before.", error)

    def _gap(self, lesson: str, state: _Lesson) -> dict[str, Any]:
        return {
            "lesson": lesson,
            "start_at": state.away_since,
            "end_at": self._now(),
            "reason": state.reason,
            "lost_rows": state.lost,
        }

    def _keep(self, state: _Lesson, error: StoreError) -> None:
        self._metrics.batches.labels(error.reason).inc()
        if state.away_since is None:
            remedy = _REMEDIES.get(error.reason, "")
            logger.warning("%s The lesson goes on; a gap is marked. %s", error, remedy)
            state.away_since, state.reason = self._now(), error.reason
        if error.reason == "refused":  # it would be refused again
            self._lose(state, len(state.waiting))
            state.waiting = Batch()
        for _, rows in state.waiting.parts():
            over = len(state.waiting) - MAX_WAITING_ROWS
            if over > 0:
                self._lose(state, min(over, len(rows)))
                del rows[:over]

    def _lose(self, state: _Lesson, rows: int) -> None:
        state.lost += rows
        self._metrics.lost_rows.inc(rows)

    async def forget(
        self, lesson: str, participant: str, snapshot: Callable[[], Row] | None = None
    ) -> None:
        """Delete a student's rows: those that wait, and those that are kept.

        Args:
            lesson: The lesson's id.
            participant: The student's.
            snapshot: Gives the lesson's memory without the student, which takes the place of the last one; None if the
                lesson is over.

        Raises:
            StoreError: If the store does not answer; it is told again until it does.
        """
        state = self._lessons.setdefault(lesson, _Lesson())
        async with state.lock:  # a write that is going on would put rows back, or fail for them
            state.incoming = state.incoming.without(participant)
            state.waiting = state.waiting.without(participant)
            state.waiting.snapshot = snapshot() if snapshot is not None else None
            try:
                delete = self._store.delete_participant
                await self._in_thread(delete, participant, state.waiting.snapshot)
            except StoreError:
                state.forgetting.add(participant)
                raise

    def holds(self, lesson: str) -> bool:
        """Whether rows of a lesson may still be on their way."""
        return lesson in self._lessons

    def is_forgotten(self, lesson: str, participant: str) -> bool:
        """Whether a student has withdrawn whose rows the store could not delete yet."""
        return lesson in self._lessons and participant in self._lessons[lesson].forgetting

    def close(self, lesson: str) -> bool:
        """Forget a lesson that has ended; False, and not yet, if something of it is still to be written or deleted."""
        state = self._lessons.get(lesson)
        if state is not None and (
            state.lock.locked() or state.forgetting or len(state.incoming) or len(state.waiting)
        ):
            return False
        self._lessons.pop(lesson, None)
        return True
