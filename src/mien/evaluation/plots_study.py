"""Pictures of a study: its curves laid over each other, loss and accuracy of each value, boxes, differences.

In the manner of `plots`: figures are saved directly, without pyplot; each meaning has a colour and a second sign.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.evaluation.plots_canvas import (
    BLUE,
    GREY,
    INK,
    VERMILION,
    column_of,
    epoch_axis,
    new_figure,
    plain_axes,
    save_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "Value",
    "box_picture",
    "difference_picture",
    "dual_axis_picture",
    "loss_top",
    "overlaid_picture",
]

_COLOURS = (BLUE, VERMILION, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8a7a00", INK)
_STYLES = ("-", "--", ":", "-.")
_MARKERS = ("o", "s", "^", "D")
_DPI = 110
_MOST_PANELS = 40


@dataclass(frozen=True, kw_only=True)
class Value:
    """One value of a study, as the pictures need it."""

    label: str
    curves: Sequence[Sequence[Mapping[str, Any]]]
    """For each seed its rows, one an epoch: ``epoch``, ``train_loss``, ``valid_macro_f1``, …"""
    scores: Sequence[float]
    """Of its runs, 0 to 1; empty where all left nothing to score."""
    state: str
    """``"finished"``, or how its runs failed."""
    family: int = 0
    """Values of one family share a colour: the same level of the first factor."""
    member: int = 0
    """Values of one family differ in line and marker."""
    difference: tuple[float, float, float] | None = None
    """To its reference, with the ends of the interval."""


def overlaid_picture(values: Sequence[Value], score: str, name: str, path: Path) -> None:
    """Draw how the score and the loss on the validation faces went, all values in one picture.

    Args:
        values: Each with a thin line a seed and a thick one for their mean.
        score: Key of the score in the rows, such as ``"valid_macro_f1"``.
        name: What it is called.
        path: The PNG to write.

    Raises:
        MissingExtraError: If matplotlib is not installed.
        InputError: If the file cannot be written.
    """
    figure = new_figure(11.2, 4.6 + 0.13 * max(0, len(values) - 12), _DPI)
    left, right = figure.subplots(1, 2)
    for axes, key, factor, title in (
        (left, score, 100.0, f"validation {name}, %"),
        (right, "valid_loss", 1.0, "validation loss"),
    ):
        for value in values:
            _overlay(axes, value, key, factor)
        axes.set_xlabel("epoch")
        axes.set_title(title, loc="left", fontsize=10, color=INK)
        if key == "valid_loss":
            top = loss_top([(value, value.curves) for value in values], [key])
            if axes.get_ylim()[1] > top:
                # The margin below was meant for an axis that reaches up to what is cut off.
                drawn = [np.asarray(line.get_ydata(), np.float64) for line in axes.lines]
                lowest = float(np.nanmin(np.concatenate(drawn)))
                axes.set_ylim(lowest - 0.05 * (top - lowest), top)
        epoch_axis(axes)
        plain_axes(axes)
    figure.legend(
        handles=left.get_legend_handles_labels()[0],
        loc="outside right upper",
        frameon=False,
        fontsize=8.5,
    )
    save_figure(figure, path, tight=True)


def dual_axis_picture(values: Sequence[Value], path: Path) -> None:
    """Draw loss (left axis) and accuracy (right axis) of every value, training dashed, validation solid.

    All panels share both axes, so that they can be compared; the seed in the middle stands for its value.

    Raises:
        MissingExtraError: If matplotlib is not installed.
        InputError: If the file cannot be written.
    """
    shown = [value for value in values if any(len(curve) for curve in value.curves)][:_MOST_PANELS]
    num_members = 1 + max((value.member for value in shown), default=0)
    # A grid has a line a family, so that one sees what its members change.
    columns = num_members if 2 <= num_members <= 4 else min(4, max(1, len(shown)))
    lines = max(1, -(-len(shown) // columns))
    figure = new_figure(2.9 * columns + 0.6, 2.25 * lines + 0.5, _DPI)
    cells = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
    top = loss_top([(value, [_middle(value)]) for value in shown], ("train_loss", "valid_loss"))
    for index, axes in enumerate(cells):
        if index >= len(shown):
            axes.set_visible(False)
            continue
        value, rows = shown[index], _middle(shown[index])
        epochs = column_of(rows, "epoch")
        other = axes.twinx()
        marker = "." if len(epochs) == 1 else None
        for key, style in (("train_loss", "--"), ("valid_loss", "-")):
            axes.plot(epochs, column_of(rows, key), style, color=VERMILION, lw=1.4, marker=marker)
        for key, style in (("train_accuracy", "--"), ("valid_accuracy", "-")):
            other.plot(epochs, 100 * column_of(rows, key), style, color=BLUE, lw=1.4, marker=marker)
        axes.set_ylim(0, top)
        other.set_ylim(0, 100)
        mark = "(incomplete)" if value.state == "incomplete" else f"✗ {value.state}"
        failed = "" if value.state == "finished" else f" {mark}"
        axes.set_title(value.label + failed, loc="left", fontsize=8.5, color=INK)
        for one, colour in ((axes, VERMILION), (other, BLUE)):
            plain_axes(one)
            one.tick_params(axis="y", colors=colour, labelsize=7.5)
        other.grid(visible=False)
        nothing_below = index + columns >= len(shown)
        axes.tick_params(axis="x", labelsize=7.5, labelbottom=nothing_below)
        epoch_axis(axes)
        other.tick_params(labelright=(index + 1) % columns == 0 or index == len(shown) - 1)
    figure.supxlabel("epoch", fontsize=9)
    figure.supylabel("loss: -- training, — validation", fontsize=9, color=VERMILION)
    figure.text(
        1.0, 0.5, "accuracy, %", rotation=270, va="center", ha="left", fontsize=9, color=BLUE
    )
    save_figure(figure, path, tight=True)


def box_picture(values: Sequence[Value], name: str, path: Path) -> None:
    """Draw the scores of every value as a box with a dot a seed; values that failed are crossed.

    Raises:
        MissingExtraError: If matplotlib is not installed.
        InputError: If the file cannot be written.
    """
    figure = new_figure(7.4, 1.1 + 0.36 * len(values), _DPI)
    axes = figure.add_subplot()
    for place, value in enumerate(values):
        fine = value.state == "finished"
        colour = _COLOURS[value.family % len(_COLOURS)] if fine else GREY
        scores = 100 * np.asarray(value.scores, np.float64)
        if len(scores) > 1:
            axes.boxplot(
                [scores],
                positions=[place],
                orientation="horizontal",
                widths=0.55,
                showfliers=False,
                boxprops={"color": colour},
                medianprops={"color": colour, "linewidth": 2},
                whiskerprops={"color": colour},
                capprops={"color": colour},
            )
        marker = _sign(value, _MARKERS) if fine else "x"
        axes.plot(scores, np.full(len(scores), place), marker, color=colour, ms=5, alpha=0.85)
        if not fine:
            text = f"  {value.state}: no rank"
            if len(scores):
                axes.text(scores.max(), place, text, va="center", fontsize=8, color=GREY)
            else:
                axes.text(
                    0,
                    place,
                    text,
                    va="center",
                    fontsize=8,
                    color=GREY,
                    transform=axes.get_yaxis_transform(),
                )
    axes.set_yticks(range(len(values)), [value.label for value in values], fontsize=8.5)
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.set_xlabel(f"{name}, %; a dot is a seed")
    axes.margins(x=0.12)
    plain_axes(axes)
    save_figure(figure, path, tight=True)


def difference_picture(values: Sequence[Value], name: str, path: Path) -> bool:
    """Draw each value's difference to its reference with its 95 % interval.

    Returns:
        Whether there was anything to draw; without, no file is written.

    Raises:
        MissingExtraError: If matplotlib is not installed.
        InputError: If the file cannot be written.
    """
    shown = [value for value in values if value.difference is not None]
    if not shown:
        return False
    figure = new_figure(7.4, 1.1 + 0.34 * len(shown), _DPI)
    axes = figure.add_subplot()
    axes.axvline(0, color=INK, linewidth=1)
    for place, value in enumerate(shown):
        assert value.difference is not None
        middle, low, high = (100 * part for part in value.difference)
        is_clear = low > 0 or high < 0
        colour = _COLOURS[value.family % len(_COLOURS)]
        axes.plot([low, high], [place, place], color=colour, linewidth=2 if is_clear else 1.2)
        axes.plot(
            middle,
            place,
            _sign(value, _MARKERS),
            color=colour,
            markerfacecolor=colour if is_clear else "white",
            markersize=6,
        )
    axes.set_yticks(range(len(shown)), [value.label for value in shown], fontsize=8.5)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlabel(
        f"difference in {name} to the base, points (95 % interval, not adjusted; filled: it leaves out 0)"
    )
    plain_axes(axes)
    save_figure(figure, path, tight=True)
    return True


def _sign(value: Value, signs: Sequence[str]) -> str:
    """Return a value's line or marker; families beyond the colours take the next one, so that no two look alike."""
    return signs[(value.member + value.family // len(_COLOURS)) % len(signs)]


def _overlay(axes: Axes, value: Value, key: str, factor: float) -> None:
    colour = _COLOURS[value.family % len(_COLOURS)]
    style = _sign(value, _STYLES)
    curves = [factor * column_of(rows, key) for rows in value.curves if len(rows)]
    longest = max((len(curve) for curve in curves), default=0)
    if not longest:
        return
    for curve in curves:
        axes.plot(np.arange(1, len(curve) + 1), curve, style, color=colour, lw=0.6, alpha=0.4)
    # Of epochs that all seeds reached: a mean over fewer would jump where one stops.
    common = min(len(curve) for curve in curves)
    mean = np.mean([curve[:common] for curve in curves], axis=0)
    failed = "" if value.state == "finished" else f" ({value.state})"
    axes.plot(
        np.arange(1, common + 1),
        mean,
        style,
        color=colour,
        lw=1.9,
        label=value.label + failed,
        marker="o" if common == 1 else None,
        ms=4,
    )


def loss_top(
    drawn: Sequence[tuple[Value, Sequence[Sequence[Mapping[str, Any]]]]], keys: Sequence[str]
) -> float:
    """Return where an axis of losses ends: a value that failed must not press all others flat, and leaves the picture.

    Where all have failed, half of them stay in it.

    Args:
        drawn: Values, each with those of its curves that are drawn.
        keys: Of the losses in their rows.
    """
    sound: list[float] = []
    failed: list[float] = []  # one a value: where its own axis would end
    for value, curves in drawn:
        losses = [
            float(row[key])
            for rows in curves
            for row in rows
            for key in keys
            if key in row and np.isfinite(row[key])
        ]
        if value.state in ("finished", "incomplete"):
            sound += losses
        elif losses:
            failed.append(float(np.quantile(losses, 0.97)))
    if sound:
        return float(np.quantile(sound, 0.97)) * 1.15
    return sorted(failed)[(len(failed) - 1) // 2] * 1.15 if failed else 1.0


def _middle(value: Value) -> Sequence[Mapping[str, Any]]:
    """The curve of the seed whose last validation loss is in the middle."""
    curves = [rows for rows in value.curves if len(rows)]
    ordered = sorted(curves, key=lambda rows: float(rows[-1].get("valid_loss", np.inf)))
    return ordered[len(ordered) // 2]
