"""On a GPU: a step's forward and backward recorded once and replayed as one launch, whatever the number of layers.

A small network's step is hundreds of kernels of a few microseconds, and launching them one by one takes longer than they do.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Replayed"]


class Replayed:
    """Calls a network in training mode; on a GPU by replaying a CUDA graph, elsewhere as it is."""

    def __init__(self, network: nn.Module, device: torch.device, *, bf16: bool) -> None:
        """Record nothing yet: each shape of batch is recorded when it first comes.

        Args:
            network: In channels-last format, on the device; its weights are changed in place from now on.
            device: Where it is.
            bf16: Whether to compute in bf16.
        """
        self._network, self._device, self._bf16 = network, device, bf16
        self._recorded: dict[torch.Size, nn.Module] = {}
        if device.type == "cuda":
            # Shapes stay the same for a whole run, so that looking for the fastest kernels once pays.
            torch.backends.cudnn.benchmark = True

    def __call__(self, inputs: Tensor) -> Tensor:
        """Map (N, C, S, S), channels last, to logits, which the next call may overwrite."""
        with self._autocast():
            if self._device.type != "cuda":
                logits: Tensor = self._network(inputs)
                return logits
            if inputs.shape not in self._recorded:
                self._recorded[inputs.shape] = self._record(inputs)
            logits = self._recorded[inputs.shape](inputs)
            return logits

    def _autocast(self) -> torch.autocast:
        # A recording takes no tensors from outside, so none of autocast's kept copies of weights.
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
