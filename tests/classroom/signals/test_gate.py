import math
from dataclasses import replace

import pytest

from mien.classroom.signals import Observation, Reason
from mien.classroom.signals.gate import relative_entropy, why_invalid


def test_entropy_by_hand():
    assert relative_entropy((1.0, 0, 0, 0, 0, 0, 0, 0)) == 0
    assert relative_entropy((0.125,) * 8) == pytest.approx(1)
    third = math.log(2) / math.log(8)
    assert relative_entropy((0.5, 0.5, 0, 0, 0, 0, 0, 0)) == pytest.approx(third)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"face_px": 40}, None),
        ({"face_px": 39}, Reason.SMALL),
        ({"sharpness": 200.0}, None),
        ({"sharpness": 199.0}, Reason.BLURRED),
        ({"probs": (0.125,) * 8}, Reason.UNCERTAIN),
        ({"probs": None}, Reason.UNMEASURED),
        ({"faces": 2, "probs": None}, Reason.SEVERAL_FACES),
        ({"faces": 0, "probs": None}, Reason.NO_FACE),
    ],
)
def test_each_reason(face, mapping, changes, reason):
    assert why_invalid(replace(face(0, happiness=0.5), **changes), mapping.gate) is reason


@pytest.mark.parametrize("brightness", [0.0, 20.0, 255.0, None])
def test_brightness_silences_nobody(face, mapping, brightness):
    assert why_invalid(replace(face(0), brightness=brightness), mapping.gate) is None


def test_entropy_just_below_the_limit_passes(face, mapping):
    # One at p and the rest even have 0.9064 of the highest entropy at p = 0.37, and 0.8995 at 0.38.
    probs = [(p, *[(1 - p) / 7] * 7) for p in (0.37, 0.38)]
    assert [relative_entropy(one) > 0.9 for one in probs] == [True, False]
    seen = [why_invalid(replace(face(0), probs=one), mapping.gate) for one in probs]
    assert seen == [Reason.UNCERTAIN, None]


def test_nobody_is_no_data_rather_than_an_error(mapping):
    assert why_invalid(Observation(time_s=0, faces=0), mapping.gate) is Reason.NO_FACE
