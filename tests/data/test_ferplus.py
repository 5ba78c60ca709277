"""The four FER+ modes: by hand, against a plain loop over one row, and on the published counts."""

import subprocess
import sys

import numpy as np
import pytest

from mien.data import open_dataset
from mien.data.ferplus import crossentropy, majority, multi_target, probability
from mien.errors import InputError

# neutral happiness surprise sadness anger disgust fear contempt unknown NF
CLEAR = [0, 9, 0, 1, 0, 0, 0, 0, 0, 0]
HALF = [5, 0, 0, 5, 0, 0, 0, 0, 0, 0]
SCATTERED = [4, 0, 0, 1, 3, 2, 0, 0, 0, 0]
OUTLIERS = [5, 1, 1, 1, 1, 1, 0, 0, 0, 0]
NO_FACE = [0, 0, 0, 0, 0, 0, 0, 0, 0, 10]
UNKNOWN_LEADS = [2, 0, 0, 0, 0, 2, 0, 0, 6, 0]
UNKNOWN_SECOND = [6, 0, 0, 0, 0, 0, 0, 0, 4, 0]
NOBODY = [0] * 10
SINGLES = [1] * 10
FOUR_WAYS = [3, 3, 2, 2, 0, 0, 0, 0, 0, 0]
TIE_WITH_UNKNOWN = [4, 0, 0, 0, 0, 0, 0, 2, 4, 0]


def rows(*votes):
    return np.array(votes, np.uint8)


def test_majority_needs_more_than_half_of_the_votes_that_count():
    votes = rows(
        CLEAR, HALF, SCATTERED, OUTLIERS, NO_FACE, UNKNOWN_LEADS, UNKNOWN_SECOND, NOBODY, SINGLES
    )
    # OUTLIERS: five of ten is no majority, but the five single votes do not count.
    assert majority(votes).tolist() == [1, -1, -1, 0, -1, -1, 0, -1, -1]


def test_crossentropy_spreads_the_target_over_the_leading_expressions():
    shares = crossentropy(rows(CLEAR, HALF, SCATTERED, UNKNOWN_SECOND, TIE_WITH_UNKNOWN))
    expected = np.zeros((5, 8))
    expected[0, 1] = 1
    expected[1, [0, 3]] = 0.5
    expected[2, [0, 4]] = 4 / 7, 3 / 7  # 7 of 9 votes are three quarters; the last two stay out
    expected[3, 0] = 1
    # The last row: four of ten are not more than half, and the tie with unknown ends the taking.
    np.testing.assert_allclose(shares, expected, rtol=1e-6)


def test_crossentropy_leaves_unusable_rows_empty():
    assert not crossentropy(rows(NO_FACE, UNKNOWN_LEADS, NOBODY, SINGLES, FOUR_WAYS)).any()


def test_multi_target_marks_every_expression_with_three_tenths():
    votes = rows(
        CLEAR, HALF, [4, 3, 3, 0, 0, 0, 0, 0, 0, 0], UNKNOWN_SECOND, UNKNOWN_LEADS, NO_FACE, NOBODY
    )
    marked = [np.flatnonzero(row).tolist() for row in multi_target(votes)]
    assert marked == [[1], [0, 3], [0, 1, 2], [0], [], [], []]


def test_multi_target_drops_a_row_whose_marked_votes_are_half_or_less():
    votes = rows([4, 2, 2, 2, 0, 0, 0, 0, 0, 0])
    assert not multi_target(votes).any()


def test_probability_follows_the_distribution_and_the_draw():
    votes = rows(HALF, HALF, HALF, NO_FACE)
    assert probability(votes, np.array([0.0, 0.499, 0.5, 0.5])).tolist() == [0, 0, 3, -1]
    many = np.repeat(rows(SCATTERED), 7000, axis=0)
    drawn = probability(many, (np.arange(7000) + 0.5) / 7000)
    assert np.bincount(drawn, minlength=8).tolist() == [4000, 0, 0, 0, 3000, 0, 0, 0]


