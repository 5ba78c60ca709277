"""Pictures of a run and of a result.

Words are English, because the font that comes with matplotlib has no Hangul. Every meaning that has a colour has a second
sign too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError
from mien.evaluation.metrics import reliability, risk_coverage
from mien.evaluation.plots_canvas import (
    BLUE,
    GREEN,
    GREY,
    INK,
    VERMILION,
    column_of,
    epoch_axis,
    new_figure,
    plain_axes,
    save_figure,
)
from mien.softmax import softmax

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "confusion_picture",
    "coverage_picture",
    "curves",
    "faces_picture",
    "reliability_picture",
]

_DPI = 150


def confusion_picture(
    confusion: NDArray[np.int64], labels: Sequence[str], path: Path, title: str
) -> None:
    """Draw a confusion matrix: counts as numbers, the share of the true class as shade.

    Args:
        confusion: (C, C) counts; rows are true classes.
        labels: Names of the C classes.
        path: The PNG to write.
        title: Stands above it.

    Raises:
        MissingExtraError: If matplotlib is not installed.
        InputError: If the file cannot be written.
    """
    actual = confusion.sum(axis=1)
    shares = confusion / np.maximum(actual, 1)[:, None]
    side = 2.2 + 0.72 * len(labels)
    figure = new_figure(side + 0.9, side, _DPI)
    axes = figure.add_subplot()
    shade = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*confusion.shape):
        share = shares[row, column]
        axes.text(
            column,
            row,
            f"{confusion[row, column]:,}",
            ha="center",
            va="center",
            fontsize=9,
            fontweight="bold" if row == column else "normal",
            color="white" if share > 0.55 else INK if confusion[row, column] else GREY,
        )
    axes.set_xticks(range(len(labels)), labels, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(
        range(len(labels)), [f"{label}  (n={n:,})" for label, n in zip(labels, actual, strict=True)]
    )
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.tick_params(length=0)
    axes.set_xticks(np.arange(len(labels) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(labels) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)
    _title(axes, title)
    bar = figure.colorbar(shade, ax=axes, fraction=0.04, pad=0.03)
    bar.set_label("share of the true class")
    bar.outline.set_visible(False)
    save_figure(figure, path)


def reliability_picture(
    logits: NDArray[np.floating[Any]],
    targets: NDArray[np.int64],
    temperature: float,
    path: Path,
    title: str,
) -> None:
    """Draw accuracy against confidence, before and after temperature scaling, over how confidence is spread.

    Args:
        logits: (N, C).
        targets: (N,) true classes.
        temperature: The one that the model carries.
        path: The PNG to write.
        title: Stands above it.

    Raises:
        MissingExtraError: If matplotlib is not installed.
        InputError: If the file cannot be written.
    """
    figure = new_figure(5.6, 6.4, _DPI)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1))
    upper.plot(
        [0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":", label="confidence = accuracy"
    )
    stages = [
        ("before (T = 1)", 1.0, VERMILION, "s", "--"),
        (f"after (T = {temperature:.2f})", temperature, BLUE, "o", "-"),
    ]
    if temperature == 1:
        stages = [("not calibrated (T = 1)", 1.0, BLUE, "o", "-")]
    for name, value, colour, marker, line in stages:
        probs = softmax(logits, value)
        bins = reliability(probs, targets)
        error = np.average(np.abs(bins.accuracy - bins.confidence), weights=bins.count)
        upper.plot(
            bins.confidence,
            bins.accuracy,
            color=colour,
            marker=marker,
            markersize=5,
            linestyle=line,
            linewidth=1.6,
            label=f"{name}: ECE {100 * error:.1f} %",
        )
        lower.hist(
            probs.max(axis=1),
            bins=np.linspace(0, 1, 26),
            histtype="step",
            color=colour,
            linestyle=line,
            linewidth=1.6,
        )
    upper.set(xlim=(0, 1.02), ylim=(0, 1.02), ylabel="accuracy in the bin")
    upper.legend(frameon=False, loc="upper left")
    lower.set(xlabel="confidence", ylabel="pictures")
    for axes in (upper, lower):
        plain_axes(axes)
    _title(upper, title)
    save_figure(figure, path)


def coverage_picture(
    probs: NDArray[np.floating[Any]], targets: NDArray[np.int64], path: Path, title: str
) -> None:
    """Draw the accuracy that is left when a network may abstain and answers its surest pictures only.

    Args:
        probs: (N, C) probabilities.
        targets: (N,) true classes.
        path: The PNG to write.
        title: Stands above it.

    Raises:
        MissingExtraError: If matplotlib is not installed.
        InputError: If the file cannot be written.
    """
    coverage, risk = risk_coverage(probs.max(axis=1), probs.argmax(axis=1) == targets)
    figure = new_figure(5.6, 3.8, _DPI)
    axes = figure.add_subplot()
    axes.axhline(
        100 * (1 - risk[-1]),
        color=GREY,
        linewidth=1,
        linestyle=":",
        label="answering every picture",
    )
    axes.plot(
        100 * coverage, 100 * (1 - risk), color=BLUE, linewidth=1.7, label="answering the surest"
    )
    axes.set(
        xlim=(0, 100), ylim=(None, 101), xlabel="answered, % of the pictures", ylabel="accuracy, %"
    )
    axes.legend(frameon=False, loc="upper right")
    plain_axes(axes)
    _title(axes, f"{title}: AURC {risk.mean():.3f}")
    save_figure(figure, path)


def faces_picture(
    faces: NDArray[np.uint8],
    targets: NDArray[np.int64],
    probs: NDArray[np.floating[Any]],
    labels: Sequence[str],
    path: Path,
    title: str,
) -> None:
    """Draw faces with their true and predicted label; wrong ones have a dashed frame and a cross.

    Args:
        faces: uint8, (n, H, W) or (n, H, W, 3).
        targets: (n,) true classes.
        probs: (n, C) probabilities.
        labels: Names of the C classes.
        path: The PNG to write.
        title: Stands above them.

    Raises:
        MissingExtraError: If matplotlib is not installed.
        InputError: If the file cannot be written, or there are no faces.
    """
    if not len(faces):
        raise InputError("There are no faces to draw; give at least one.")
    columns = min(8, len(faces))
    lines = -(-len(faces) // columns)
    figure = new_figure(1.45 * columns, 1.85 * lines + 0.5, _DPI)
    cells = np.atleast_1d(figure.subplots(lines, columns)).ravel()
    for axes in cells[len(faces) :]:
        axes.set_visible(False)
    for axes, face, target, chances in zip(cells, faces, targets, probs, strict=False):
        guess = int(chances.argmax())
        right = guess == target
        colour = BLUE if right else VERMILION
        axes.imshow(face, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set(
            color=colour, linewidth=1.2 if right else 2.6, linestyle="-" if right else "--"
        )
        axes.set_title(f"true: {labels[target]}", fontsize=8, color=INK, pad=3)
        axes.set_xlabel(
            f"{'✓' if right else '✗'} {labels[guess]} {chances[guess]:.0%}",
            fontsize=8,
            color=colour,
            fontweight="normal" if right else "bold",
            labelpad=3,
        )
    figure.get_layout_engine().set(w_pad=0.06, hspace=0.01)  # type: ignore[call-arg, union-attr]
    figure.suptitle(title, x=0.012, ha="left", fontsize=11, fontweight="bold", color=INK)
    save_figure(figure, path)


def curves(rows: Sequence[Mapping[str, Any]], path: Path, title: str) -> None:
    """Draw how a run went: loss and accuracy on two axes, below them macro-F1 and the learning rate.

    Args:
        rows: One an epoch, as in ``metrics.jsonl``: ``epoch`` and any of ``train_loss``, ``valid_loss``,
            ``train_accuracy``, ``valid_accuracy``, ``valid_macro_f1`` and ``lr``. What is missing or not
            finite leaves a gap.
        path: The PNG to write.
        title: Stands above it.

    Raises:
        MissingExtraError: If matplotlib is not installed.
        InputError: If there are no rows, or the file cannot be written.
    """
    if not rows:
        raise InputError("There are no epochs to draw; expected one row of metrics at least.")
    epochs = column_of(rows, "epoch")
    figure = new_figure(7.6, 6.6, _DPI)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1.7, 1))
    score, rate = upper.twinx(), lower.twinx()
    _line(upper, epochs, column_of(rows, "train_loss"), VERMILION, "--", "training loss")
    _line(upper, epochs, column_of(rows, "valid_loss"), VERMILION, "-", "validation loss")
    _line(score, epochs, 100 * column_of(rows, "train_accuracy"), BLUE, "--", "training accuracy")
    _line(score, epochs, 100 * column_of(rows, "valid_accuracy"), BLUE, "-", "validation accuracy")
    _line(lower, epochs, 100 * column_of(rows, "valid_macro_f1"), GREEN, "-", "validation macro-F1")
    _line(rate, epochs, column_of(rows, "lr"), GREY, ":", "learning rate")
    for axes, name, colour in (
        (upper, "loss", VERMILION),
        (score, "accuracy, %", BLUE),
        (lower, "macro-F1, %", GREEN),
        (rate, "learning rate", GREY),
    ):
        axes.set_ylabel(name, color=colour)
        axes.tick_params(axis="y", colors=colour)
        plain_axes(axes)
    for axes in (score, rate):
        axes.grid(visible=False)
    rate.set_ylim(bottom=0)
    rate.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
    lower.set_xlabel("epoch")
    epoch_axis(lower)
    for left, right in ((upper, score), (lower, rate)):
        handles = [*left.get_lines(), *right.get_lines()]
        right.legend(
            handles=handles,
            loc="lower center",
            bbox_to_anchor=(0.5, 1.0),
            ncols=len(handles),
            frameon=False,
            fontsize=8.5,
        )
    _title(upper, title, pad=28)
    save_figure(figure, path)


def _line(
    axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], colour: str, style: str, name: str
) -> None:
    if np.isfinite(y).any():
        # A single epoch is a point, which a line alone would not show.
        axes.plot(
            x,
            y,
            color=colour,
            linestyle=style,
            linewidth=1.7,
            label=name,
            marker="o" if len(x) == 1 else None,
        )


def _title(axes: Axes, title: str, pad: float = 12) -> None:
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", color=INK, pad=pad)
