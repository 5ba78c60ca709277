"""A student of a running lesson, in memory: the open socket, the newest picture, the last tap."""

from __future__ import annotations

from dataclasses import dataclass, field

from mien.classroom.limits import Bucket, Rate
from mien.classroom.outbox import Outbox
from mien.classroom.protocol import SequenceGuard
from mien.classroom.records import ParticipantRecord
from mien.classroom.signals import Answer
from mien.classroom.tokens import new_id

__all__ = ["TAPS", "Frame", "LiveStudent"]

TAPS = Rate(burst=5, per_s=0.2)
"""Of one student: so many are taken in. Of those who tap faster the last one is, which is the one that counts in its minute."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The newest picture of a student, in memory only."""

    sequence: int
    jpeg: bytes
    received_s: float
    """On the monotonic clock."""


@dataclass(slots=True)
class LiveStudent:
    """A student of a running lesson."""

    record: ParticipantRecord
    handle: str = field(default_factory=new_id)
    """What the teacher's page calls the student while waiting; it is stored nowhere and means nothing afterwards, for by the
    id, under which rows are kept, a tag that was said aloud would lead to them."""
    guard: SequenceGuard = field(default_factory=SequenceGuard)
    outbox: Outbox | None = None
    """Of the open socket."""
    newest: Frame | None = None
    in_work: bool = False
    """Whether one of the student's frames is being looked at, or the newest is in line for it."""
    taps: Bucket = field(default_factory=lambda: Bucket(TAPS))
    late_tap: tuple[float, Answer] | None = None
    """What was tapped last and when, if it could not be taken in yet; a newer one takes its place."""
    seen_s: float = 0.0
    """When the socket was last open, on the monotonic clock."""
    is_counted: bool = False
    """Whether the signals know the student."""
    camera_changes: int = 0
    """How often the student has begun or stopped to send."""

    @property
    def id(self) -> str:
        """The participant's id."""
        return self.record.id

    @property
    def is_admitted(self) -> bool:
        """Whether the teacher has let the student in."""
        return self.record.admitted_at is not None

    def tell(self, **message: object) -> None:
        """Send a message, if a socket is open."""
        if self.outbox is not None:
            self.outbox.put(**message)
