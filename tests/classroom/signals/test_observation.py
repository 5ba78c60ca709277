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
        ({"time_s": math.nan}, "a number that is infinite or none"),
        ({"yaw_deg": math.inf}, "a number that is infinite or none"),
        ({"time_s": -1.0}, "time -1.0 s and 1 faces; expected 0 or more"),
        ({"faces": -1}, "0 or more"),
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


def test_unknown_and_missing_fields_are_refused():
    with pytest.raises(InputError, match="cannot be read"):
        Observation.from_dict({"time_s": 1.0, "faces": 0, "mood": 3})
    with pytest.raises(InputError, match="cannot be read"):
        Observation.from_dict({"faces": 0})
    with pytest.raises(InputError, match="cannot be read"):
        Observation.from_dict({**SEEN.as_dict(), "probs": ["x"] * 8})
