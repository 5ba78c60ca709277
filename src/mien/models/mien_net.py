"""Our own network: a ResNet for 48 px faces, dense 3x3 convolutions throughout.

Depthwise convolutions would save multiplications, not time: on a CPU with bf16 they ran at a tenth of
the arithmetic rate of dense ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mien.errors import InputError
from mien.models.conv import Conv1x1, Conv3x3
from mien.models.options import check_dropout
from mien.models.spec import ModelSpec

__all__ = ["SPEC", "MienNet", "PostBlock", "PreBlock"]


class PreBlock(nn.Module):
    """Two 3x3 convolutions, each after BN and ReLU, around a shortcut (He et al. 2016, figure 1b)."""

    def __init__(self, width_in: int, width_out: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(width_in)
        self.conv1 = Conv3x3(width_in, width_out, stride)
        self.bn2 = nn.BatchNorm2d(width_out)
        self.conv2 = Conv3x3(width_out, width_out)
        self.shortcut = _shortcut(width_in, width_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, width_in, H, W) to (N, width_out, H', W')."""
        active = F.relu(self.bn1(x), inplace=True)
        kept = x if self.shortcut is None else self.shortcut(active)
        x = self.conv1(active)
        x = self.conv2(F.relu(self.bn2(x), inplace=True))
        x += kept
        return x


class PostBlock(nn.Module):
    """Two 3x3 convolutions, BN after each, ReLU last (He et al. 2015).

    Each BN melts into its convolution when the network is exported, so that int8 inference has nothing between
    convolutions to compute in fp32: a third faster a face than `PreBlock`.
    """

    def __init__(self, width_in: int, width_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = Conv3x3(width_in, width_out, stride)
        self.bn1 = nn.BatchNorm2d(width_out)
        self.conv2 = Conv3x3(width_out, width_out)
        self.bn2 = nn.BatchNorm2d(width_out)
        convolution = _shortcut(width_in, width_out, stride)
        self.shortcut = convolution and nn.Sequential(convolution, nn.BatchNorm2d(width_out))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, width_in, H, W) to (N, width_out, H', W')."""
        kept = x if self.shortcut is None else self.shortcut(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = self.bn2(self.conv2(x))
        x += kept
        return F.relu(x, inplace=True)


def _shortcut(width_in: int, width_out: int, stride: int) -> Conv1x1 | None:
    if stride == 1 and width_in == width_out:
        return None
    return Conv1x1(width_in, width_out, stride)


class MienNet(nn.Module):
    """Stem, stages of residual blocks, global average, one linear layer for all heads."""

    def __init__(
        self,
        num_classes: int = 7,
        in_channels: int = 1,
        *,
        widths: Sequence[int] = (32, 64, 128, 256),
        depths: Sequence[int] = (2, 2, 2, 2),
        halve: str = "stage",
        order: str = "pre",
        dropout: float = 0.0,
    ) -> None:
        """Build the network with freshly drawn weights.

        Args:
            num_classes: Logits; two heads are two slices of them.
            in_channels: 1 for grey, 3 for RGB.
            widths: Channels of each stage.
            depths: Blocks of each stage.
            halve: Where the picture's side is halved first: by the first "stage" after a 3x3 stem; by a 6x6 "stem", so
                that no map of full size is made; or "never" before the second stage (four times the work).
            order: Whether a block activates before its convolutions ("pre") or after them ("post").
            dropout: On the pooled features, in [0, 1).

        Raises:
            InputError: If widths and depths differ in number or are not positive, or an option is out of range.
        """
        super().__init__()
        if any(type(one) is not int for one in (*widths, *depths)):
            raise InputError(
                f"mien_net takes whole numbers as widths and depths; got {widths} and {depths}."
            )
        if len(widths) != len(depths) or not widths or min(*widths, *depths) < 1:
            raise InputError(
                f"mien_net takes as many widths as depths, all positive; got {widths} and {depths}."
            )
        check_dropout("mien_net", dropout)
        if halve not in ("stage", "stem", "never") or order not in ("pre", "post"):
            raise InputError(
                f"mien_net: halve is {halve!r} (stage, stem or never), order {order!r} (pre or post)."
            )
        side, stride, padding = (6, 2, 2) if halve == "stem" else (3, 1, 1)
        self.stem = nn.Conv2d(in_channels, widths[0], side, stride, padding, bias=False)
        self.stem_bn = nn.BatchNorm2d(widths[0]) if order == "post" else None
        block = PreBlock if order == "pre" else PostBlock
        blocks: list[nn.Module] = []
        width_in = widths[0]
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            for index in range(depth):
                stride = 2 if index == 0 and (stage > 0 or halve == "stage") else 1
                blocks.append(block(width_in, width, stride))
                width_in = width
        self.blocks = nn.Sequential(*blocks)
        self.bn = nn.BatchNorm2d(width_in) if order == "pre" else None
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width_in, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to logits (N, num_classes)."""
        x = self.stem(inputs)
        if self.stem_bn is not None:
            x = F.relu(self.stem_bn(x), inplace=True)
        x = self.blocks(x)
        if self.bn is not None:
            x = F.relu(self.bn(x), inplace=True)
        pooled = torch.mean(x, dim=(2, 3))  # (N, widths[-1])
        return self.head(self.dropout(pooled))  # type: ignore[no-any-return]


SPEC = ModelSpec(
    name="mien_net",
    summary="Our ResNet for 48 px faces; widths and depths as options",
    build=MienNet,
    paper="https://arxiv.org/abs/1603.05027",
    num_parameters=2_796_391,
    num_macs=79_111_936,
    input_mean=0.5076,
    input_std=0.2550,
    options=("widths", "depths", "halve", "order", "dropout"),
)
