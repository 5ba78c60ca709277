"""Join codes, tokens and receipts: random, short-lived, kept only as digests. There is no secret that could have a default."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from mien.classroom.store import Store, StoreError

__all__ = [
    "STUDENT_MINUTES",
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


class Tokens:
    """Issues tokens and recognises them again, after a restart too."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        """Keep digests in ``store``; ``now`` gives the time in UTC."""
        self._store = store
        self._now = now
        self._known: dict[str, tuple[Bearer, datetime]] = {}
        """Those that were last used: who wants to stop or to withdraw can, though the store is away."""

    def for_teacher(self, teacher: str) -> str:
        """Issue a token to a teacher who has shown the key."""
        return self._issue(TEACHER_MINUTES, teacher=teacher, participant=None)

    def for_participant(self, participant: str) -> str:
        """Issue a token to a student who has joined."""
        return self._issue(STUDENT_MINUTES, teacher=None, participant=participant)

    def receipt(self, participant: str, hours: float) -> str:
        """Give a student something to write down, by which to come back for so long if the page is closed."""
        receipt = _random_word(_RECEIPT_LENGTH)
        until = self._now() + timedelta(hours=hours)
        self._store.add_token(_digest(_RECEIPT + receipt), until, None, participant)
        return receipt

    def from_receipt(self, receipt: str) -> str | None:
        """Return a new token for a receipt as it was typed; None if it is unknown or over."""
        row = self._store.token(_digest(_RECEIPT + normal_code(receipt)))
        return self.for_participant(row["participant"]) if row else None

    def bearer(self, token: str) -> Bearer | None:
        """Return who brings a token; None if it is unknown or over. Using it lets it live on.

        Raises:
            StoreError: If the store is away and has not told of this token before.
        """
        digest = _digest(token)
        try:
            row = self._store.token(digest)
        except StoreError:
            bearer, expires_at = self._known.get(digest, (None, self._now()))
            if bearer is None or expires_at <= self._now():
                raise
            return bearer
        if row is None:
            self._known.pop(digest, None)
            return None
        bearer = Bearer(digest, row["teacher"], row["participant"], row["lesson"])
        self._remember(bearer, row["expires_at"])
        with suppress(StoreError):  # locked: it can be read, and lives on for half its time
            self._extend(digest, row["expires_at"], _minutes(row["participant"]))
        return bearer

    def recall(self, token: str) -> Bearer | None:
        """Return who brings a token that was used lately, from memory; None if the store has to be asked.

        For connections that break all at once and come back: asking the store for each takes as long as all the rest of
        letting them in, in threads that hold up everybody else. A token past half of its time is not recalled, so that
        the store lets it live on. For sockets only: what a withdrawal deletes is refused there by the lesson as well.
        """
        bearer, expires_at = self._known.get(_digest(token), (None, None))
        if bearer is None or expires_at is None:
            return None
        return None if self._is_half_over(expires_at, _minutes(bearer.participant)) else bearer

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

    def _issue(self, minutes: int, teacher: str | None, participant: str | None) -> str:
        token = secrets.token_urlsafe(32)
        expires_at = self._now() + timedelta(minutes=minutes)
        self._store.add_token(_digest(token), expires_at, teacher, participant)
        return token

    def _extend(self, digest: str, expires_at: datetime, minutes: int) -> None:
        """Write only when half the time is over: not every request should."""
        if self._is_half_over(expires_at, minutes):
            self._store.extend_token(digest, self._now() + timedelta(minutes=minutes))

    def _is_half_over(self, expires_at: datetime, minutes: int) -> bool:
        return expires_at - self._now() < timedelta(minutes=minutes / 2)


def _minutes(participant: str | None) -> int:
    return STUDENT_MINUTES if participant else TEACHER_MINUTES


def _digest(token: str) -> str:
    # A plain digest is enough: nobody can guess 256 random bits, salted or not.
    return hashlib.sha256(token.encode()).hexdigest()


def new_id() -> str:
    """Return a random id without any meaning."""
    return secrets.token_hex(12)


def new_code() -> str:
    """Return what students type to join: 30^8 possibilities."""
    return _random_word(_CODE_LENGTH)


def normal_code(typed: str) -> str:
    """Return a code as it is kept, however it was typed."""
    return "".join(letter for letter in typed.upper() if letter in _ALPHABET)


def new_tag() -> str:
    """Return a short word by which a waiting student can say: that is me."""
    return _random_word(_TAG_LENGTH)


def _random_word(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def teacher_of_key(keys: Mapping[str, str], key: str) -> str | None:
    """Return the teacher who has a key; every key is compared, so that time tells nothing."""
    found = None
    for teacher, own in keys.items():
        if secrets.compare_digest(own.encode(), key.encode()):
            found = teacher
    return found
