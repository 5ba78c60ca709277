import numpy as np
import pytest
from scipy import stats

from mien.evaluation.metrics import accuracy
from mien.studies.differences import difference, holm, picture_draws, t_quantile, t_tail


@pytest.mark.parametrize("freedom", [1, 2, 2.5, 7, 40, 1000, 1e6])
@pytest.mark.parametrize("t", [0, 0.1, 1, 2.7, 12])
def test_student_s_t_is_scipy_s(freedom, t):
    assert t_tail(t, freedom) == pytest.approx(stats.t.sf(t, freedom), abs=1e-9)


@pytest.mark.parametrize("freedom", [1, 2, 2.5, 7, 40, 1000])
def test_quantiles_are_scipy_s(freedom):
    assert t_quantile(0.975, freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-6)


def test_without_luck_in_the_pictures_it_is_the_paired_t_test():
    ours, others = [0.50, 0.53, 0.58, 0.55], [0.48, 0.50, 0.52, 0.54]
    constant = np.zeros(50)
    got = difference(list(zip(ours, others, strict=True)), [(constant, constant)] * 4)
    test = stats.ttest_rel(ours, others)
    interval = test.confidence_interval(0.95)
    assert got.value == pytest.approx(0.03)
    assert got.p_value == pytest.approx(test.pvalue)
    assert (got.low, got.high) == pytest.approx((interval.low, interval.high))
    assert (got.num_seeds, got.seeds_above) == (4, 4)


def test_without_luck_in_the_seeds_it_is_the_bootstrap_s_normal_interval():
    draws = np.random.default_rng(0).normal(0.1, 0.02, 5000)
    got = difference([(0.6, 0.5)] * 3, [(draws, np.zeros(5000))] * 3)
    assert got.high - got.value == pytest.approx(1.96 * 0.02, rel=0.03)
    assert got.p_value == pytest.approx(2 * stats.norm.sf(0.1 / draws.std(ddof=1)), rel=1e-3)


def test_three_seeds_that_happen_to_agree_do_not_make_it_certain():
    scores = [(0.2187, 0.2737), (0.2238, 0.2793), (0.1997, 0.2568)]
    draws = np.random.default_rng(0).normal(-0.0558, 0.0047, 1000)
    got = difference(scores, [(draws, np.zeros(1000))] * 3)
    of_seeds = stats.ttest_rel(*np.transpose(scores)).pvalue
    assert stats.norm.sf(0.0558 / 0.0047) < 1e-30  # what the pictures alone would make of it
    assert of_seeds < got.p_value < 2 * of_seeds


@pytest.mark.parametrize("spread", [0.002, 0.01, 0.03])
@pytest.mark.parametrize("shift", [0.004, 0.012, 0.03])
def test_the_interval_leaves_out_0_where_p_is_below_its_level(spread, shift):
    rng = np.random.default_rng(0)
    draws = rng.normal(shift, 0.005, 500)
    scores = [(0.4 + shift + spread * luck, 0.4) for luck in (-1, 0, 1)]
    got = difference(scores, [(draws, np.zeros(500))] * 3)
    assert (got.low > 0) == (got.p_value < 0.05)


@pytest.mark.slow
def test_no_more_than_a_twentieth_of_nothing_is_found():
    """Welch's and Satterthwaite's degrees of freedom find a difference here in every eighth case."""
    rng = np.random.default_rng(0)
    draws = rng.normal(0, 0.005, 400)
    found = 0
    for _ in range(300):
        luck = rng.normal(0, 0.03, 2) + rng.normal(0, 0.005)
        got = difference([(0.4 + one, 0.4) for one in luck], [(draws, draws * 0)] * 2)
        found += got.p_value < 0.05
    assert found / 300 < 0.08


def test_an_interval_ends_where_rates_end():
    draws = [(np.array([0.5, 0.6]), np.array([0.5, 0.6]))] * 2
    found = difference([(0.9, 0.1), (0.1, 0.5)], draws)  # one degree of freedom: t of 12.7
    assert (found.low, found.high) == (-1.0, 1.0)


def test_one_seed_has_no_p_value_for_other_trainings():
    draws = np.random.default_rng(0).normal(0.1, 0.02, 500)
    assert difference([(0.6, 0.5)], [(draws, draws * 0)]).p_value is None


def test_the_same_answers_do_not_differ():
    same = np.full(50, 0.4)
    got = difference([(0.4, 0.4)] * 3, [(same, same)] * 3)
    assert (got.value, got.low, got.high, got.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_drawn_pictures_spread_as_the_binomial_says():
    targets = np.arange(400) % 7
    predictions = np.where(np.arange(400) % 4 == 0, (targets + 1) % 7, targets)
    draws = picture_draws(targets, predictions, 7, accuracy)
    assert draws.mean() == pytest.approx(0.75, abs=0.005)
    assert draws.std() == pytest.approx((0.75 * 0.25 / 400) ** 0.5, rel=0.1)


def test_all_runs_on_the_same_pictures_get_the_same_draws():
    targets = np.arange(70) % 7
    ones = picture_draws(targets, targets, 7, lambda c: c[:, 0, 0])
    others = picture_draws(targets, np.zeros(70, int), 7, lambda c: c[:, 0, 0])
    assert (ones == others).all()


def test_holm_s_adjustment_by_hand():
    # 0.01 × 3, then max(that, 0.02 × 2), then max(that, 0.5 × 1).
    assert holm({"a": 0.5, "b": 0.01, "c": 0.02}) == {"a": 0.5, "b": 0.03, "c": 0.04}
    assert holm({}) == {}
