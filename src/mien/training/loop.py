"""The training loop: batches in, weights moved, an epoch's figures out; it can stop and go on between any two batches."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mien.data.augment import mixing
from mien.data.batches import epoch_batches, num_batches
from mien.data.dataset import Dataset
from mien.errors import DataError, DivergedError, TrainingError
from mien.preprocess import InputSpec
from mien.recipe import Recipe
from mien.training.distillation import Teacher, distance
from mien.training.ema import MovingAverage
from mien.training.losses import head_loss
from mien.training.optimizers import build_optimizer
from mien.training.replay import Replayed
from mien.training.schedules import build_schedule
from mien.training.seen_faces import SeenFaces
from mien.training.targets import Targets, head_labels, make_targets

__all__ = ["Progress", "Trainer"]


@dataclass
class Progress:
    """Where a run is, and the sums of the epoch that it is in."""

    epoch: int = 0
    """Epochs that are complete."""
    batch: int = 0
    """Batches of the present epoch that are done."""
    loss_sum: float = 0.0
    num_right: float = 0.0
    num_seen: float = 0.0
    """Faces that the first head had something to learn from."""
    lr: float = 0.0
    """Learning rate of the last batch that was done."""
    seconds: float = 0.0
    """Time spent in the present epoch, over all its sittings."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What the run remembers between epochs: the best score, epochs without gain."""

    def start_epoch(self) -> None:
        """Count the present epoch as complete and begin the next."""
        self.epoch, self.batch = self.epoch + 1, 0
        self.loss_sum = self.num_right = self.num_seen = self.seconds = 0.0


