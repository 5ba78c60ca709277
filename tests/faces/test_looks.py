import numpy as np
import pytest

from mien.faces.looks import CELL_PX, is_much_closer, joined, sides, tiles
from mien.types import Box, Detection


@pytest.mark.parametrize(
    ("last_px", "longer_px", "expected"),
    [
        (0, 4000, [320]),
        (1920, 200, [320]),
        (1920, 320, [320]),
        (1920, 400, [320, 400]),
        (1920, 640, [320, 640]),
        (1920, 800, [320, 800]),
        (1920, 1280, [320, 640, 1280]),
        (1920, 6000, [320, 640, 1920]),
        (400, 6000, [320, 400]),
        (4096, 6000, [320, 640, 1920, 4096]),
        (9000, 9000, [320, 640, 1920, 5760, 9000]),
    ],
)
def test_each_look_is_closer_than_the_one_before(last_px, longer_px, expected):
    assert sides(320, last_px, longer_px) == expected


def test_a_look_that_is_a_little_closer_hardly_shows_other_faces():
    assert not is_much_closer(400, 320)
    assert is_much_closer(480, 320)


@pytest.mark.parametrize("size", [(1920, 1440), (1920, 1080), (4096, 2731), (5760, 40), (640, 480)])
@pytest.mark.parametrize("reach_px", [86, 120, 250])
def test_every_face_is_whole_in_one_of_the_parts(size, reach_px):
    parts = list(tiles(*size, reach_px))
    rng = np.random.default_rng(0)
    for _ in range(300):
        side = int(rng.integers(8, min(reach_px, *size) + 1))
        x, y = (int(rng.integers(0, length - side + 1)) for length in size)
        assert any(
            part.x <= x
            and part.y <= y
            and x + side <= part.x + part.w
            and y + side <= part.y + part.h
            for part in parts
        )
    assert all(part.w <= 1024 and part.h <= 1024 for part in parts)
    assert all(part.x % CELL_PX == 0 and part.y % CELL_PX == 0 for part in parts)
    assert all(part.x + part.w <= size[0] and part.y + part.h <= size[1] for part in parts)


def test_a_small_look_is_taken_in_one_piece():
    assert list(tiles(1024, 768, 120)) == [Box(0, 0, 1024, 768)]


def test_a_closer_look_adds_faces_and_leaves_large_ones_as_they_are():
    large, small = Detection(Box(0, 0, 200, 200), 0.8), Detection(Box(300, 0, 20, 20), 0.8)
    piece, better = Detection(Box(10, 10, 90, 90), 0.95), Detection(Box(301, 1, 21, 21), 0.9)
    new = Detection(Box(400, 0, 12, 12), 0.75)
    found = joined([large, small], [True, False], [piece, better, new, new])
    assert found == [large, better, new]
