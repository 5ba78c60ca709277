"""Join codes and tokens: random, short-lived, kept only as digests. There is no secret that could have a default."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from mien.classroom.store import Store

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

    def for_teacher(self, teacher: str) -> str:
        """Issue a token to a teacher who has shown the key."""
        return self._issue(TEACHER_MINUTES, teacher=teacher, participant=None)

    def for_participant(self, participant: str) -> str:
        """Issue a token to a student who has joined."""
        return self._issue(STUDENT_MINUTES, teacher=None, participant=participant)

    def bearer(self, token: str) -> Bearer | None:
        """Return who brings a token; None if it is unknown or over. Using it lets it live on."""
        digest = _digest(token)
        row = self._store.token(digest)
        if row is None:
            return None
        minutes = STUDENT_MINUTES if row["participant"] else TEACHER_MINUTES
        self._extend(digest, row["expires_at"], minutes)
        return Bearer(digest, row["teacher"], row["participant"], row["lesson"])

    def revoke(self, bearer: Bearer) -> None:
        """Make a token void."""
        self._store.delete_token(bearer.digest)

    def _issue(self, minutes: int, teacher: str | None, participant: str | None) -> str:
        token = secrets.token_urlsafe(32)
        expires_at = self._now() + timedelta(minutes=minutes)
        self._store.add_token(_digest(token), expires_at, teacher, participant)
        return token

    def _extend(self, digest: str, expires_at: datetime, minutes: int) -> None:
        """Write only when half the time is over: not every request should."""
        now = self._now()
        if expires_at - now < timedelta(minutes=minutes / 2):
            self._store.extend_token(digest, now + timedelta(minutes=minutes))


def _digest(token: str) -> str:
    # A plain digest is enough: nobody can guess 256 random bits, salted or not.
    return hashlib.sha256(token.encode()).hexdigest()


def new_id() -> str:
    """Return a random id without any meaning."""
    return secrets.token_hex(12)


def new_code() -> str:
    """Return what students type to join: 30^8 possibilities."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH))


def normal_code(typed: str) -> str:
    """Return a code as it is kept, however it was typed."""
    return "".join(letter for letter in typed.upper() if letter in _ALPHABET)


def new_tag() -> str:
    """Return a short word by which a waiting student can say: that is me."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_TAG_LENGTH))


def teacher_of_key(keys: Mapping[str, str], key: str) -> str | None:
    """Return the teacher who has a key; every key is compared, so that time tells nothing."""
    found = None
    for teacher, own in keys.items():
        if secrets.compare_digest(own.encode(), key.encode()):
            found = teacher
    return found
