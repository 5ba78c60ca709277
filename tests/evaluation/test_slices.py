"""Groups of pictures are scored apart, and small ones are not scored at all."""

import numpy as np
import pytest

from mien.errors import InputError
from mien.evaluation.slices import MIN_GROUP, picture_groups, slice_scores, vote_groups


def test_gap_and_worst_group_of_a_column_by_hand():
    groups = np.repeat(["young", "old", "few"], [40, 60, MIN_GROUP - 1])
    correct = np.concatenate(
        [np.arange(40) < 30, np.arange(60) < 36, np.zeros(MIN_GROUP - 1, bool)]
    )
    (one,) = slice_scores(correct, {"age": groups})
    assert [(group.name, group.n, group.accuracy.value) for group in one.groups] == [
        ("young", 40, 0.75),
        ("old", 60, 0.6),
    ]
    assert one.worst.name == "old"
    assert one.gap == pytest.approx(0.15)
    assert one.groups[0].accuracy.low < 0.75 < one.groups[0].accuracy.high
    assert one.as_dict()["groups"]["old"]["n"] == 60


def test_a_division_with_one_group_says_nothing():
    assert slice_scores(np.ones(100, bool), {"place": ["here"] * 100}) == ()


def test_a_column_of_another_length_is_refused():
    with pytest.raises(
        InputError, match="The division 'age' names 2 groups for 3 pictures; expected one each"
    ):
        slice_scores(np.ones(3, bool), {"age": ["a", "b"]})


def test_pictures_are_divided_by_light_contrast_and_edges():
    y, x = np.mgrid[0:16, 0:16]
    smooth, checks = x * 8, (x + y) % 2 * 120
    images = np.stack(
        [smooth, smooth + 60, smooth + 120, smooth // 8, checks + 20, checks + 100]
    ).astype(np.uint8)
    groups = picture_groups(images)
    assert groups["brightness"].tolist() == ["dark", "middle", "bright", "dark", "middle", "bright"]
    assert groups["contrast"].tolist()[3] == "flat"
    assert groups["contrast"].tolist()[4:] == ["strong", "strong"]
    assert groups["sharpness"].tolist()[4:] == ["sharp", "sharp"]


def test_votes_are_divided_by_how_much_they_disagree():
    shares = np.array([[1.0, 0, 0], [0.9, 0.1, 0], [0.4, 0.3, 0.3]])
    assert vote_groups(shares)["votes"].tolist() == ["agreed", "middle", "disputed"]


def test_a_gap_is_told_from_chance():
    groups = np.repeat(["a", "b"], 500)
    real = np.concatenate([np.arange(500) < 400, np.arange(500) < 300])
    (one,) = slice_scores(real, {"place": groups})
    assert one.chance == pytest.approx(1 / 2001)  # not one of the draws is as wide
    (none,) = slice_scores(np.tile([True, False], 500), {"place": groups})
    assert none.chance == 1
    (slight,) = slice_scores(
        np.concatenate([np.arange(500) < 260, np.arange(500) < 250]), {"p": groups}
    )
    # Fisher's exact test, two-sided, of 260 and 250 of 500
    assert slight.chance == pytest.approx(0.569, abs=0.05)
    assert one.as_dict()["chance"] == one.chance


def test_a_minimum_of_one_s_own_leaves_small_groups_out_and_counts_them():
    groups = np.repeat(["many", "some", "few"], [50, 20, 3])
    (one,) = slice_scores(np.ones(73, bool), {"x": groups}, min_group=10)
    assert [group.name for group in one.groups] == ["many", "some"]
    assert one.left_out == 3


def test_ranges_of_numbers_stand_in_their_order():
    groups = np.repeat(["> 9", "(empty)", "≤ 3", "3 – 9"], 40)
    (one,) = slice_scores(np.ones(160, bool), {"px": groups})
    assert [group.name for group in one.groups] == ["≤ 3", "(empty)", "3 – 9", "> 9"]
