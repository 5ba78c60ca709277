"""What can go wrong in the pictures of a study without being seen in a file's first bytes."""

import dataclasses

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


def test_the_axis_of_losses_begins_below_the_lowest(tmp_path, monkeypatch):
    from mien.evaluation import plots_study

    kept = []
    monkeypatch.setattr(plots_study, "save_figure", lambda figure, *_, **__: kept.append(figure))
    nothing = value("diverged", float("nan"), float("nan"))
    values = [nothing, value("finished", 2.0, 1.5), value("collapsed", 1e19, 3.0)]
    plots_study.overlaid_picture(values, "valid_accuracy", "accuracy", tmp_path / "x.png")
    low, high = kept[0].axes[1].get_ylim()
    assert 1.4 < low < 1.5
    assert 2.0 < high < 2.4


def test_more_values_than_colours_differ_all_the_same(tmp_path, monkeypatch):
    from mien.evaluation import plots_study

    kept = []
    monkeypatch.setattr(plots_study, "save_figure", lambda figure, *_, **__: kept.append(figure))
    values = [dataclasses.replace(value("finished", 1.0, 0.9), family=i) for i in range(12)]
    plots_study.overlaid_picture(values, "valid_accuracy", "accuracy", tmp_path / "x.png")
    looks = {(line.get_color(), line.get_linestyle()) for line in kept[0].axes[1].lines}
    assert len(looks) == 12


@pytest.mark.parametrize("label", ["$\\x{$", "a $ and a $", "$x$"])
def test_a_dollar_sign_in_a_label_begins_no_formula(label, tmp_path):
    from mien.evaluation.plots_study import box_picture

    one = dataclasses.replace(value("finished", 1.0), label=label, scores=[0.5, 0.6])
    box_picture([one], "accuracy", tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 1000


def test_failed_values_alone_are_shown_whole_and_nothing_needs_an_end_too():
    assert top(value("collapsed", 8.0)) == pytest.approx(9.2)
    assert top(value("diverged", float("nan"))) == 1.0


def test_where_all_have_failed_the_worst_does_not_press_the_others_flat():
    assert top(value("collapsed", 8.0), value("diverged", 1e12, 1e12)) == pytest.approx(9.2)
    three = (value("collapsed", 8.0), value("collapsed", 4.0), value("diverged", 1e12))
    assert top(*three) == pytest.approx(9.2)
