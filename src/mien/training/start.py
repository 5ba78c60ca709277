"""The network that a run begins with: drawn afresh, or with weights of another run or from ImageNet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from mien.checksums import sha256_of
from mien.errors import ConfigError
from mien.modelfile import ENSEMBLE, ModelInfo
from mien.models.imagenet import IMAGENET, find_imagenet, initialise_from_imagenet
from mien.models.mien_net import MienNet
from mien.models.weights import find_weights, load_network
from mien.models.widening import can_widen, widen
from mien.models.zoo import MODELS, build_network
from mien.preprocess import InputSpec
from mien.recipe import ModelOptions, Recipe
from mien.training.distillation import teacher_file

__all__ = [
    "input_spec",
    "is_from_imagenet",
    "network_options",
    "start_network",
    "weights_behind",
    "with_model_of_init",
]


def with_model_of_init(recipe: Recipe) -> Recipe:
    """Return the recipe with its ``[model]`` filled in from the weights that it starts from, where it has none.

    Raises:
        ModelFileError: If there are no such weights.
        ConfigError: If they are an ensemble's, or ImageNet's and cannot be had for the recipe's own network.
    """
    if recipe.init == IMAGENET:
        find_imagenet(MODELS[recipe.model.name])  # so that it is said before the data is read
        return recipe
    if not recipe.init or recipe.model != ModelOptions():
        return recipe
    file = find_weights(recipe.init)
    _, info = load_network(file)
    if info.architecture == ENSEMBLE:
        raise ConfigError(f"init: {file} is an ensemble; name one of its members to start from.")
    options = {k: v for k, v in info.options.items() if k != "input_size"}
    model = ModelOptions(name=info.architecture, options=options, channels=info.input.channels)
    return replace(recipe, model=model)


def is_from_imagenet(recipe: Recipe) -> bool:
    """Tell whether ImageNet's pictures are behind the weights that a recipe starts from.

    Raises:
        ModelFileError: If there are no such weights.
    """
    if not recipe.init or recipe.init == IMAGENET:
        return bool(recipe.init)
    _, info = load_network(find_weights(recipe.init))
    return info.from_imagenet


def weights_behind(recipe: Recipe) -> dict[str, str]:
    """Return the SHA-256 of the files that a recipe names, ``init`` and ``teacher``: what lies there may be replaced.

    Raises:
        ModelFileError: If there is no such file.
    """
    behind = {}
    if recipe.init and recipe.init != IMAGENET:
        behind["init"] = sha256_of(find_weights(recipe.init))
    if recipe.distill.teacher:
        behind["teacher"] = sha256_of(teacher_file(recipe.distill))
    return behind


def input_spec(recipe: Recipe) -> InputSpec:
    """Return what the recipe's network sees."""
    known = MODELS[recipe.model.name]
    return InputSpec(
        size=recipe.data.size,
        channels=recipe.model.channels,
        mean=known.input_mean,
        std=known.input_std,
    )


def network_options(recipe: Recipe) -> dict[str, Any]:
    """Return the builder's options; a network of fixed input size is told the size of the faces."""
    sized = "input_size" in MODELS[recipe.model.name].options
    return {**({"input_size": recipe.data.size} if sized else {}), **recipe.model.options}


def start_network(recipe: Recipe, labels: Sequence[Sequence[str]]) -> nn.Module:
    """Build the network of a recipe and give it the weights that it starts from.

    Where the labels differ from those of the weights, the last layer stays as it was drawn. Where the recipe's network has
    more channels and is the same else, it begins with the same answers (see `mien.models.widening`).

    Args:
        recipe: With its ``[model]`` filled in.
        labels: Label names of each head.

    Raises:
        ModelFileError: If the weights of ``init`` are missing or damaged.
        ConfigError: If they are of another network.
        DownloadError: If they are ImageNet's and torchvision cannot get them.
    """
    network = build_network(
        recipe.model.name,
        num_classes=sum(len(names) for names in labels),
        in_channels=recipe.model.channels,
        seed=recipe.seed,
        **network_options(recipe),
    )
    if recipe.init == IMAGENET:
        initialise_from_imagenet(network, MODELS[recipe.model.name])
    elif recipe.init:
        file = find_weights(recipe.init)
        source, info = load_network(file)
        same_labels = [list(head.labels) for head in info.heads] == [
            list(names) for names in labels
        ]
        if (
            isinstance(source, MienNet)
            and isinstance(network, MienNet)
            and can_widen(source, network)
        ):
            widen(source, network, recipe.seed, takes_head=same_labels)
        else:
            _take_over(network, source, info, same_labels, file)
    return network


def _take_over(
    network: nn.Module,
    source: nn.Module,
    info: ModelInfo,
    same_labels: bool,
    file: Path,
) -> None:
    *_, last = (name for name, module in source.named_modules() if isinstance(module, nn.Linear))
    tensors = {
        name: tensor
        for name, tensor in source.state_dict().items()
        if same_labels or not name.startswith(f"{last}.")
    }
    fresh = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    for name in {*tensors, *(n for n in fresh if same_labels or not n.startswith(f"{last}."))}:
        found = tuple(tensors[name].shape) if name in tensors else None
        if found != fresh.get(name):
            raise ConfigError(
                f"init: {file} is of another network ({info.architecture} {dict(info.options)}): '{name}' is "
                f"{found or 'missing'} there, expected {fresh.get(name, 'no such tensor')}. Leave out [model], or name "
                "the same network in it; mien_net may have more channels."
            )
    network.load_state_dict(tensors, strict=False)
