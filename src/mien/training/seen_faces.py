"""The training faces as a run's network sees them: changed anew each epoch, by nothing but seed, epoch and row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict

import numpy as np
import torch
from torch import Tensor, nn

from mien.data.augment import Augmentation, augment, draw
from mien.data.dataset import Dataset
from mien.errors import ConfigError
from mien.preprocess import InputSpec, normalise
from mien.recipe import Recipe
from mien.runtime import is_out_of_memory

__all__ = ["SeenFaces", "check_sizes", "size_in", "sizes_shown"]


class SeenFaces:
    """All training faces of a run on its device."""

    def __init__(
        self, recipe: Recipe, spec: InputSpec, data: Dataset, device: torch.device
    ) -> None:
        """Put them there.

        Args:
            recipe: Says how they are changed, and how large they are in which epoch.
            spec: The network's input.
            data: The training rows only.
            device: Where to compute.
        """
        self._recipe, self._spec, self._device = recipe, spec, device
        options = {k: v for k, v in asdict(recipe.augment).items() if k != "mixup"}
        self._how = Augmentation(**options)
        # A memory-mapped cache is read-only; torch wants to own what it computes with.
        self._images = torch.from_numpy(np.array(data.images)).to(device)
        self._chances = torch.empty(0)
        self._size = spec.size

    def begin(self, epoch: int) -> None:
        """Draw what happens to each face in this epoch, counted from 0."""
        chances = draw(len(self._images), self._recipe.seed, epoch)
        self._chances = torch.from_numpy(chances).to(self._device)
        self._size = size_in(self._recipe, epoch)

    def __call__(self, rows: Tensor) -> Tensor:
        """Return (N, C, S, S) normalised pixels of some rows, on the device; S is the epoch's size, px."""
        pixels = self._images[rows][:, None].float()
        pixels = augment(pixels, self._chances[rows], self._how, self._size)
        return normalise(pixels, self._spec).expand(-1, self._spec.channels, -1, -1)


def size_in(recipe: Recipe, epoch: int) -> int:
    """Return the side, px, of what a run's network sees in an epoch, counted from 0."""
    sizes = _sizes_in_turn(recipe)
    return sizes[epoch * len(sizes) // recipe.train.epochs]


def sizes_shown(recipe: Recipe) -> list[int]:
    """Return the sides, px, that a run's network is shown, in training and when it is scored; each once."""
    return list(dict.fromkeys([*_sizes_in_turn(recipe), recipe.data.size]))


def _sizes_in_turn(recipe: Recipe) -> Sequence[int]:
    """As many as there are epochs, or fewer: a short run is shown the last ones."""
    return recipe.train.sizes[-recipe.train.epochs :] or (recipe.data.size,)


def check_sizes(network: nn.Module, sizes: Iterable[int], channels: int, who: str) -> None:
    """Let a network read a blank face of each size: whether it can is found out before the first epoch, not in a later one.

    Args:
        network: On any device, ``meta`` too; it stays as it is.
        sizes: Sides of what it will be shown, px.
        channels: Of the same.
        who: What it is called when it is refused.

    Raises:
        ConfigError: If it cannot read one of them.
    """
    modes = [(module, module.training) for module in network.modules()]
    device = next(network.parameters()).device
    network.eval()  # BN takes no batch of one in training
    try:
        for size in sizes:
            with torch.no_grad():
                network(torch.zeros(1, channels, size, size, device=device))
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        raise ConfigError(
            f"{who} cannot read faces of {size} px: they are too small for its layers, or it has weights for another size "
            "alone. Change data.size or train.sizes, or take another network."
        ) from None
    finally:
        for module, is_training in modes:
            module.training = is_training
