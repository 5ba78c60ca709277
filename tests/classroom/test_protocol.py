import json
import struct

import numpy as np
import pytest

from mien.classroom.protocol import (
    HEADER_BYTES,
    MAX_AHEAD,
    MAX_PAYLOAD_BYTES,
    Kind,
    Message,
    ProtocolError,
    SequenceGuard,
    answer_of,
    decode,
    encode,
    hello_token,
    observation_of,
)
from mien.classroom.signals import Answer


def test_a_message_is_sixteen_bytes_and_its_payload():
    data = encode(Kind.FRAME, 7, 1_700_000_000_123, b"jpeg")
    assert data == b"\x01\x01\x00\x00" + struct.pack(">IQ", 7, 1_700_000_000_123) + b"jpeg"
    assert HEADER_BYTES == 16
    assert decode(data) == Message(Kind.FRAME, 7, 1_700_000_000_123, b"jpeg")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "has 0 bytes; expected 16 to 65552"),
        (b"\x01" * 15, "has 15 bytes"),
        (bytes(16 + MAX_PAYLOAD_BYTES + 1), "has 65553 bytes"),
        (b"\x02\x01" + bytes(14), "has version 2; expected 1. Load the page again"),
        (b"\x01\x01\x00\x01" + bytes(12), "has version 1"),
        (b"\x01\x09" + bytes(14), "is of kind 9; expected 0 to 3"),
    ],
)
def test_what_is_none_of_ours_is_refused(data, message):
    with pytest.raises(ProtocolError, match=message):
        decode(data)


def test_the_longest_payload_fits():
    assert len(decode(encode(Kind.FRAME, 1, 0, bytes(MAX_PAYLOAD_BYTES))).payload) == 64 * 1024


def test_sequence_numbers_only_rise_and_not_by_far():
    guard = SequenceGuard()
    guard.admit(1)
    guard.admit(2)
    guard.admit(2 + MAX_AHEAD)
    for old in (66, 2, 0):
        with pytest.raises(ProtocolError, match=f"number {old} was used before; the last was 66"):
            guard.admit(old)
    with pytest.raises(ProtocolError, match=f"131 is too far ahead of 66; at most by {MAX_AHEAD}"):
        guard.admit(67 + MAX_AHEAD)
    assert guard.last == 66


def test_the_first_message_holds_a_token():
    assert hello_token(Message(Kind.HELLO, 0, 0, b"abc")) == "abc"
    for kind, payload in ((Kind.FRAME, b"abc"), (Kind.HELLO, b""), (Kind.HELLO, b"a" * 513)):
        with pytest.raises(ProtocolError, match="The first message must hold the token"):
            hello_token(Message(kind, 0, 0, payload))
    with pytest.raises(ProtocolError, match="holds no token"):
        hello_token(Message(Kind.HELLO, 0, 0, b"\xff"))


def signals(**changes):
    fields = {"faces": 1, "score": 0.9, "face_px": 90, "sharpness": 300.0, **changes}
    return Message(Kind.SIGNALS, 1, 0, json.dumps(fields).encode())


def test_signals_become_an_observation_at_the_server_s_time():
    seen = observation_of(signals(probs=[1, 0, 0, 0, 0, 0, 0, 0]), 12.5)
    assert (seen.time_s, seen.faces, seen.face_px, seen.probs[0]) == (12.5, 1, 90, 1.0)


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"[]", b"1", b'"x"', b"{", b"\xff\xfe", b"null", b"{}",
        b'{"faces": 1, "time_s": 3}',
        b'{"faces": NaN}', b'{"faces": Infinity}', b'{"faces": -1}', b'{"faces": "1"}',
        b'{"faces": 1, "probs": [1, 0]}', b'{"faces": 1, "probs": 7}',
        b'{"faces": 0, "unknown": 1}', b'{"faces": 0, "score": "high"}',
        b"[" * 1000 + b"]" * 1000, b" " * 2049,
        b'{"faces": 1, "face_px": 90, "sharpness": 9, "probs": [2,-1,0,0,0,0,0,0]}',
        b'{"faces": 1, "face_px": 90, "sharpness": 9, "probs": [1e999,0,0,0,0,0,0,0]}',
    ],
)  # fmt: skip
def test_signals_that_cannot_be_are_refused(payload):
    with pytest.raises(ProtocolError):
        observation_of(Message(Kind.SIGNALS, 1, 0, payload), 1.0)


def test_a_tap_says_one_of_three_things():
    assert answer_of(Message(Kind.TAP, 1, 0, b"too_fast")) is Answer.TOO_FAST
    for payload in (b"", b"bored", b"\xff"):
        with pytest.raises(ProtocolError, match="expected one of lost, ok, too_fast"):
            answer_of(Message(Kind.TAP, 1, 0, payload))


def test_ten_thousand_mutated_messages_are_read_or_refused():
    """Whatever bytes come, either a message comes out or our own error."""
    generator = np.random.default_rng(7)
    whole = encode(Kind.SIGNALS, 3, 9, signals(probs=[1, 0, 0, 0, 0, 0, 0, 0]).payload)
    read = 0
    for _ in range(10_000):
        data = bytearray(whole)
        for place in generator.integers(0, len(data), generator.integers(1, 6)):
            data[place] = generator.integers(256)
        del data[int(generator.integers(1, len(data) + 40)) :]
        try:
            message = decode(bytes(data))
            if message.kind is Kind.SIGNALS:
                observation_of(message, 1.0)
            elif message.kind is Kind.TAP:
                answer_of(message)
            read += 1
        except ProtocolError:
            pass
    assert 0 < read < 10_000
