"""What all pictures share: the figure, its colours, how axes look, how it is saved.

Figures are made and saved directly, without pyplot: no window, no state that outlives the call. The colours are Okabe and
Ito's, which colour-blind readers can tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "BLUE",
    "FAINT",
    "GREEN",
    "GREY",
    "INK",
    "VERMILION",
    "column_of",
    "epoch_axis",
    "new_figure",
    "plain_axes",
    "save_figure",
]

BLUE, VERMILION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#6b7280"
INK, FAINT = "#1f2933", "#d9dee4"


def new_figure(width: float, height: float, dpi: int) -> Figure:
    """Return an empty white figure.

    Args:
        width: Inches.
        height: Inches.
        dpi: Pixels an inch.

    Raises:
        MissingExtraError: If matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("train", "Drawing") from None
    figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def plain_axes(axes: Axes) -> None:
    """Give axes a faint grid and no frame above and to the right."""
    axes.grid(visible=True, color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(length=0)


def epoch_axis(axes: Axes) -> None:
    """Number whole epochs only along the x-axis, a single one too."""
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)  # type: ignore[call-arg]


def save_figure(figure: Figure, path: Path, *, tight: bool = False) -> None:
    """Write a PNG; ``tight`` cuts it to what is drawn.

    Words are written as they are: labels are users' own, and a dollar sign in one begins no formula.

    Raises:
        InputError: If it cannot be written.
    """
    from matplotlib.text import Text

    for words in figure.findobj(Text):
        assert isinstance(words, Text)
        words.set_parse_math(False)
    try:
        figure.savefig(path, format="png", bbox_inches="tight" if tight else None)
    except OSError as error:
        raise InputError(
            f"Cannot write {path}: {error.strerror}. Is its folder there and the disk not full?"
        ) from None


def column_of(rows: Sequence[Mapping[str, Any]], key: str) -> NDArray[np.float64]:
    """Return one figure of all epochs, (epochs,); NaN where it is missing or not finite."""
    values = np.array([row.get(key, np.nan) for row in rows], np.float64)
    return np.where(np.isfinite(values), values, np.nan)
