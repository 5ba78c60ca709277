"""Drawing the next point of a study whose values are not all given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mien.studies.design import NOT_COMPARED, Design, Factor, Point

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

__all__ = ["distributions", "draw_point"]


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

    # 32 bits of both, as NumPy's old generator, which Optuna seeds, takes no more.
    seed = int(np.random.SeedSequence([design.seeds[0], draw]).generate_state(1)[0])
    sampler: optuna.samplers.BaseSampler = (
        optuna.samplers.RandomSampler(seed)
        if design.design == "random"
        else optuna.samplers.TPESampler(seed=seed)
    )
    scratch = optuna.create_study(direction="maximize", sampler=sampler)
    scratch.add_trials([trial for trial in trials if trial.state.is_finished()])
    values = scratch.ask(distributions(design)).params
    settings: dict[str, Any] = {}
    for factor in design.factors:
        settings.update(_settings(factor, values[factor.name]))
    labels = {name: _label(value) for name, value in values.items()}
    named = ", ".join(f"{name}={label}" for name, label in labels.items())
    point = Point(label=named, values=labels, settings=settings, reference=NOT_COMPARED)
    return point, values


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
