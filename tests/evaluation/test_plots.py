"""Pictures are written, and what they say is on them."""

import sys

import cv2
import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from mien.errors import InputError, MissingExtraError
from mien.evaluation import plots

LABELS = ("calm", "glad", "sad")
TARGETS = np.array([0, 0, 1, 1, 2, 2, 2, 1])
LOGITS = np.random.default_rng(0).normal(size=(8, 3)) * 3
ROWS = [
    {"epoch": epoch, "train_loss": 2 / epoch, "valid_loss": 2.2 / epoch, "train_accuracy": 0.2 * epoch,
     "valid_accuracy": 0.15 * epoch, "valid_macro_f1": 0.1 * epoch, "lr": 0.1 / epoch, "seconds": 1.0}
    for epoch in (1, 2, 3)
]  # fmt: skip


@pytest.fixture
def figures(monkeypatch):
    """Every figure that was saved, to look at what is drawn on it."""
    saved = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *a, **k: (saved.append(self), save(self, *a, **k))
    )
    return saved


def words(figure):
    return [text.get_text() for axes in figure.axes for text in axes.findobj(matplotlib.text.Text)]


def is_picture(path):
    image = cv2.imread(str(path))
    return image is not None and image.std() > 5


def test_the_confusion_matrix_shows_counts_and_n(tmp_path, figures):
    plots.confusion_picture(
        np.array([[1200, 3, 0], [1, 7, 0], [0, 0, 0]]), LABELS, tmp_path / "a.png", "a title"
    )
    assert is_picture(tmp_path / "a.png")
    assert {"1,200", "3", "7", "calm  (n=1,203)", "sad  (n=0)", "a title"} <= set(words(figures[0]))
    shades = figures[0].axes[0].images[0].get_array()
    assert shades[1].tolist() == [1 / 8, 7 / 8, 0]
    assert shades[2].tolist() == [0, 0, 0]


def test_reliability_is_shown_before_and_after(tmp_path, figures):
    plots.reliability_picture(LOGITS, TARGETS, 1.7, tmp_path / "a.png", "a title")
    plots.reliability_picture(LOGITS, TARGETS, 1.0, tmp_path / "b.png", "a title")
    assert is_picture(tmp_path / "a.png")
    both = [line.get_label() for line in figures[0].axes[0].get_lines()]
    assert [label.split(":")[0] for label in both] == [
        "confidence = accuracy",
        "before (T = 1)",
        "after (T = 1.70)",
    ]
    assert len({line.get_linestyle() for line in figures[0].axes[0].get_lines()}) == 3
    assert [line.get_label().split(":")[0] for line in figures[1].axes[0].get_lines()][1:] == [
        "not calibrated (T = 1)"
    ]


def test_coverage_ends_at_the_accuracy_of_all(tmp_path, figures):
    probs = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.45, 0.55]])
    plots.coverage_picture(probs, np.array([0, 1, 1, 0]), tmp_path / "a.png", "a title")
    assert is_picture(tmp_path / "a.png")
    level, curve = figures[0].axes[0].get_lines()
    assert curve.get_xdata().tolist() == [25, 50, 75, 100]
    np.testing.assert_allclose(curve.get_ydata(), [100, 100, 200 / 3, 50])
    assert level.get_ydata()[0] == 50


def test_wrong_faces_are_marked_by_a_sign_and_a_frame_not_by_colour_alone(tmp_path, figures):
    faces = np.random.default_rng(0).integers(0, 256, (9, 12, 12), dtype=np.uint8)
    probs = np.tile([0.1, 0.2, 0.7], (9, 1))
    plots.faces_picture(
        faces, np.array([2] * 8 + [0]), probs, LABELS, tmp_path / "a.png", "a title"
    )
    assert is_picture(tmp_path / "a.png")
    right, wrong = figures[0].axes[0], figures[0].axes[8]
    assert (right.get_title(), right.get_xlabel()) == ("true: sad", "✓ sad 70%")
    assert (wrong.get_title(), wrong.get_xlabel()) == ("true: calm", "✗ sad 70%")
    assert (right.spines["left"].get_linestyle(), wrong.spines["left"].get_linestyle()) == (
        "-",
        "--",
    )
    assert not figures[0].axes[9].get_visible()


def test_one_face_is_enough_and_none_is_refused(tmp_path):
    face = np.zeros((1, 12, 12, 3), np.uint8)
    plots.faces_picture(
        face, np.array([0]), np.array([[1.0, 0, 0]]), LABELS, tmp_path / "a.png", "one"
    )
    assert is_picture(tmp_path / "a.png")
    with pytest.raises(InputError, match="There are no faces to draw"):
        plots.faces_picture(
            face[:0], np.array([]), np.zeros((0, 3)), LABELS, tmp_path / "b.png", "none"
        )


def test_curves_put_loss_left_and_accuracy_right(tmp_path, figures):
    plots.curves(ROWS, tmp_path / "a.png", "a run")
    assert is_picture(tmp_path / "a.png")
    loss, macro, accuracy, rate = figures[0].axes
    drawn = {line.get_label(): line for axes in figures[0].axes for line in axes.get_lines()}
    assert [axes.get_ylabel() for axes in (loss, accuracy, macro, rate)] == [
        "loss", "accuracy, %", "macro-F1, %", "learning rate",
    ]  # fmt: skip
    assert drawn["training loss"].axes is loss
    assert drawn["validation accuracy"].axes is accuracy
    np.testing.assert_allclose(drawn["validation accuracy"].get_ydata(), [15, 30, 45])
    assert (drawn["training loss"].get_linestyle(), drawn["validation loss"].get_linestyle()) == (
        "--",
        "-",
    )


@pytest.mark.parametrize(
    "rows",
    [
        ROWS[:1],
        [
            {"epoch": 1, "train_loss": float("nan"), "lr": 0.1},
            {"epoch": 2, "train_loss": float("inf"), "valid_loss": None},
        ],
        [{"epoch": 0, "train_loss": 1.0, "collapsed": "happy"}],
    ],
    ids=["one epoch", "diverged", "loss only"],
)
def test_curves_of_short_and_broken_runs_are_drawn_without_warnings(tmp_path, rows):
    plots.curves(rows, tmp_path / "a.png", "a run")
    assert is_picture(tmp_path / "a.png")


def test_curves_of_no_epochs_are_refused(tmp_path):
    with pytest.raises(InputError, match="There are no epochs to draw"):
        plots.curves([], tmp_path / "a.png", "a run")


def test_a_picture_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(InputError, match=r"Cannot write .*a\.png: No such file"):
        plots.curves(ROWS, tmp_path / "missing" / "a.png", "a run")


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(
        MissingExtraError, match=r"Drawing needs an extra: pip install 'mien\[train\]'"
    ):
        plots.curves(ROWS, tmp_path / "a.png", "a run")


def test_drawing_leaves_no_window_behind(tmp_path):
    before = "matplotlib.pyplot" in sys.modules
    plots.curves(ROWS, tmp_path / "a.png", "a run")
    assert ("matplotlib.pyplot" in sys.modules) == before


@pytest.mark.parametrize("count", [1, 2, 3])
def test_epochs_are_numbered_whole_however_few(count, figures, tmp_path):
    plots.curves(ROWS[:count], tmp_path / "curves.png", "a run")
    low, high = figures[0].axes[1].get_xlim()
    shown = [tick for tick in figures[0].axes[1].get_xticks() if low <= tick <= high]
    assert shown == list(range(1, count + 1))
