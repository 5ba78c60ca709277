"""The training faces as a run's network sees them: changed anew each epoch, by nothing but seed, epoch and row."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import torch
from torch import Tensor

from mien.data.augment import Augmentation, augment, draw
from mien.data.dataset import Dataset
from mien.preprocess import InputSpec, normalise
from mien.recipe import Recipe

__all__ = ["SeenFaces", "size_in", "sizes_shown"]


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
    epochs = recipe.train.epochs
    sizes = recipe.train.sizes[-epochs:] or (recipe.data.size,)  # the last, however short
    return sizes[epoch * len(sizes) // epochs]


def sizes_shown(recipe: Recipe) -> list[int]:
    """Return the sides, px, that a run's network is shown, in training and when it is scored; each once."""
    in_training = [size_in(recipe, epoch) for epoch in range(recipe.train.epochs)]
    return list(dict.fromkeys([*in_training, recipe.data.size]))
