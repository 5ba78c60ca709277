"""What requests may hold. Everything else is refused, and never repeated in an answer."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

__all__ = [
    "Admission",
    "CameraChoice",
    "JoinRequest",
    "LessonRequest",
    "Receipt",
    "ResearchChoice",
    "SignIn",
]

CONSENT_VERSION = "2026-11-28"
"""Of the words that a student agrees to; a change of them is a new version, and old pages must be loaded again."""

_UNSEEN = ("Cc", "Cf", "Mn", "Me", "Zl", "Zp", "Zs")
"""Categories of what steers writing, sits on a letter before it, or is a space."""
_BLANK = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and symbols that show nothing: fillers of Hangul, the empty pattern of Braille."""


def _can_be_seen(text: str) -> str:
    if all(unicodedata.category(one) in _UNSEEN or one in _BLANK for one in text):
        raise ValueError("nothing in it can be seen; expected a few words")
    return text


Title = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=120, pattern=r"^[^\x00-\x1f\x7f]*$"
    ),
    AfterValidator(_can_be_seen),
]
Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{24}$")]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SignIn(_Request):
    """A teacher shows the key."""

    key: str = Field(min_length=1, max_length=256)


class LessonRequest(_Request):
    """A teacher opens a lesson."""

    title: Title


class Admission(_Request):
    """A teacher lets students in, or sends them away; they are called by the handles of the waiting room."""

    participants: list[Id] = Field(min_length=1, max_length=1000)


class Receipt(_Request):
    """A student comes back with what was written down."""

    receipt: str = Field(min_length=1, max_length=64)


class CameraChoice(_Request):
    """What a student will send; a camera needs consent to the words of this version."""

    camera: Literal["frames", "device", "none"]
    consent: str | None = None
    """The version or nothing: it is stored, and free text could be a name."""

    @model_validator(mode="after")
    def _camera_needs_consent(self) -> CameraChoice:
        lacks_consent = self.camera != "none" and self.consent is None
        if lacks_consent or self.consent not in (None, CONSENT_VERSION):
            raise ValueError(
                f"a camera needs consent to the words of version {CONSENT_VERSION}; load the page again"
            )
        return self


class ResearchChoice(_Request):
    """Whether a student's windows may be exported for research."""

    research: bool


class JoinRequest(CameraChoice):
    """A student asks to be let in."""

    code: str = Field(min_length=1, max_length=32)
    research: bool = False
    """Whether the rows may be exported for research; nothing depends on it."""
