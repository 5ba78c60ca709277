import pytest

from mien.classroom.signals import PRESENCE_STATES, SIGNAL_STATES, State, Withheld
from mien.classroom.signals.aggregate import count_states, rounded_percent


def count(mapping, states, known=SIGNAL_STATES):
    return count_states(states, known, mapping, time_s=300.0, published_s=330.0, num_waiting=2)


@pytest.mark.parametrize(
    ("count_", "total", "percent"),
    [
        (0, 7, 0),
        (1, 7, 10),
        (3, 20, 20),
        (1, 20, 10),
        (1, 21, 0),
        (5, 7, 70),
        (7, 7, 100),
        (29, 30, 100),
    ],
)
def test_shares_are_rounded_to_the_nearest_ten_and_halves_go_up(count_, total, percent):
    assert rounded_percent(count_, total, 10) == percent


def test_rounding_is_exact_in_whole_numbers():
    for total in range(1, 200):
        for part in range(total + 1):
            tenths = 10 * part
            nearest = min(range(11), key=lambda n: (abs(n * total - tenths), -n))
            assert rounded_percent(part, total, 10) == 10 * nearest


def test_the_unknown_is_a_share_of_its_own(mapping):
    states = [State.STRAINED] * 3 + [State.STEADY] * 4 + [State.NO_DATA] * 3
    seen = count(mapping, states)
    assert (seen.num_valid, seen.num_present, seen.num_waiting) == (7, 10, 2)
    assert seen.percent == {
        State.AWAY: 0,
        State.TURNED: 0,
        State.STRAINED: 30,
        State.POSITIVE: 0,
        State.SURPRISED: 0,
        State.STEADY: 40,
        State.NO_DATA: 30,
    }
    assert (seen.time_s, seen.published_s, seen.mapping_id) == (300, 330, "mien-signals-1")


def test_one_to_four_students_see_nothing(mapping):
    for num in range(5):
        seen = count(mapping, [State.STRAINED] * num)
        assert seen.withheld is Withheld.FEW_MEMBERS
        assert seen.percent is None
        assert seen.num_valid is None


def test_five_of_whom_four_gave_data_see_nothing(mapping):
    seen = count(mapping, [State.STEADY] * 4 + [State.NO_DATA])
    assert (seen.withheld, seen.percent, seen.num_valid) == (Withheld.FEW_VALID, None, None)
    assert count(mapping, [State.STEADY] * 5).withheld is None


def test_presence_has_its_own_states(mapping):
    seen = count(mapping, [State.PRESENT] * 4 + [State.AWAY], PRESENCE_STATES)
    assert seen.as_dict() == {
        "time_s": 300.0,
        "published_s": 330.0,
        "mapping_id": "mien-signals-1",
        "num_present": 5,
        "num_waiting": 2,
        "num_valid": 5,
        "percent": {"present": 80, "away": 20, "no_data": 0},
        "withheld": None,
    }
