"""What can go wrong in the pictures of a study without being seen in a file's first bytes."""

import pytest

from mien.evaluation.plots_study import Value, loss_top


def value(state, *losses):
    return Value(
        label=state, curves=[[{"valid_loss": loss} for loss in losses]], scores=[], state=state
    )


def top(*values):
    return loss_top([(one, one.curves) for one in values], ["valid_loss", "train_loss"])


def test_a_value_that_failed_does_not_press_the_others_flat():
    assert top(value("finished", 2.0, 1.5), value("collapsed", 1e30, 3.0)) < 2.4
    assert top(value("incomplete", 2.0), value("diverged", float("inf"), 1e9)) == 2.3


def test_failed_values_alone_are_shown_whole_and_nothing_needs_an_end_too():
    assert top(value("collapsed", 8.0)) == pytest.approx(9.2)
    assert top(value("diverged", float("nan"))) == 1.0


def test_where_all_have_failed_the_worst_does_not_press_the_others_flat():
    assert top(value("collapsed", 8.0), value("diverged", 1e12, 1e12)) == pytest.approx(9.2)
    three = (value("collapsed", 8.0), value("collapsed", 4.0), value("diverged", 1e12))
    assert top(*three) == pytest.approx(9.2)
