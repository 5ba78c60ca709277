"""Weights that torchvision offers from training on ImageNet, for the networks with its parameter names."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping

from torch import Tensor, nn

from mien.errors import ConfigError
from mien.models.spec import ModelSpec

__all__ = ["initialise_from_imagenet"]

logger = logging.getLogger(__name__)


def initialise_from_imagenet(network: nn.Module, spec: ModelSpec) -> tuple[str, ...]:
    """Give a network ImageNet's weights wherever they fit; torchvision downloads them at the first use.

    A grey stem takes the sum of the RGB stem's kernels: its answer is that of the original to
    a grey picture in RGB. (Their mean would shrink it to a third, which VGG without BN never regains.)

    Args:
        network: Built from ``spec``; changed in place.
        spec: Its architecture.

    Returns:
        Names of the tensors that keep their own draw, because the network's shape differs there: the last
        layer, as a rule.

    Raises:
        ConfigError: If there are no such weights, torchvision is not installed, or they are for another network.
    """
    if spec.imagenet is None:
        raise ConfigError(
            f"There are no ImageNet weights for {spec.name}. Who has them: mien models --json"
        )
    try:
        models = importlib.import_module("torchvision.models")
    except ImportError:
        raise ConfigError(
            "ImageNet weights come from torchvision, which is not installed here. "
            "Install the torchvision that fits your torch, or begin with drawn weights."
        ) from None
    weights = models.get_weight(spec.imagenet)
    logger.warning(
        "ImageNet weights %s: downloading %s unless it is cached.", spec.imagenet, weights.url
    )
    return _copy(weights.get_state_dict(progress=False), network, spec)


def _copy(offered: Mapping[str, Tensor], network: nn.Module, spec: ModelSpec) -> tuple[str, ...]:
    own = network.state_dict()
    if set(offered) != set(own):
        odd = sorted(set(offered) ^ set(own))
        raise ConfigError(
            f"The weights {spec.imagenet} are not those of {spec.name}: they differ in {', '.join(odd[:3])}."
        )
    kept = []
    for name, tensor in offered.items():
        if tensor.ndim == 4 and tensor.shape[1] == 3 and own[name].shape[1] == 1:
            fitting = tensor.sum(dim=1, keepdim=True)
        else:
            fitting = tensor
        if fitting.shape == own[name].shape:
            own[name].copy_(fitting)
        else:
            kept.append(name)
    if kept:
        logger.info("%s keeps its own draw of %s.", spec.name, ", ".join(kept))
    return tuple(kept)
