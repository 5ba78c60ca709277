"""Names of rows, of their own or a number that readers gave."""

from dataclasses import replace

import numpy as np

from mien.data.row_names import is_named, number_of, row_name
from mien.data.synthetic import draw_faces


def test_a_row_has_a_name_of_its_own_or_its_number_from_0():
    unnamed = replace(draw_faces(3, seed=0), names=None)
    named = replace(unnamed, names=np.array(["a.png", "row 2", ""]))
    assert [row_name(unnamed, row) for row in range(3)] == ["row 0", "row 1", "row 2"]
    assert [row_name(named, row) for row in range(3)] == ["a.png", "row 1", "row 2"]
    assert is_named(unnamed).tolist() == [False] * 3
    assert is_named(named)[:2].tolist() == [True, False]


def test_only_what_readers_give_is_a_number():
    assert number_of("row 12") == 12
    assert [number_of(name) for name in ("row 12.png", "arow 12", "row", "12", "")] == [None] * 5
