"""Activation functions by name, for the networks that take one as an option."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from mien.errors import UnknownNameError

__all__ = ["ACTIVATIONS", "activation"]

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "identity": nn.Identity,
    "sigmoid": nn.Sigmoid,
    # Over the features, so that the units of a layer compete; meant as the last activation of a
    # network, it is here because KDT-5 compares it inside one.
    "softmax": partial(nn.Softmax, dim=1),
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}


def activation(name: str) -> nn.Module:
    """Return a new module of that activation.

    Raises:
        UnknownNameError: If there is no such activation.
    """
    try:
        return ACTIVATIONS[name]()
    except KeyError:
        raise UnknownNameError(
            "activation", name, ACTIVATIONS, "mien.models.activations.ACTIVATIONS"
        ) from None
