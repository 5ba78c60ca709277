"""What is known of an architecture before it is built: one record beside each network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ModelSpec"]


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """An architecture: how to build it, and the facts that its contract tests check."""

    name: str
    summary: str
    """One line for `mien models`."""
    build: Callable[..., nn.Module]
    """``build(num_classes=…, in_channels=…, **options)``; the network maps float32 inputs
    (N, in_channels, size, size) to logits (N, num_classes)."""
    paper: str
    """Where the architecture was published: an address."""
    num_parameters: int
    """Of the network with default options, 7 classes, 1 channel."""
    num_macs: int
    """Multiply-accumulates of the same network for one input, as `macs.count_macs` counts them."""
    input_size: int = 48
    """Side of the input that the parameter count and MACs are stated for, px."""
    input_mean: float = 0.5
    input_std: float = 0.5
    """How its pixels are normalised, as shares of white: less the mean, divided by the deviation."""
    options: tuple[str, ...] = field(default=())
    """Names of the keyword options of ``build``, for messages and `mien models`."""
    imagenet: str | None = None
    """torchvision's name for weights from ImageNet; None if it has none for this network."""
    licence: str = "Apache-2.0"
    """Of our implementation."""
