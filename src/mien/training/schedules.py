"""How the learning rate goes: torch's own schedulers, stepped once a batch or once an epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from mien.recipe import ScheduleOptions

__all__ = ["Schedule", "build_schedule", "rate_factor"]


@dataclass(frozen=True)
class Schedule:
    """One of the two kinds of scheduler, behind one pair of calls."""

    per_step: LRScheduler | None
    """Moved after every batch."""
    per_epoch: ReduceLROnPlateau | None
    """Moved after every epoch by the validation accuracy."""

    def after_step(self) -> None:
        """Move on by one batch."""
        if self.per_step is not None:
            self.per_step.step()

    def after_epoch(self, valid_accuracy: float) -> None:
        """Move on by one epoch."""
        if self.per_epoch is not None:
            self.per_epoch.step(valid_accuracy)

    def state(self) -> dict[str, object]:
        """Return what a checkpoint needs."""
        inner = self.per_step if self.per_step is not None else self.per_epoch
        assert inner is not None
        return inner.state_dict()

    def restore(self, state: dict[str, object]) -> None:
        """Take up what `state` returned."""
        inner = self.per_step if self.per_step is not None else self.per_epoch
        assert inner is not None
        inner.load_state_dict(state)


def rate_factor(name: str, step: int, total_steps: int, warmup_steps: int) -> float:
    """Return the learning rate of a batch as a part of the peak.

    Args:
        name: ``"constant"``, ``"linear"`` or ``"cosine"``: what follows the warm-up.
        step: Batches done, from 0.
        total_steps: Batches of the whole run.
        warmup_steps: Batches in which the rate rises linearly.

    Returns:
        A factor in [0, 1]; ``linear`` and ``cosine`` reach 0 at ``total_steps``.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    left = 1 - (step - warmup_steps) / max(1, total_steps - warmup_steps)
    if name == "linear":
        return max(0.0, left)
    if name == "cosine":
        return 0.5 * (1 - math.cos(math.pi * max(0.0, left)))
    return 1.0


def build_schedule(
    optimizer: Optimizer, options: ScheduleOptions, epochs: int, steps_per_epoch: int
) -> Schedule:
    """Return the schedule that a recipe asks for, for a run of ``epochs``."""
    total_steps = epochs * steps_per_epoch
    if options.name == "plateau":
        plateau = ReduceLROnPlateau(
            optimizer,
            mode="max",
            factor=options.factor,
            patience=options.patience,
            min_lr=options.min_lr,
        )
        return Schedule(None, plateau)
    if options.name == "one_cycle":
        # torch divides by the steps after the first in which the rate rises; there are none in the shortest runs.
        is_one_step = options.pct_start * total_steps == 1
        peaks = [float(group["lr"]) for group in optimizer.param_groups]
        cycle = OneCycleLR(
            optimizer,
            max_lr=peaks,
            total_steps=total_steps,
            pct_start=options.pct_start * (1 + 1e-9 * is_one_step),
            cycle_momentum=options.cycle_momentum,
        )
        return Schedule(cycle, None)
    warmup_steps = round(options.warmup_epochs * steps_per_epoch)

    def factor(step: int) -> float:
        return rate_factor(options.name, step, total_steps, warmup_steps)

    return Schedule(LambdaLR(optimizer, factor), None)
