import json
import math
from dataclasses import replace

import pytest

from mien.classroom.signals import EXPRESSIONS, Observation
from mien.errors import InputError

EVEN = (0.125,) * 8
SEEN = Observation(
    time_s=3.5,
    faces=1,
    score=0.9,
    face_px=80,
    brightness=120.0,
    sharpness=500.0,
    probs=EVEN,
    yaw_deg=-4.0,
)


def test_the_order_of_the_probabilities_is_that_of_ferplus():
    assert EXPRESSIONS[:3] == ("neutral", "happiness", "surprise")
    assert len(EXPRESSIONS) == 8


@pytest.mark.parametrize(
    "one", [SEEN, Observation(time_s=0, faces=0), Observation(time_s=9, faces=3)]
)
def test_it_survives_json(one):
    assert Observation.from_dict(json.loads(json.dumps(one.as_dict()))) == one


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"time_s": math.nan}, "has time nan s; expected 0 or more"),
        ({"time_s": math.inf}, "has time inf s; expected 0 or more"),
        ({"time_s": -1.0}, "has time -1.0 s; expected 0 or more"),
        ({"faces": -1}, "faces is out of range; expected 0 to 1000"),
        ({"yaw_deg": math.inf}, "yaw_deg is out of range; expected -180 to 180"),
        ({"yaw_deg": 1.7e308}, "yaw_deg is out of range; expected -180 to 180"),
        ({"yaw_deg": -180.1}, "yaw_deg is out of range; expected -180 to 180"),
        ({"score": 10**400}, "score is out of range; expected -1000 to 1000"),
        ({"score": math.nan}, "score is out of range"),
        ({"brightness": 256.0}, "brightness is out of range; expected 0 to 255"),
        ({"sharpness": 1e308}, "sharpness is out of range"),
        ({"face_px": 0}, "face_px is out of range; expected 1 to 10000"),
        ({"face_px": 10_001}, "face_px is out of range"),
        ({"face_px": None}, "lacks face_px or sharpness"),
        ({"sharpness": None}, "lacks face_px or sharpness"),
        ({"faces": 2}, "of 2 faces has probabilities; only of one face"),
        ({"probs": (1.0,)}, "has 1 probabilities; expected 8"),
        ({"probs": (0.2,) * 8}, "not in 0 to 1 with the sum 1"),
        ({"probs": (1.5, -0.5, 0, 0, 0, 0, 0, 0)}, "not in 0 to 1 with the sum 1"),
        ({"probs": (math.nan, *EVEN[1:])}, "not in 0 to 1 with the sum 1"),
    ],
)
def test_what_cannot_be_is_refused(changes, words):
    with pytest.raises(InputError, match=words):
        replace(SEEN, **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mood": 3}, "a field that is none of ours"),
        ({"faces": None}, "time_s or faces is missing"),
        ({"faces": True}, "faces is no such number"),
        ({"faces": 1.5}, "faces is no such number"),
        ({"face_px": "x"}, "face_px is no such number"),
        ({"score": "0.9"}, "score is no such number"),
        ({"yaw_deg": [0]}, "yaw_deg is no such number"),
        ({"probs": ["x"] * 8}, "probs is no list of numbers"),
        ({"probs": "10000000"}, "probs is no list of numbers"),
        ({"probs": [True] + [False] * 7}, "probs is no list of numbers"),
        ({"probs": [10**400] + [0] * 7}, "not in 0 to 1 with the sum 1"),
    ],
)
def test_fields_of_another_kind_are_refused_and_not_repeated(changes, words):
    with pytest.raises(InputError, match=words):
        Observation.from_dict({**SEEN.as_dict(), **changes})


def test_a_missing_field_is_refused():
    with pytest.raises(InputError, match="time_s or faces is missing"):
        Observation.from_dict({"faces": 0})