class Trainer:
    """A network, its optimizer and the training faces, all on one device."""

    def __init__(
        self,
        recipe: Recipe,
        network: nn.Module,
        spec: InputSpec,
        data: Dataset,
        device: torch.device,
        precision: str,
        teacher: Teacher | None = None,
    ) -> None:
        """Put everything in place; nothing is trained yet.

        Args:
            recipe: What the run was told.
            network: Maps (N, C, H, W) to logits of all heads, side by side.
            spec: The network's input.
            data: The training rows only.
            device: Where to compute.
            precision: ``"bf16"`` or ``"fp32"``.
            teacher: Whom the network learns from besides the targets; None for nobody.

        Raises:
            DataError: If a head cannot be learnt from this data, or there is nothing to learn from.
        """
        self.recipe, self.spec, self.data, self.device = recipe, spec, data, device
        self.progress = Progress()
        self.network = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = MovingAverage(self.network, recipe.train.ema) if recipe.train.ema else None
        self.optimizer = build_optimizer(self.network, recipe.optimizer)
        self.steps_per_epoch = num_batches(len(data), recipe.train.batch_size)
        self.schedule = build_schedule(
            self.optimizer, recipe.schedule, recipe.train.epochs, self.steps_per_epoch
        )
        self.head_sizes = [len(head_labels(head, data)) for head in recipe.heads]
        self._bf16 = precision == "bf16"
        self._replayed = Replayed(self.network, device, bf16=self._bf16)
        self._teacher = None if teacher is None else teacher.to(device)
        self._seen = SeenFaces(recipe, spec, data, device)
        self._fixed = [make_targets(h, data, np.zeros(len(data))) for h in recipe.heads]
        for head, targets in zip(recipe.heads, self._fixed, strict=True):
            if not targets.counts.any():
                raise DataError(
                    f"None of {len(data):,} training faces has an answer that the head '{head.labels}' could learn."
                )

    @property
    def trained(self) -> nn.Module:
        """The network whose weights are the result: the running average where there is one."""
        return self.network if self.average is None else self.average.network

    def run_epoch(self, after_batch: Callable[[Progress], None]) -> dict[str, float]:
        """Train to the end of the present epoch.

        Args:
            after_batch: Called between batches; whatever it raises leaves a state that can be saved.

        Returns:
            The epoch's ``train_loss``, ``train_accuracy`` (first head, on augmented faces that it learns from), ``lr``,
            ``seconds``.

        Raises:
            DivergedError: If the loss is no longer a finite number.
        """
        progress, recipe = self.progress, self.recipe
        self._seen.begin(progress.epoch)
        targets = self._targets(progress.epoch)
        self.network.train()
        batches = epoch_batches(
            len(self.data), recipe.train.batch_size, recipe.seed, progress.epoch, progress.batch
        )
        for rows in batches:
            started = time.perf_counter()
            self._step(rows, targets)
            progress.batch += 1
            progress.seconds += time.perf_counter() - started
            after_batch(progress)
        return {
            "train_loss": progress.loss_sum / max(1.0, progress.num_seen),
            "train_accuracy": progress.num_right / max(1.0, progress.num_seen),
            "lr": progress.lr,
            "seconds": progress.seconds,
        }

    def state(self) -> dict[str, Any]:
        """Return everything that going on bit-exactly needs; random draws need no state."""
        return {
            "network": self.network.state_dict(),
            "average": None if self.average is None else self.average.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state(),
            "progress": asdict(self.progress),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `state` returned.

        Raises:
            TrainingError: If it belongs to another network or recipe.
        """
        try:
            self.network.load_state_dict(state["network"])
            if self.average is not None:
                self.average.network.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.restore(state["schedule"])
            self.progress = Progress(**state["progress"])
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            reason = str(error).splitlines()[0]
            raise TrainingError(
                f"The checkpoint is of another network or recipe: {reason}"
            ) from None

    def _targets(self, epoch: int) -> list[tuple[Tensor, Tensor]]:
        """Each head's targets on the device; those that are drawn are drawn for this epoch."""
        made: list[tuple[Tensor, Tensor]] = []
        for index, (head, fixed) in enumerate(zip(self.recipe.heads, self._fixed, strict=True)):
            targets: Targets = fixed
            if head.mode == "probability":
                generator = np.random.default_rng([self.recipe.seed, epoch, 3, index])
                targets = make_targets(head, self.data, generator.random(len(self.data)))
            probs, counts = torch.from_numpy(targets.probs), torch.from_numpy(targets.counts)
            made.append((probs.to(self.device), counts.to(self.device)))
        return made

    def _step(self, rows: NDArray[np.intp], targets: list[tuple[Tensor, Tensor]]) -> None:
        """Move the weights once."""
        progress, recipe = self.progress, self.recipe
        step = progress.epoch * self.steps_per_epoch + progress.batch
        self._seed((recipe.seed << 32) + step)  # dropout: a function of seed and step alone
        picked = torch.from_numpy(rows).to(self.device)
        inputs = self._seen(picked)
        batch_targets = [(probs[picked], counts[picked]) for probs, counts in targets]
        if recipe.augment.mixup:
            share = mixing(recipe.augment.mixup, recipe.seed, progress.epoch, progress.batch)
            inputs = inputs * share + inputs.flip(0) * (1 - share)
            batch_targets = [
                (p * share + p.flip(0) * (1 - share), c * c.flip(0)) for p, c in batch_targets
            ]
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        logits = self._replayed(inputs)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16):
            teacher, epoch = self._teacher, progress.epoch
            answers = None if teacher is None else teacher(inputs, picked, epoch)
        loss = self._loss(logits, batch_targets, answers)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._clip()
        self.optimizer.step()
        progress.lr = float(self.optimizer.param_groups[0]["lr"])
        self.schedule.after_step()
        if self.average is not None:
            self.average.update(self.network, step)
        self._count(float(loss.detach()), logits.detach(), *batch_targets[0])

    def _seed(self, seed: int) -> None:
        """Seed the generator that dropout draws from on this device.

        torch.manual_seed would reach every kind of device; for each that is not in use it keeps the seed and a
        formatted stack trace until it is: a third of a small network's step, and memory that is never given back.
        """
        if self.device.type == "cuda":
            torch.cuda.manual_seed(seed)
        else:
            torch.default_generator.manual_seed(seed)

    def _loss(
        self, logits: Tensor, targets: list[tuple[Tensor, Tensor]], answers: Tensor | None
    ) -> Tensor:
        """The heads' losses, added; ``answers`` are the teacher's logits."""
        parts = torch.split(logits, self.head_sizes, dim=1)
        total = torch.zeros((), device=self.device)
        for head, fixed, part, (probs, counts) in zip(
            self.recipe.heads, self._fixed, parts, targets, strict=True
        ):
            loss = head_loss(part, probs, counts, head.label_smoothing, fixed.any_of)
            total = total + head.weight * loss
        if answers is None:
            return total
        how = self.recipe.distill
        far = torch.zeros((), device=self.device)
        for head, part, theirs in zip(
            self.recipe.heads, parts, torch.split(answers, self.head_sizes, dim=1), strict=True
        ):
            far = far + head.weight * distance(part, theirs, how.temperature)
        return total * (1 - how.weight) + far * how.weight

    def _clip(self) -> None:
        options = self.recipe.train
        if options.clip_value:
            torch.nn.utils.clip_grad_value_(self.network.parameters(), options.clip_value)
        if options.clip_norm:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), options.clip_norm)

    def _count(self, loss: float, logits: Tensor, probs: Tensor, counts: Tensor) -> None:
        if not math.isfinite(loss):
            raise DivergedError(
                f"The loss is {loss} in epoch {self.progress.epoch + 1}, batch {self.progress.batch + 1}: the run "
                f"has diverged. Lower optimizer.lr (it is {self.recipe.optimizer.lr}) or set train.clip_norm."
            )
        answers = logits[:, : self.head_sizes[0]].argmax(dim=1, keepdim=True)
        right = probs.gather(1, answers)[:, 0] == probs.amax(dim=1)  # of several that are, any
        num_right, num_seen = torch.stack([(right * counts).sum(), counts.sum()]).tolist()
        self.progress.loss_sum += loss * num_seen
        self.progress.num_right += num_right
        self.progress.num_seen += num_seen
