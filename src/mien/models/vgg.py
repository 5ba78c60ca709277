"""VGG16 and VGG19 with torchvision's parameter names and draws, so that its weights fit."""

from __future__ import annotations

import copy
from functools import partial

import torch
from torch import Tensor, nn

from mien.models.conv import Conv3x3
from mien.models.options import check_dropout, check_positive
from mien.models.spec import ModelSpec

__all__ = ["SPECS", "VGG"]

_DEPTHS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
"""3x3 convolutions of each stage: columns D and E of the paper's table 1."""

_WIDTH_FACTORS = (1, 2, 4, 8, 8)
"""Channels of each stage, as multiples of the first stage's."""

_HIDDEN_FACTOR = 64
"""Width of the hidden linear layers, likewise."""


class VGG(nn.Module):
    """Five stages of 3x3 convolutions with max pooling, then three linear layers."""

    def __init__(
        self,
        num_classes: int = 7,
        in_channels: int = 1,
        *,
        architecture: str = "vgg16",
        batch_norm: bool = False,
        pool: int = 7,
        width: int = 64,
        dropout: float = 0.5,
    ) -> None:
        """Build the network with freshly drawn weights.

        Args:
            num_classes: Logits.
            in_channels: 1 for grey, 3 for RGB.
            architecture: ``"vgg16"`` or ``"vgg19"``.
            batch_norm: Normalise after each convolution.
            pool: Side of the map that the classifier sees. At 48 px the last map is 1x1, which the published
                7 repeats 49 times over; 1 can give the same answers with 101 million weights fewer.
            width: Channels of the first stage; all other layers keep their proportion.
            dropout: After each hidden linear layer, in [0, 1).

        Raises:
            InputError: If a number is out of range.
        """
        super().__init__()
        check_positive(architecture, pool=pool, width=width)
        check_dropout(architecture, dropout)
        hidden = width * _HIDDEN_FACTOR
        layers: list[nn.Module] = []
        channels = in_channels
        for depth, factor in zip(_DEPTHS[architecture], _WIDTH_FACTORS, strict=True):
            for _ in range(depth):
                layers.append(Conv3x3(channels, width * factor, bias=True))
                channels = width * factor
                if batch_norm:
                    layers.append(nn.BatchNorm2d(channels))
                layers.append(nn.ReLU(inplace=True))
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(pool)
        self.classifier = nn.Sequential(
            nn.Linear(channels * pool**2, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )
        self._draw()

    def _draw(self) -> None:
        """Draw the weights as torchvision does."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.bias)

    def for_size(self, size: int) -> VGG:
        """Return a network that gives the same answers to inputs of one size, without resampling the last map.

        The averaging between the last map and the classifier is linear, so the classifier's first layer takes
        it in. In an ONNX file that saves a gather of every place, and at 48 px VGG19 shrinks to 39 million weights.

        Args:
            size: Side of the inputs, px.

        Raises:
            InputError: If ``size`` is too small to be halved five times.
        """
        check_positive("vgg", last_map=size // 2 ** len(_WIDTH_FACTORS))
        side = size // 2 ** len(_WIDTH_FACTORS)
        pool = int(self.avgpool.output_size)  # type: ignore[arg-type]
        first = self.classifier[0]
        assert isinstance(first, nn.Linear)
        # (side, pool): what each place of the map adds to each place of the pooled one, along one axis.
        shares = nn.functional.adaptive_avg_pool1d(
            torch.eye(side, device=first.weight.device), pool
        )
        weight = first.weight.detach().reshape(first.out_features, -1, pool, pool)
        folded = torch.einsum("hcij,yi,xj->hcyx", weight, shares, shares).flatten(1)
        smaller = nn.Linear(folded.shape[1], first.out_features, device=folded.device)
        smaller.load_state_dict({"weight": folded, "bias": first.bias})
        # What the memo knows is not copied but replaced.
        replaced = {id(first): smaller, id(self.avgpool): nn.AdaptiveAvgPool2d(side)}
        return copy.deepcopy(self, replaced)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, in_channels, H, W), sides of 32 px or more, to logits (N, num_classes)."""
        maps = self.features(inputs)
        if self.training and maps.shape[2:] == (1, 1):
            logits: Tensor = self.classifier[1:](self._first_linear(maps))
        else:
            pooled = self.avgpool(maps)  # (N, 8 width, pool, pool)
            logits = self.classifier(torch.flatten(pooled, 1))
        return logits

    def _first_linear(self, pixel: Tensor) -> Tensor:
        """Do the pooling and the first linear layer on a last map of one pixel, which would stand in all places.

        Their weights are summed before the product instead of after it, for all faces of a batch together.
        """
        first = self.classifier[0]
        assert isinstance(first, nn.Linear)
        places = first.weight.view(len(first.weight), pixel.shape[1], -1)
        weight = places.sum(2)  # (hidden, 8 width)
        return nn.functional.linear(pixel.flatten(1), weight, first.bias)


def _spec(architecture: str, *, batch_norm: bool, num_parameters: int, num_macs: int) -> ModelSpec:
    name = f"{architecture}_bn" if batch_norm else architecture
    layers = sum(_DEPTHS[architecture]) + 3
    return ModelSpec(
        name=name,
        summary=f"VGG with {layers} layers{' and batch normalisation' if batch_norm else ''}, as torchvision's",
        build=partial(VGG, architecture=architecture, batch_norm=batch_norm),
        paper="https://arxiv.org/abs/1409.1556",
        num_parameters=num_parameters,
        num_macs=num_macs,
        input_mean=0.5076,
        input_std=0.2550,
        options=("pool", "width", "dropout"),
        imagenet=f"{name.upper()}_Weights.IMAGENET1K_V1",
    )


SPECS = (
    _spec("vgg16", batch_norm=False, num_parameters=134_288_071, num_macs=821_604_352),
    _spec("vgg16", batch_norm=True, num_parameters=134_296_519, num_macs=821_604_352),
    _spec("vgg19", batch_norm=False, num_parameters=139_597_767, num_macs=1_012_707_328),
    _spec("vgg19", batch_norm=True, num_parameters=139_608_775, num_macs=1_012_707_328),
)
