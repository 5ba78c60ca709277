"""Join codes, tokens and receipts: random, short-lived, kept only as digests. There is no secret that could have a default."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Container, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mien.classroom.store import Store, StoreError

__all__ = [
    "STUDENT_MINUTES",
    "TEACHER_HOURS",
    "TEACHER_MINUTES",
    "Bearer",
    "Tokens",
    "new_code",
    "new_id",
    "new_tag",
    "normal_code",
    "teacher_of_key",
]

STUDENT_MINUTES = 15
"""A student's token is void so long after its last use."""
TEACHER_MINUTES = 60
TEACHER_HOURS = 12
"""So long after signing in a teacher's token is void however much it is used; a lesson lasts no longer."""

_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Without letters that are read wrongly from a screen: 0 and O, 1, I and L, U and V."""
_CODE_LENGTH = 8
_TAG_LENGTH = 3
_RECEIPT_LENGTH = 12
_RECEIPT = "receipt:"
"""Before a receipt when it is digested, so that it is never taken for a token."""
_MAX_KNOWN = 4000


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who brings a token: a teacher by name, or a participant of one lesson."""

    digest: str
    teacher: str | None
    participant: str | None
    lesson: str | None
    """Of a participant; None for a teacher, who may have several."""
    until: datetime | None = None
    """When a teacher's token ends whatever is done with it; a student's lives as long as there is anything to delete."""


class Tokens:
    """Issues tokens and recognises them again, after a restart too."""

    def __init__(self, store: Store, now: Callable[[], datetime], keys: Mapping[str, str]) -> None:
        """Keep digests in ``store``; ``now`` gives the time in UTC, ``keys`` each teacher's key by the teacher's name."""
        self._store = store
        self._now = now
        self._keys = keys
        self._known: dict[str, tuple[Bearer, datetime]] = {}
        """Those that were last used: who wants to stop or to withdraw can, though the store is away."""

    def for_teacher(self, teacher: str) -> str:
        """Issue a token to a teacher who has shown the key.

        It holds when it was issued, and a trace of the key. Nobody can change either: then its digest is another one.
        """
        word = f"{secrets.token_urlsafe(32)}.{int(self._now().timestamp())}"
        token = f"{word}.{_trace(word, self._keys[teacher])}"
        return self._issue(token, TEACHER_MINUTES, teacher=teacher, participant=None)

    def for_participant(self, participant: str) -> str:
        """Issue a token to a student who has joined."""
        token = secrets.token_urlsafe(32)
        return self._issue(token, STUDENT_MINUTES, teacher=None, participant=participant)

    def receipt(self, participant: str, hours: float) -> str:
        """Give a student something to write down, by which to come back for so long if the page is closed."""
        receipt = _random_word(_RECEIPT_LENGTH)
        until = self._now() + timedelta(hours=hours)
        self._store.add_token(_digest(_RECEIPT + receipt), until, None, participant)
        return receipt

    def from_receipt(self, receipt: str) -> str | None:
        """Return a new token for a receipt as it was typed; None if it is unknown or over."""
        row = self._store.token(_digest(_RECEIPT + normal_code(receipt)))
        try:
            return self.for_participant(row["participant"]) if row else None
        except StoreError as error:
            if error.reason == "refused":  # the student was deleted in the meantime
                return None
            raise

    def bearer(self, token: str) -> Bearer | None:
        """Return who brings a token; None if it is unknown, over, or of a key that is no teacher's any more.

        Using it lets it live on, a teacher's for `TEACHER_HOURS` at most.

        Raises:
            StoreError: If the store is away and has not told of this token before.
        """
        digest = _digest(token)
        try:
            row = self._store.token(digest)
        except StoreError:
            if (bearer := self._from_memory(digest)) is None:
                raise
            return bearer
        until = self._end_of(token, row["teacher"]) if row and row["teacher"] else None
        if row is None or (row["teacher"] and (until is None or until <= self._now())):
            self._known.pop(digest, None)
            return None
        bearer = Bearer(digest, row["teacher"], row["participant"], row["lesson"], until)
        self._remember(bearer, row["expires_at"])
        with suppress(StoreError):  # locked: it can be read, and lives on for half its time
            self._extend(bearer, row["expires_at"])
        return bearer

    def _from_memory(self, digest: str) -> Bearer | None:
        bearer, expires_at = self._known.get(digest, (None, None))
        if bearer is None or expires_at is None or expires_at <= self._now():
            return None
        return None if bearer.until and bearer.until <= self._now() else bearer

    def _end_of(self, token: str, teacher: str) -> datetime | None:
        """When a teacher's token ends at the latest; None if the teacher has no key any more, or another one."""
        word, _, trace = token.rpartition(".")
        key = self._keys.get(teacher)
        if key is None or not secrets.compare_digest(trace.encode(), _trace(word, key).encode()):
            return None
        issued = datetime.fromtimestamp(int(word.rpartition(".")[2]), UTC)
        return issued + timedelta(hours=TEACHER_HOURS)

    def seconds_left(self, bearer: Bearer) -> float | None:
        """Return after how long a token ends whatever is done with it; None for a student's."""
        return (bearer.until - self._now()).total_seconds() if bearer.until else None

    def recall(self, token: str) -> Bearer | None:
        """Return who brings a token that was used lately, from memory; None if the store has to be asked.

        For connections that break all at once and come back: asking the store for each takes as long as all the rest of
        letting them in, in threads that hold up everybody else. A token past half of its time is not recalled, so that
        the store lets it live on. For sockets only: what a withdrawal deletes is refused there by the lesson as well.
        """
        digest = _digest(token)
        if (bearer := self._from_memory(digest)) is None:
            return None
        expires_at = self._known[digest][1]
        return None if self._is_half_over(expires_at, _minutes(bearer.participant)) else bearer

    def is_known(self, token: str) -> bool:
        """Whether a token was in use lately and is not over; the store is not asked."""
        return self.remembered(token) is not None

    def remembered(self, token: str) -> Bearer | None:
        """Return who brings a token, as far as memory knows: for a store that does not answer."""
        return self._from_memory(_digest(token))

    def forget(self, participant: str) -> None:
        """Recall no token of a student who has withdrawn."""
        for digest, (bearer, _) in list(self._known.items()):
            if bearer.participant == participant:
                self._known.pop(digest, None)

    def revoke(self, bearer: Bearer) -> None:
        """Make a token void."""
        self._known.pop(bearer.digest, None)
        self._store.delete_token(bearer.digest)

    def _remember(self, bearer: Bearer, expires_at: datetime) -> None:
        self._known.pop(bearer.digest, None)  # the last used stand last
        self._known[bearer.digest] = (bearer, expires_at)
        if len(self._known) > _MAX_KNOWN:
            self._known.pop(next(iter(self._known)), None)

    def _issue(self, token: str, minutes: int, teacher: str | None, participant: str | None) -> str:
        expires_at = self._now() + timedelta(minutes=minutes)
        self._store.add_token(_digest(token), expires_at, teacher, participant)
        return token

    def _extend(self, bearer: Bearer, expires_at: datetime) -> None:
        """Write only when half the time is over: not every request should."""
        minutes = _minutes(bearer.participant)
        extended = self._now() + timedelta(minutes=minutes)
        extended = min(extended, bearer.until) if bearer.until else extended
        if self._is_half_over(expires_at, minutes) and extended > expires_at:
            self._store.extend_token(bearer.digest, extended)

    def _is_half_over(self, expires_at: datetime, minutes: int) -> bool:
        return expires_at - self._now() < timedelta(minutes=minutes / 2)


