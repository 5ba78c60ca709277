import numpy as np
import pytest

from mien.faces import roll_deg, yaw_deg

# Eyes, nose, mouth of a head in millimetres: x right, y down, z towards the camera.
HEAD = np.array(
    [[-31.5, 0, 0], [31.5, 0, 0], [0, 40, 37.8], [-25, 70, 20], [25, 70, 20]], np.float64
)


def seen(yaw=0.0, roll=0.0, pitch=0.0):
    """Turn the head and look at it from afar: (5, 2)."""
    y, r, p = np.radians([yaw, roll, pitch])
    turn = [[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]]
    nod = [[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]]
    lean = [[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]]
    turned = HEAD @ (np.array(lean) @ np.array(nod) @ np.array(turn)).T
    return (100 + 1.5 * turned[:, :2]).astype(np.float32)


@pytest.mark.parametrize("yaw", [-80, -45, -10, 0, 30, 60])
def test_a_turned_head_of_average_shape_gives_its_yaw(yaw):
    assert yaw_deg(seen(yaw)) == pytest.approx(yaw, abs=0.01)


@pytest.mark.parametrize("roll", [-90, -20, 15, 120])
def test_a_leaning_head_gives_its_roll_and_keeps_its_yaw(roll):
    assert roll_deg(seen(roll=roll)) == pytest.approx(roll, abs=0.01)
    assert yaw_deg(seen(yaw=25, roll=roll)) == pytest.approx(25, abs=0.01)


@pytest.mark.parametrize("pitch", [-20, 20])
def test_a_lowered_chin_moves_the_yaw_by_no_more_than_documented(pitch):
    assert yaw_deg(seen(yaw=30, pitch=pitch)) == pytest.approx(30, abs=15)
    assert yaw_deg(seen(pitch=pitch)) == pytest.approx(0, abs=0.01)


def test_a_full_profile_stays_within_a_right_angle():
    landmarks = seen(yaw=89.99)
    assert 89 < yaw_deg(landmarks) <= 90


def test_eyes_in_one_place_are_no_error():
    assert yaw_deg(np.zeros((5, 2), np.float32)) == 0
    assert roll_deg(np.zeros((5, 2), np.float32)) == 0
