"""A running average of the weights: it scores like the end of a slower schedule, at any time."""

from __future__ import annotations

import copy

import torch
from torch import nn

__all__ = ["MovingAverage"]


class MovingAverage:
    """Keeps an averaged twin of a network, BN statistics included.

    Copying the raw network's BN statistics instead cost up to 3 points of accuracy at some epochs: they
    belong to other weights.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        """Start the average at the network's present weights.

        Args:
            network: The network that is trained.
            decay: Share of the old average that stays at each step, in (0, 1).
        """
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after ``step`` steps; early on the average forgets faster."""
        decay = min(self._decay, (1 + step) / (10 + step))
        ours, theirs = self.network.state_dict(), network.state_dict()
        floating = [name for name, value in ours.items() if value.is_floating_point()]
        torch._foreach_lerp_([ours[n] for n in floating], [theirs[n] for n in floating], 1 - decay)
        for name in ours.keys() - set(floating):
            ours[name].copy_(theirs[name])
