"""Temperature scaling recovers the temperature that made the labels."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax as their_log_softmax

from mien.errors import InputError
from mien.evaluation.calibration import TEMPERATURES, fit_temperature
from mien.softmax import softmax


def drawn(temperature, n=20_000):
    """Logits, and labels drawn from their softmax at a temperature."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(n, 7)) * 3
    below = softmax(logits, temperature).cumsum(axis=1)
    return logits, (rng.random((n, 1)) > below).sum(axis=1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_true_temperature_is_found(temperature):
    assert fit_temperature(*drawn(temperature)) == pytest.approx(temperature, rel=0.04)


def test_the_minimum_is_that_of_an_independent_optimiser():
    logits, labels = drawn(1.7, n=500)

    def loss(temperature):
        return -their_log_softmax(logits / temperature, axis=1)[
            np.arange(len(labels)), labels
        ].mean()

    theirs = minimize_scalar(loss, bounds=(0.1, 10), method="bounded", options={"xatol": 1e-8}).x
    assert fit_temperature(logits, labels) == pytest.approx(theirs, rel=1e-4)


def test_a_perfect_network_ends_at_the_sharpest_temperature():
    labels = np.arange(50) % 7
    assert fit_temperature(np.eye(7)[labels], labels) == pytest.approx(TEMPERATURES[0], rel=1e-4)


def test_nothing_to_calibrate_is_refused():
    with pytest.raises(InputError, match=r"Logits \(0, 7\) and labels \(0,\) cannot be calibrated"):
        fit_temperature(np.zeros((0, 7)), np.zeros(0, int))
    with pytest.raises(InputError, match="cannot be calibrated"):
        fit_temperature(np.zeros((3, 7)), np.zeros(2, int))
