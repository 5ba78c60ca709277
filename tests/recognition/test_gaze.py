import pytest

from mien.errors import InputError
from mien.recognition.gaze import Gaze, Plan
from mien.types import Box

LEFT, RIGHT = Box(0, 0, 40, 40), Box(100, 0, 40, 40)


def test_while_nobody_is_known_everything_is_looked_at():
    gaze = Gaze(0.3)
    for number in range(5):
        assert gaze.plan(number / 25) == Plan()
        gaze.learn(number / 25, [], is_full=True)


def test_known_faces_are_looked_for_and_everything_from_time_to_time():
    gaze = Gaze(0.3)
    full = []
    for number in range(20):
        time_s = number / 20
        plan = gaze.plan(time_s)
        if plan == Plan():
            full.append(number)
        else:
            assert plan == Plan([LEFT, RIGHT], [])
        gaze.learn(time_s, [LEFT, RIGHT], is_full=plan == Plan())
    assert full == [0, 6, 12, 18]


def test_a_look_at_everything_for_want_of_a_face_counts():
    gaze = Gaze(0.3)
    gaze.plan(0.0)
    gaze.learn(0.0, [LEFT, RIGHT], is_full=True)
    gaze.learn(0.2, [LEFT], is_full=True)
    assert not gaze.is_full_due(0.4)
    assert gaze.is_full_due(0.5)


def test_a_face_is_expected_where_it_is_going():
    gaze = Gaze(10)
    gaze.plan(0.0)
    for number in range(10):
        gaze.learn(number / 25, [Box(4 * number, 0, 40, 40)], is_full=False)
    (box,) = gaze.plan(10 / 25).known
    assert (box.y, box.w, box.h) == (0, 40, 40)
    assert box.x == pytest.approx(40, abs=2)


def test_who_was_missed_is_looked_for_a_while():
    gaze = Gaze(10)
    gaze.plan(0.0)
    gaze.learn(0.0, [LEFT, RIGHT], is_full=True)
    gaze.learn(0.04, [LEFT], is_full=True)
    assert gaze.plan(0.08) == Plan([LEFT], [RIGHT])
    gaze.learn(0.44, [LEFT], is_full=False)
    assert gaze.plan(0.48) == Plan([LEFT], [])


def test_when_all_were_missed_everything_is_looked_at():
    gaze = Gaze(10)
    gaze.plan(0.0)
    gaze.learn(0.0, [LEFT], is_full=True)
    gaze.learn(0.04, [], is_full=True)
    assert gaze.plan(0.08) == Plan()


def test_an_interval_that_is_none_is_refused():
    with pytest.raises(InputError, match="full_look_s is -1; expected 0 or more seconds"):
        Gaze(-1)
