import pytest

from mien.faces.overlap import distinct, overlap
from mien.types import Box, Detection


def test_overlap_counts_in_areas_of_the_smaller_box():
    assert overlap(Box(0, 0, 10, 10), Box(5, 0, 10, 10)) == pytest.approx(0.5)
    assert overlap(Box(0, 0, 10, 10), Box(2, 2, 5, 4)) == 1
    assert overlap(Box(0, 0, 10, 10), Box(10, 0, 10, 10)) == 0
    assert overlap(Box(0, 0, 10, 10), Box(50, 50, 10, 10)) == 0


def test_of_overlapping_boxes_the_best_stays():
    inner = Detection(Box(20, 20, 50, 50), 40.0)
    outer = Detection(Box(0, 0, 100, 100), 60.0)
    beside = Detection(Box(90, 0, 100, 100), 50.0)
    assert distinct([inner, outer, beside]) == [outer, beside]
