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
from mien.classroom.records import Batch, Row
from mien.classroom.store import Store, StoreError

__all__ = ["MAX_WAITING_ROWS", "Writer"]

logger = logging.getLogger(__name__)

ANSWER_S = 5.0
"""A store that has not taken a batch by then is away; what it was given last may still be taken."""
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
    unsure: Batch = field(default_factory=Batch)
    """What the store may have taken, in the transaction of this number; it is asked before anything else is written."""
    number: int | None = None
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
            has_rows = len(state.waiting) or state.waiting.snapshot or state.forgetting
            if not has_rows and state.away_since is None:
                return True
            return await self._try(lesson, state)

    async def _try(self, lesson: str, state: _Lesson) -> bool:
        was_away = state.away_since is not None
        try:
            for participant in list(state.forgetting):
                await self._delete(state, participant)
            await self._settle(state)
            batch = state.waiting
            if was_away:
                batch = Batch(gaps=[self._gap(lesson, state)])
                batch.add(state.waiting)
            await self._write_batch(state, batch)
        except StoreError as error:
            self._keep(state, error)
            return False
        self._metrics.batches.labels("written").inc()
        state.waiting = Batch()
        if was_away:  # one that was only slow this time is marked with the next batch
            logger.warning("The store is back; %d rows were lost.", state.lost)
            state.away_since, state.lost = None, 0
        return state.away_since is None

    async def _settle(self, state: _Lesson) -> None:
        """Have what was not taken wait again, before what came later."""
        if state.number is None:
            return
        if not await self._ask(state, self._store.has_taken, state.number):
            state.unsure.add(state.waiting)
            state.waiting = state.unsure
        state.unsure, state.number = Batch(), None

    async def _ask(self, state: _Lesson, call: Callable[..., Any], *args: Any) -> Any:
        """Have the store do something; whoever looks on is told when it takes too long."""
        asked = asyncio.ensure_future(self._in_thread(call, *args))
        try:
            await asyncio.wait({asked}, timeout=ANSWER_S)
            if not asked.done():
                late = StoreError(f"The store has not answered for {ANSWER_S:g} s.")
                self._note_away(state, late)
            return await asked
        finally:
            asked.cancel()

    async def _delete(self, state: _Lesson, participant: str) -> None:
        delete = self._store.delete_participant
        await self._ask(state, delete, participant, state.waiting.snapshot)
        state.forgetting.discard(participant)

    async def _write_batch(self, state: _Lesson, batch: Batch) -> None:
        """Write rows and snapshot together; if one of them is refused, the other all the same.

        Raises:
            StoreError: If the store does not answer, or refuses the rows.
        """
        try:
            await self._ask(state, self._store.write, batch)
        except StoreError as error:
            if error.reason != "refused" or batch.snapshot is None or not len(batch):
                raise
        else:
            return
        alone = Batch(snapshot=batch.snapshot)
        batch.snapshot = None
        try:
            await self._ask(state, self._store.write, batch)
        finally:
            await self._write_snapshot(state, alone)

    async def _write_snapshot(self, state: _Lesson, alone: Batch) -> None:
        try:
            await self._ask(state, self._store.write, alone)
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
        self._note_away(state, error)
        if error.reason == "refused":  # it would be refused again
            self._lose(state, len(state.waiting))
            state.waiting = Batch()
        elif error.unsure is not None:
            state.number, state.unsure, state.waiting = error.unsure, state.waiting, Batch()
        for _, rows in state.waiting.parts():
            over = len(state.waiting) - MAX_WAITING_ROWS
            if over > 0:
                self._lose(state, min(over, len(rows)))
                del rows[:over]

    def _note_away(self, state: _Lesson, error: StoreError) -> None:
        if state.away_since is None:
            remedy = _REMEDIES.get(error.reason, "")
            logger.warning("%s The lesson goes on; a gap is marked. %s", error, remedy)
            state.away_since, state.reason = self._now(), error.reason

    def _lose(self, state: _Lesson, rows: int) -> None:
        state.lost += rows
        self._metrics.lost_rows.inc(rows)

    async def forget(
        self, lesson: str, participant: str, snapshot: Callable[[], Row] | None = None
    ) -> bool:
        """Delete a student's rows: those that wait at once, those that are kept as soon as the store is free.

        Args:
            lesson: The lesson's id.
            participant: The student's.
            snapshot: Gives the lesson's memory without the student, which takes the place of the last one; None if the
                lesson is over.

        Returns:
            Whether the store has done it; if not, it is told again until it does.
        """
        state = self._lessons.setdefault(lesson, _Lesson())
        state.forgetting.add(participant)
        _leave_out(state, participant)
        async with state.lock:  # a write that is going on would put rows back, or fail for them
            _leave_out(state, participant)
            state.waiting.snapshot = snapshot() if snapshot is not None else None
            try:
                await self._delete(state, participant)
            except StoreError:
                return False
        return True

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
            state.lock.locked()
            or state.forgetting
            or state.number is not None
            or len(state.incoming)
            or len(state.waiting)
        ):
            return False
        self._lessons.pop(lesson, None)
        return True

    def drop(self, lesson: str) -> None:
        """Forget a lesson that was deleted, with all that waits."""
        self._lessons.pop(lesson, None)


def _leave_out(state: _Lesson, participant: str) -> None:
    state.incoming = state.incoming.without(participant)
    state.waiting = state.waiting.without(participant)
    state.unsure = state.unsure.without(participant)
