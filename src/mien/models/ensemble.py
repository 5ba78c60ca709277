"""Several trained networks as one: their probabilities are averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mien.errors import InputError
from mien.modelfile import ENSEMBLE, Head, ModelInfo
from mien.models.zoo import build_network
from mien.preprocess import InputSpec

__all__ = ["Ensemble", "ensemble_info", "rebuild"]


class Ensemble(nn.Module):
    """Maps inputs to the logarithm of its members' mean probabilities, head by head.

    These serve as logits: their softmax is the mean itself.
    """

    def __init__(
        self, members: Sequence[nn.Module], head_sizes: Sequence[int], specs: Sequence[InputSpec]
    ) -> None:
        """Put trained networks side by side.

        Args:
            members: Each maps (N, C, S, S) to (N, sum of ``head_sizes``) logits.
            head_sizes: Labels of each head.
            specs: How each member's pixels are normalised; the first is that of the whole.
        """
        super().__init__()
        self.members = nn.ModuleList(members)
        self.head_sizes = list(head_sizes)
        first = specs[0]
        self.rescalings = [
            (first.std / spec.std, (first.mean - spec.mean) / spec.std) for spec in specs
        ]

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, C, S, S) to (N, sum of ``head_sizes``)."""
        total = torch.zeros((), device=inputs.device)
        for member, (scale, offset) in zip(self.members, self.rescalings, strict=True):
            logits = member(inputs * scale + offset).float()
            parts = torch.split(logits, self.head_sizes, dim=1)
            total = total + torch.cat([F.softmax(part, dim=1) for part in parts], dim=1)
        # Probabilities as small as a float holds would be minus infinity.
        return torch.log((total / len(self.members)).clamp(min=1e-12))


def ensemble_info(name: str, infos: Sequence[ModelInfo]) -> ModelInfo:
    """Return the record of an ensemble.

    Args:
        name: What it is called.
        infos: The members' records, in order.

    Raises:
        InputError: If there are fewer than two, one is an ensemble itself or has collapsed, or they differ in labels, size
            or channels.
    """
    if len(infos) < 2:
        raise InputError(f"An ensemble takes two networks or more; got {len(infos)}.")
    first = infos[0]
    for info in infos:
        if info.architecture == ENSEMBLE:
            raise InputError(f"'{info.name}' is an ensemble itself; name its members instead.")
        if info.provenance.get("collapsed"):
            raise InputError(
                f"'{info.name}' (seed {info.provenance.get('seed')}) collapsed: it answers {info.provenance['collapsed']} to "
                "nearly every face, and would only blur the others. Leave it out."
            )
        if [(h.name, h.labels) for h in info.heads] != [(h.name, h.labels) for h in first.heads]:
            raise InputError(
                f"'{info.name}' and '{first.name}' answer with other labels, so their answers cannot be averaged. "
                "Train the members with the same heads."
            )
        if (info.input.size, info.input.channels) != (first.input.size, first.input.channels):
            raise InputError(
                f"'{info.name}' takes {_shown(info.input)} and '{first.name}' {_shown(first.input)}; "
                "the members of an ensemble take the same."
            )
    members = [
        {
            "name": info.name,
            "architecture": info.architecture,
            "options": dict(info.options),
            "mean": info.input.mean,
            "std": info.input.std,
            "provenance": dict(info.provenance),
        }
        for info in infos
    ]
    hashes = {info.provenance.get("data_hash") for info in infos}
    return ModelInfo(
        name=name,
        heads=tuple(Head(name=head.name, labels=head.labels) for head in first.heads),
        input=first.input,
        architecture=ENSEMBLE,
        options={"members": members},
        provenance={
            "data_hash": hashes.pop() if len(hashes) == 1 else None,
            "imagenet": any(info.from_imagenet for info in infos),
        },
    )


def rebuild(info: ModelInfo) -> Ensemble:
    """Build the network that an ensemble's record tells of, with freshly drawn weights.

    Raises:
        MienError: If the record is not whole, or a member cannot be built.
    """
    members = info.options.get("members")
    if not isinstance(members, list) or not members:
        raise InputError("The record of the ensemble names no members.")
    sizes = [len(head.labels) for head in info.heads]
    networks, specs = [], []
    for member in cast("list[dict[str, Any]]", members):
        try:
            name, options = member["architecture"], member["options"]
            mean, std = float(member["mean"]), float(member["std"])
            if not isinstance(name, str) or not isinstance(options, dict):
                raise TypeError
        except (KeyError, TypeError, ValueError):
            raise InputError("A member in the ensemble's record is not whole.") from None
        size, channels = info.input.size, info.input.channels
        networks.append(
            build_network(name, num_classes=sum(sizes), in_channels=channels, **options)
        )
        specs.append(InputSpec(size=size, channels=channels, mean=mean, std=std))
    return Ensemble(networks, sizes, specs)


def _shown(spec: InputSpec) -> str:
    return f"{spec.size} px {'grey' if spec.channels == 1 else 'RGB'}"