def test_the_largest_draw_stays_inside_the_distribution():
    votes = np.random.default_rng(0).multinomial(10, [0.2] * 3 + [0.08] * 5, size=2000)
    votes = np.pad(votes, ((0, 0), (0, 2)))
    drawn = probability(votes, np.full(2000, np.nextafter(1.0, 0.0)))
    shares = crossentropy(votes)
    usable = drawn >= 0
    assert usable.sum() > 100
    assert (shares[usable, drawn[usable]] > 0).all()


def test_votes_of_the_wrong_shape_are_refused():
    with pytest.raises(InputError, match=r"FER\+ votes are \(N, 10\): neutral, .*NF; got \(3, 8\)"):
        majority(np.zeros((3, 8), np.uint8))
    with pytest.raises(InputError, match=r"2 rows of votes need as many draws; got \(3,\)"):
        probability(rows(CLEAR, HALF), np.zeros(3))


def test_no_rows_give_no_targets():
    none = np.zeros((0, 10), np.uint8)
    assert len(majority(none)) == len(crossentropy(none)) == len(multi_target(none)) == 0


def leading(left, total):
    """Three quarters of the votes of one row, from the highest count down; None when they settle nothing."""
    chosen = dict.fromkeys(range(10), 0)
    gone = taken = 0
    while gone < 0.75 * total and taken < 3:
        best = max(left)
        equal = [column for column in range(10) if left[column] == best]
        for column in equal:
            if column < 8:
                chosen[column] = best
                left[column] = 0
                gone += best
                taken += 1
        if equal[-1] >= 8:
            break
    return chosen if taken <= 3 and sum(chosen.values()) > total / 2 else None


def one_row(votes, mode):
    """One row at a time, in the order of the authors' description: the check on the array code above."""
    left = [count if count > 1 else 0 for count in votes]
    total = sum(left)
    if mode == "majority":
        chosen = {column: count for column, count in enumerate(left) if count > total / 2}
    elif mode == "multi_target":
        chosen = {column: count for column, count in enumerate(left) if count >= 0.3 * total}
        if sum(chosen.values()) <= total / 2:
            return None
    else:
        chosen = leading(left, total)
    if not chosen or max(chosen, key=lambda column: chosen[column]) >= 8:
        return None
    kept = np.array([chosen.get(column, 0) for column in range(8)], float)
    return kept / kept.sum()


@pytest.mark.parametrize(
    ("mode", "compute"),
    [("majority", majority), ("crossentropy", crossentropy), ("multi_target", multi_target)],
)
def test_arrays_agree_with_a_loop_over_single_rows(mode, compute):
    generator = np.random.default_rng(7)
    chances = generator.dirichlet([0.6] * 10, size=1500)
    votes = np.stack([generator.multinomial(10, chance) for chance in chances]).astype(np.uint8)
    result = compute(votes)
    for row, target in zip(votes.tolist(), result, strict=True):
        expected = one_row(row, mode)
        if mode == "majority":
            assert target == (-1 if expected is None else expected.argmax())
        elif mode == "crossentropy":
            np.testing.assert_allclose(
                target, np.zeros(8) if expected is None else expected, rtol=1e-6
            )
        else:
            assert target.tolist() == (np.zeros(8) if expected is None else expected > 0).tolist()


def test_the_modes_need_numpy_only():
    code = (
        "import sys; from mien.data.ferplus import majority; "
        "print([name for name in ('cv2', 'PIL', 'torch', 'pyarrow', 'platformdirs') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.realdata
@pytest.mark.slow
def test_strict_majority_keeps_the_published_numbers(fer2013_path):
    dataset = open_dataset(fer2013_path)
    kept = majority(dataset.votes) >= 0
    published = {"train": 25_060, "valid": 3_199, "test": 3_153}
    present = {"train", "valid"} | ({"test"} if (dataset.split == 2).any() else set())
    counts = {split: int(kept[dataset.rows(split)].sum()) for split in sorted(present)}
    assert counts == {split: published[split] for split in sorted(present)}
