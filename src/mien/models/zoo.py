"""Every architecture by its name, and the one way to build one."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import nn

from mien.errors import ConfigError, InputError, suggestion
from mien.models import mien_net, mlp, resnet, resnet9, vgg, vgg_style
from mien.models.spec import ModelSpec
from mien.registry import Registry

__all__ = ["MODELS", "build_network", "for_export"]

MODELS: Registry[ModelSpec] = Registry(
    "model",
    "mien models",
    (
        mien_net.SPEC,
        mlp.SPEC,
        *vgg.SPECS,
        *resnet.SPECS,
        vgg_style.SPEC,
        resnet9.SPEC,
    ),
)


def build_network(
    name: str, *, num_classes: int, in_channels: int = 1, seed: int | None = None, **options: object
) -> nn.Module:
    """Build a network with freshly drawn weights.

    Args:
        name: An architecture of `MODELS`.
        num_classes: Logits; two heads are two slices of them.
        in_channels: 1 for grey, 3 for RGB.
        seed: The same seed draws the same weights and leaves torch's own generator as it was;
            None draws from that generator.
        options: Keyword options of the architecture, see its spec.

    Returns:
        The network, in training mode.

    Raises:
        UnknownNameError: If there is no such architecture.
        ConfigError: If it has no such option, or cannot use its value.
        InputError: If a number is out of range.
    """
    spec = MODELS[name]
    _check_options(spec, options)
    if num_classes < 1 or in_channels < 1:
        raise InputError(
            f"{name} takes 1 or more classes and channels; got {num_classes} and {in_channels}."
        )
    # fork_rng without devices and the CPU's own generator: torch.manual_seed would reseed the GPUs too.
    with nullcontext() if seed is None else torch.random.fork_rng(devices=[]):
        if seed is not None:
            torch.default_generator.manual_seed(seed)
        try:
            return spec.build(num_classes=num_classes, in_channels=in_channels, **options)
        except TypeError as error:
            raise ConfigError(
                f"{name} cannot be built with {_shown(options)}: {str(error).splitlines()[0]}. See: mien models"
            ) from None


def for_export(network: nn.Module, size: int) -> nn.Module:
    """Return the lightest network with the same answers to inputs of one size.

    Args:
        network: Built by `build_network`; it stays as it is.
        size: Side of the inputs, px.
    """
    return network.for_size(size) if isinstance(network, vgg.VGG) else network


def _check_options(spec: ModelSpec, options: dict[str, object]) -> None:
    for key in options:
        if key not in spec.options:
            raise ConfigError(
                f"{spec.name} has no option '{key}'.{suggestion(key, spec.options)} "
                f"Its options: {', '.join(spec.options) or 'none'}."
            )


def _shown(options: dict[str, object]) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in options.items()) or "its defaults"
