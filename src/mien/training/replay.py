"""On a GPU: a network's forward and its backward pass, each recorded once and replayed as one launch.

A small network's step is hundreds of kernels of a few microseconds each, about what it takes to launch one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Replayed"]


class Replayed:
    """Calls a network in training mode; on a GPU by replaying CUDA graphs, elsewhere as it is."""

    def __init__(self, network: nn.Module, device: torch.device, *, bf16: bool) -> None:
        """Record nothing yet: that is done when a batch comes, and again when its shape is another.

        Args:
            network: In channels-last format, on the device. From now on its weights may only be changed in place, and its
                gradients, which share the recording's memory, must not be added up over calls.
            device: Where it is.
            bf16: Whether to compute in bf16.
        """
        self._network, self._device, self._bf16 = network, device, bf16
        self._recorded: nn.Module | None = None
        self._shape = torch.Size()
        if device.type == "cuda":
            # A run has few shapes, so that looking for the fastest kernels once for each pays. Another process may choose
            # others: resuming on a GPU is exact up to rounding only.
            torch.backends.cudnn.benchmark = True

    def __call__(self, inputs: Tensor) -> Tensor:
        """Map (N, C, S, S), channels last, to logits, which the next call may overwrite."""
        with self._autocast():
            if self._device.type != "cuda":
                logits: Tensor = self._network(inputs)
                return logits
            if self._recorded is None or inputs.shape != self._shape:
                # Sizes come one after another, and each recording holds its activations.
                self._recorded = None
                self._recorded, self._shape = self._record(inputs), inputs.shape
            logits = self._recorded(inputs)
            return logits

    def _autocast(self) -> torch.autocast:
        # A replayed pass reads the weights as they are now; a copy that autocast had kept would be an old one.
        cached = self._device.type != "cuda"
        return torch.autocast(
            self._device.type, torch.bfloat16, enabled=self._bf16, cache_enabled=cached
        )

    def _record(self, inputs: Tensor) -> nn.Module:
        """Record for one shape; the passes that warm up leave neither BN statistics nor random draws changed."""
        kept = {name: value.clone() for name, value in self._network.state_dict().items()}
        draws = torch.cuda.get_rng_state(self._device)
        whole = nn.Sequential(self._network)  # what records itself is this shell, not the network
        recorded = torch.cuda.make_graphed_callables(whole, (inputs.clone(),))
        assert isinstance(recorded, nn.Module)
        self._network.load_state_dict(kept)
        torch.cuda.set_rng_state(draws, self._device)
        return recorded