def _minutes(participant: str | None) -> int:
    return STUDENT_MINUTES if participant else TEACHER_MINUTES


def _digest(token: str) -> str:
    # A plain digest is enough: nobody can guess 256 random bits, salted or not.
    return hashlib.sha256(token.encode()).hexdigest()


def _trace(word: str, key: str) -> str:
    """What a token remembers of the key that it was given for: enough to see that it is another one now."""
    return hmac.new(key.encode(), word.encode(), "sha256").hexdigest()[:16]


def new_id() -> str:
    """Return a random id without any meaning."""
    return secrets.token_hex(12)


def new_code() -> str:
    """Return what students type to join: 30^8 possibilities."""
    return _random_word(_CODE_LENGTH)


def normal_code(typed: str) -> str:
    """Return a code as it is kept, however it was typed."""
    return "".join(letter for letter in typed.upper() if letter in _ALPHABET)


def new_tag(taken: Container[str | None] = ()) -> str:
    """Return a short word by which a waiting student can say: that is me; none that is ``taken``."""
    while (tag := _random_word(_TAG_LENGTH)) in taken:
        pass
    return tag


def _random_word(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def teacher_of_key(keys: Mapping[str, str], key: str) -> str | None:
    """Return the teacher who has a key; every key is compared, so that time tells nothing."""
    found = None
    for teacher, own in keys.items():
        if secrets.compare_digest(own.encode(), key.encode()):
            found = teacher
    return found
