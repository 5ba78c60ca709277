"""Weights that torchvision offers from training on ImageNet, for the networks with its parameter names."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from mien.errors import ConfigError, DownloadError
from mien.models.spec import ModelSpec
from mien.models.zoo import MODELS

__all__ = ["IMAGENET", "find_imagenet", "initialise_from_imagenet"]

logger = logging.getLogger(__name__)

IMAGENET = "imagenet"
"""What a recipe's ``init`` says where it begins with them."""

_COUNTER = "num_batches_tracked"
"""Of batch normalisation, which weights older than it lack, and nothing here reads."""


def find_imagenet(spec: ModelSpec) -> Any:
    """Return what torchvision knows of the weights for an architecture; nothing is downloaded yet.

    Raises:
        ConfigError: If there are no such weights, or torchvision cannot be imported.
    """
    if spec.imagenet is None:
        known = ", ".join(one.name for one in MODELS if one.imagenet is not None)
        raise ConfigError(
            f"There are no ImageNet weights for {spec.name}. Name a network that has them: {known}."
        )
    try:
        return importlib.import_module("torchvision.models").get_weight(spec.imagenet)
    except ModuleNotFoundError:
        reason = "is not installed here"
    except (ImportError, OSError, RuntimeError) as error:  # it is there, for another torch
        reason = f"cannot be imported here ({_first_line(error)})"
    raise ConfigError(
        f"ImageNet weights come from torchvision, which {reason}. "
        "Install the torchvision that fits your torch, or begin with drawn weights."
    )


def initialise_from_imagenet(network: nn.Module, spec: ModelSpec) -> tuple[str, ...]:
    """Give a network ImageNet's weights; torchvision downloads them at the first use, and that is said.

    A grey stem takes the sum of the RGB stem's kernels: its answer is that of the original to
    a grey picture in RGB. (Their mean would shrink it to a third, which VGG without BN never regains.)

    Args:
        network: Built from ``spec``; changed in place.
        spec: Its architecture.

    Returns:
        Names of the tensors that keep their own draw, because the network's shape differs there: the last
        layer as a rule, a small stem, a linear layer after another pooling.

    Raises:
        ConfigError: If there are no such weights, torchvision cannot be imported, or they do not fit.
        DownloadError: If they cannot be downloaded or read.
    """
    weights = find_imagenet(spec)
    # A warning, so that it is seen without any setting: nothing is fetched unsaid.
    logger.warning(
        "torchvision downloads the ImageNet weights %s from %s, unless they are in its cache.",
        spec.imagenet,
        weights.url,
    )
    try:
        # Without weights_only, what is inside the file could run code.
        offered = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except Exception as error:  # noqa: BLE001 - torch raises many kinds, offline or on a damaged file
        raise DownloadError(
            f"The ImageNet weights {spec.imagenet} cannot be had from {weights.url}: {_first_line(error)}. "
            "Try again, or put that file into torch's cache (torch.hub.get_dir(), folder checkpoints)."
        ) from None
    return _copy(offered, network, spec)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def _copy(offered: Mapping[str, Tensor], network: nn.Module, spec: ModelSpec) -> tuple[str, ...]:
    own = network.state_dict()
    odd = [name for name in sorted(set(offered) ^ set(own)) if not name.endswith(_COUNTER)]
    if odd:
        raise ConfigError(
            f"The weights {spec.imagenet} are not those of {spec.name}: they differ in {', '.join(odd[:3])}."
        )
    fitting = {name: tensor for name, tensor in offered.items() if not name.endswith(_COUNTER)}
    stem = next(name for name, tensor in fitting.items() if tensor.ndim == 4)
    if own[stem].shape[1] == 1:
        fitting[stem] = fitting[stem].sum(dim=1, keepdim=True)
    kept = tuple(name for name, tensor in fitting.items() if tensor.shape != own[name].shape)
    for name in kept:
        theirs, ours = tuple(fitting[name].shape), tuple(own[name].shape)
        # Only the stem's kernel may have another size. Beyond that hardly anything would be ImageNet's, unnoticed.
        if len(ours) == 4 and (name != stem or theirs[:2] != ours[:2]):
            raise ConfigError(
                f"The weights {spec.imagenet} do not fit this {spec.name}: '{name}' is {theirs} there, {ours} here. They are "
                "for 1 or 3 channels and the usual width."
            )
    taken = {name: tensor for name, tensor in fitting.items() if name not in kept}
    network.load_state_dict(taken, strict=False)
    if kept:
        logger.info("%s keeps its own draw of %s.", spec.name, ", ".join(kept))
    return kept
