"""ResNet9 with ELU for 48 px faces, as "Emotion Detection using PyTorch" and its followers train it.

Source: https://medium.com/swlh/emotion-detection-using-pytorch-4f6fbfd14b2e
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from mien.errors import InputError
from mien.models.activations import activation as activation_named
from mien.models.options import check_dropout, check_positive
from mien.models.spec import ModelSpec

__all__ = ["SPEC", "ResNet9"]

_POOLS = {"max": nn.AdaptiveMaxPool2d, "mean": nn.AdaptiveAvgPool2d}


class ResNet9(nn.Module):
    """Three times two convolutions with pooling and a residual pair, a global maximum or mean, one linear layer."""

    def __init__(
        self,
        num_classes: int = 7,
        in_channels: int = 1,
        *,
        widths: Sequence[int] = (128, 256, 512),
        activation: str = "elu",
        dropout: float = 0.5,
        pool: str = "max",
    ) -> None:
        """Build the network with freshly drawn weights.

        Args:
            num_classes: Logits.
            in_channels: 1 for grey, 3 for RGB.
            widths: Channels of the three stages.
            activation: Name in `activations.ACTIVATIONS`.
            dropout: After each residual pair, in [0, 1).
            pool: Which part of each channel's last map is kept: ``"max"``, as in the original, or ``"mean"``. Maxima make
                large logits at the start, which high rates do not survive.

        Raises:
            InputError: If a number is out of range, or there is no such pool.
            UnknownNameError: If there is no such activation.
        """
        super().__init__()
        if len(widths) != 3:
            raise InputError(f"resnet9: widths are {tuple(widths)}; expected three.")
        first, second, third = widths
        check_positive("resnet9", first_width=first, second_width=second, third_width=third)
        check_dropout("resnet9", dropout)
        if pool not in _POOLS:
            raise InputError(f"resnet9: pool is '{pool}'; expected {' or '.join(_POOLS)}.")

        def block(channels: int, width: int, *, pool: bool = False) -> nn.Sequential:
            layers: list[nn.Module] = [
                nn.Conv2d(channels, width, 3, padding=1),
                nn.BatchNorm2d(width),
                activation_named(activation),
            ]
            return nn.Sequential(*layers, *([nn.MaxPool2d(2)] if pool else []))

        self.conv1 = block(in_channels, first)
        self.conv2 = block(first, first, pool=True)
        self.res1 = nn.Sequential(block(first, first), block(first, first))
        self.conv3 = block(first, second)
        self.conv4 = block(second, second, pool=True)
        self.res2 = nn.Sequential(block(second, second), block(second, second))
        self.conv5 = block(second, third)
        self.conv6 = block(third, third, pool=True)
        self.res3 = nn.Sequential(block(third, third), block(third, third))
        self.dropout = nn.Dropout(dropout)
        # The original pools 6x6, which is all of a 48 px face; this is the same and takes other sizes.
        self.classifier = nn.Sequential(
            _POOLS[pool](1), nn.Flatten(), nn.Linear(third, num_classes)
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, in_channels, H, W), sides of 8 px or more, to logits (N, num_classes)."""
        x = self.conv2(self.conv1(inputs))
        x = self.dropout(self.res1(x) + x)
        x = self.conv4(self.conv3(x))
        x = self.dropout(self.res2(x) + x)
        x = self.conv6(self.conv5(x))
        x = self.dropout(self.res3(x) + x)
        logits: Tensor = self.classifier(x)
        return logits


SPEC = ModelSpec(
    name="resnet9",
    summary="Nine-layer residual network with ELU, dropout after each residual pair",
    build=ResNet9,
    paper="https://arxiv.org/abs/1512.03385",
    num_parameters=10_779_783,
    num_macs=1_871_220_224,
    input_mean=0.0,
    input_std=1.0,
    options=("widths", "activation", "dropout", "pool"),
)
