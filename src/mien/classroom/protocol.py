"""The binary messages that a student's page sends: a header of 16 bytes, then at most 64 KiB.

Answers are JSON; `mien.classroom.routes.sockets` writes them. The simulator and the pages speak the same.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from enum import IntEnum

from mien.classroom.signals import Answer, Observation
from mien.errors import InputError, MienError

__all__ = [
    "HEADER_BYTES",
    "MAX_MESSAGE_BYTES",
    "MAX_PAYLOAD_BYTES",
    "VERSION",
    "Kind",
    "Message",
    "ProtocolError",
    "SequenceGuard",
    "answer_of",
    "decode",
    "encode",
    "hello_token",
    "observation_of",
    "to_json",
]

VERSION = 1
_HEADER = struct.Struct("!BBHIQ")  # version, kind, reserved, sequence, client's clock in ms
HEADER_BYTES = _HEADER.size
MAX_PAYLOAD_BYTES = 64 * 1024
MAX_MESSAGE_BYTES = HEADER_BYTES + MAX_PAYLOAD_BYTES
MAX_TOKEN_BYTES = 512
MAX_SIGNALS_BYTES = 2048
MAX_AHEAD = 64
"""How far a sequence number may be ahead: a page that lost its connection has skipped a few, not thousands."""


class ProtocolError(MienError):
    """A message is not one of ours; the connection is closed with the reason."""


class Kind(IntEnum):
    """What a message carries."""

    HELLO = 0
    """First message: the token, as UTF-8."""
    FRAME = 1
    """A JPEG."""
    SIGNALS = 2
    """What the student's own device measured: an `Observation` without its time, as JSON."""
    TAP = 3
    """One tap of the self-report: an `Answer`, as its name."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a student."""

    kind: Kind
    sequence: int
    client_ms: int
    payload: bytes


def encode(kind: Kind, sequence: int, client_ms: int, payload: bytes) -> bytes:
    """Return a message as it travels."""
    return _HEADER.pack(VERSION, kind, 0, sequence, client_ms) + payload


def decode(data: bytes) -> Message:
    """Read a message.

    Raises:
        ProtocolError: If it is none of ours: too short, too long, another version, an unknown kind.
    """
    if not HEADER_BYTES <= len(data) <= MAX_MESSAGE_BYTES:
        raise ProtocolError(
            f"A message has {len(data)} bytes; expected {HEADER_BYTES} to {MAX_MESSAGE_BYTES}."
        )
    version, kind, reserved, sequence, client_ms = _HEADER.unpack_from(data)
    if version != VERSION or reserved:
        raise ProtocolError(
            f"A message has version {version}; expected {VERSION}. Load the page again."
        )
    try:
        return Message(Kind(kind), sequence, client_ms, data[HEADER_BYTES:])
    except ValueError:
        raise ProtocolError(f"A message is of kind {kind}; expected 0 to {max(Kind)}.") from None


def hello_token(message: Message) -> str:
    """Return the token of the first message.

    Raises:
        ProtocolError: If the message is another one, or holds no token.
    """
    if message.kind is not Kind.HELLO or not 0 < len(message.payload) <= MAX_TOKEN_BYTES:
        raise ProtocolError("The first message must hold the token.")
    try:
        return message.payload.decode("ascii")
    except UnicodeDecodeError:
        raise ProtocolError("The first message holds no token.") from None


def observation_of(message: Message, time_s: float) -> Observation:
    """Return what a student's own device measured.

    Args:
        message: Of kind `Kind.SIGNALS`.
        time_s: When it arrived; a device's own clock is not believed.

    Raises:
        ProtocolError: If it is no observation.
    """
    if len(message.payload) > MAX_SIGNALS_BYTES:
        raise ProtocolError(f"Signals have at most {MAX_SIGNALS_BYTES} bytes.")
    try:
        fields = json.loads(message.payload, parse_constant=_no_constant)
        if not isinstance(fields, dict) or "time_s" in fields:
            raise ProtocolError("Signals are an object without a time.")
        return Observation.from_dict({**fields, "time_s": time_s})
    except (ValueError, RecursionError, TypeError, AttributeError, ArithmeticError) as error:
        if isinstance(error, InputError):
            raise ProtocolError(str(error)) from None
        raise ProtocolError("Signals cannot be read as JSON.") from None


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def answer_of(message: Message) -> Answer:
    """Return what a tap says.

    Raises:
        ProtocolError: If it says nothing known.
    """
    try:
        return Answer(message.payload.decode("ascii"))
    except ValueError:
        known = ", ".join(Answer)
        raise ProtocolError(f"A tap says something unknown; expected one of {known}.") from None


class SequenceGuard:
    """Refuses what was sent before: each message's number is higher than the last one's, and not by far."""

    def __init__(self, last: int = 0) -> None:
        """Begin after ``last``; it outlives a connection, so that a recorded one cannot be played again."""
        self.last = last

    def admit(self, sequence: int) -> None:
        """Take the next number.

        Raises:
            ProtocolError: If it is old, repeated or far ahead.
        """
        if sequence <= self.last:
            raise ProtocolError(
                f"Sequence number {sequence} was used before; the last was {self.last}."
            )
        if sequence > self.last + MAX_AHEAD:
            raise ProtocolError(
                f"Sequence number {sequence} is too far ahead of {self.last}; at most by {MAX_AHEAD}."
            )
        self.last = sequence


def to_json(**fields: object) -> str:
    """Return an answer as it travels."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
