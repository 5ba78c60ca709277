"""Drawing the next point of a study whose values are not all given."""

from __future__ import annotations

import math
from collections.abc import Container
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.studies.design import NOT_COMPARED, Design, Factor, Point

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

__all__ = ["distributions", "draw_point", "next_point"]


def distributions(design: Design) -> dict[str, BaseDistribution]:
    """Return what each factor is drawn from."""
    return {factor.name: _distribution(factor) for factor in design.factors}


def draw_point(
    design: Design, trials: list[FrozenTrial], draw: int
) -> tuple[Point, dict[str, Any]]:
    """Draw a point.

    Nothing is written: a process that dies here leaves no trace.

    Args:
        design: Whose factors and sampler.
        trials: The runs so far, from which ``tpe`` learns.
        draw: Number of this draw; with the study's first seed it decides the luck, so that ``random`` is the same again.

    Returns:
        The point, and its values as Optuna's parameters.
    """
    import optuna

    seed = _seed(design, draw)
    sampler: optuna.samplers.BaseSampler = (
        optuna.samplers.RandomSampler(seed)
        if design.design == "random"
        else optuna.samplers.TPESampler(seed=seed)
    )
    scratch = optuna.create_study(direction="maximize", sampler=sampler)
    scratch.add_trials([trial for trial in trials if trial.state.is_finished()])
    values = scratch.ask(distributions(design)).params
    return _point(design, values), values


def next_point(
    design: Design, known: Container[str], draw: int
) -> tuple[Point, dict[str, Any]] | None:
    """Return a point that is new where draws give old ones only: the first such combination from a random one on.

    Args:
        design: Whose factors.
        known: Labels of the points so far.
        draw: As for `draw_point`.

    Returns:
        As `draw_point`; None where all combinations are known, or where a range of real numbers has no end of them.
    """
    combinations = math.prod(factor.num_values for factor in design.factors)
    if not math.isfinite(combinations):
        return None
    start = _seed(design, draw)
    for place in range(int(combinations)):
        values = _combination(design, (start + place) % int(combinations))
        point = _point(design, values)
        if point.label not in known:
            return point, values
    return None


def _combination(design: Design, place: int) -> dict[str, Any]:
    """The values of a combination by its number, counted with the first factor's changing the fastest."""
    values: dict[str, Any] = {}
    for factor in design.factors:
        place, digit = divmod(place, int(factor.num_values))
        if factor.levels:
            values[factor.name] = factor.levels[digit].label
        else:
            assert isinstance(factor.low, int)
            values[factor.name] = factor.low + digit
    return values


def _seed(design: Design, draw: int) -> int:
    # 32 bits of both, as NumPy's old generator, which Optuna seeds, takes no more.
    return int(np.random.SeedSequence([design.seeds[0], draw]).generate_state(1)[0])


def _point(design: Design, values: dict[str, Any]) -> Point:
    settings: dict[str, Any] = {}
    for factor in design.factors:
        settings.update(_settings(factor, values[factor.name]))
    labels = {name: _label(value) for name, value in values.items()}
    named = ", ".join(f"{name}={label}" for name, label in labels.items())
    return Point(label=named, values=labels, settings=settings, reference=NOT_COMPARED)


def _distribution(factor: Factor) -> BaseDistribution:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if factor.levels:
        return CategoricalDistribution([level.label for level in factor.levels])
    low, high = factor.low, factor.high
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=factor.log)
    assert low is not None
    assert high is not None
    return FloatDistribution(low, high, log=factor.log)


def _settings(factor: Factor, value: Any) -> dict[str, Any]:
    if factor.levels:
        return dict(next(level for level in factor.levels if level.label == value).settings)
    return {factor.setting: value}


def _label(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
