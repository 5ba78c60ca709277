"""What a network costs: its parameters, and the multiplications with addition that one input takes."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mien.models.shapes import shapes_only
from mien.models.spec import ModelSpec

__all__ = ["count_macs", "count_parameters", "on_paper"]


def count_parameters(network: nn.Module) -> int:
    """Return how many numbers training changes."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_macs(network: nn.Module, size: int, channels: int = 1) -> int:
    """Return the multiply-accumulates of convolutions and linear layers for one input.

    Normalisation, activations and pooling are left out, as the papers' figures do.

    Args:
        network: On any device; on ``meta`` nothing is computed and the count takes milliseconds.
        size: Side of the input, px.
        channels: Of the input.
    """
    total = 0

    def add(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            terms = module.in_channels // module.groups * math.prod(module.kernel_size)
        else:
            assert isinstance(module, nn.Linear)
            terms = module.in_features
        total += output.numel() * terms

    hooks = [
        module.register_forward_hook(add)
        for module in network.modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    was_training = network.training
    try:
        with torch.no_grad():
            network.eval()(
                torch.zeros(1, channels, size, size, device=next(network.parameters()).device)
            )
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return total


def on_paper(
    spec: ModelSpec, num_classes: int = 7, in_channels: int = 1, **options: object
) -> nn.Module:
    """Build a network without memory for its weights, to count and to compare shapes."""
    with shapes_only():
        return spec.build(num_classes=num_classes, in_channels=in_channels, **options)
