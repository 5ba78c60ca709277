"""The tuned small VGG for 48 px faces that was published with 70.55 % on FER2013 as a model page.

The page describes the network and leaves its code out; where it does not say, this is our reading:
dropout follows each stage's pooling and each hidden linear layer, each of which is also normalised.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from mien.errors import InputError
from mien.models.options import check_dropout, check_positive
from mien.models.spec import ModelSpec

__all__ = ["SPEC", "VGGStyle"]


class VGGStyle(nn.Module):
    """Stages of (convolution, BN, ReLU) twice and max pooling, then three linear layers."""

    def __init__(
        self,
        num_classes: int = 7,
        in_channels: int = 1,
        *,
        widths: Sequence[int] = (64, 128, 256, 512),
        hidden: int = 4096,
        dropout: float = 0.2,
        input_size: int = 48,
    ) -> None:
        """Build the network with freshly drawn weights.

        Args:
            num_classes: Logits.
            in_channels: 1 for grey, 3 for RGB.
            widths: Channels of each stage; each halves the picture.
            hidden: Width of the two hidden linear layers.
            dropout: After each stage and each hidden linear layer, in [0, 1).
            input_size: Side of the input, px; the first linear layer has a weight for each place left of it.

        Raises:
            InputError: If a number is out of range.
        """
        super().__init__()
        for width in widths:
            check_positive("vgg_style", width=width)
        check_positive("vgg_style", hidden=hidden)
        check_dropout("vgg_style", dropout)
        side = input_size // 2 ** len(widths)
        if side < 1:
            raise InputError(
                f"vgg_style: {input_size} px cannot be halved {len(widths)} times; expected {2 ** len(widths)} or more."
            )
        layers: list[nn.Module] = []
        channels = in_channels
        for width in widths:
            layers += [*_convolution(channels, width), *_convolution(width, width)]
            layers += [nn.MaxPool2d(2), nn.Dropout(dropout)]
            channels = width
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Flatten(),
            *_linear(channels * side**2, hidden, dropout),
            *_linear(hidden, hidden, dropout),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, in_channels, input_size, input_size) to logits (N, num_classes)."""
        logits: Tensor = self.classifier(self.features(inputs))
        return logits


def _convolution(channels: int, width: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)


def _linear(features: int, width: int, dropout: float) -> tuple[nn.Module, ...]:
    return (
        nn.Linear(features, width),
        nn.BatchNorm1d(width),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
    )


SPEC = ModelSpec(
    name="vgg_style",
    summary="Tuned small VGG for 48 px: four stages, BN and dropout 0.2 throughout",
    build=VGGStyle,
    paper="https://arxiv.org/abs/1409.1556",
    num_parameters=40_392_903,
    num_macs=504_147_968,
    options=("widths", "hidden", "dropout", "input_size"),
)
