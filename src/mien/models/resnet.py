"""ResNet18, 34 and 50 with torchvision's parameter names and draws, so that its weights fit."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from mien.models.conv import Conv1x1, Conv3x3
from mien.models.options import check_dropout, check_positive
from mien.models.spec import ModelSpec

__all__ = ["SPECS", "ResNet"]


class _BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut (He et al. 2015, figure 5 left)."""

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = Conv3x3(channels, width, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = Conv3x3(width, width)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        kept = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        summed: Tensor = self.relu(x + kept)
        return summed


class _Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 around a shortcut (figure 5 right); the stride is on the 3x3, as in torchvision."""

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        width_out = width * self.expansion
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = Conv3x3(width, width, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width_out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(channels, width_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        kept = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        summed: Tensor = self.relu(x + kept)
        return summed


def _shortcut(channels: int, width: int, stride: int) -> nn.Module | None:
    """Return what brings a block's input to the shape of its output; None if it has it."""
    if stride == 1 and channels == width:
        return None
    return nn.Sequential(Conv1x1(channels, width, stride), nn.BatchNorm2d(width))


_BLOCKS: dict[str, tuple[type[_BasicBlock] | type[_Bottleneck], tuple[int, int, int, int]]] = {
    "resnet18": (_BasicBlock, (2, 2, 2, 2)),
    "resnet34": (_BasicBlock, (3, 4, 6, 3)),
    "resnet50": (_Bottleneck, (3, 4, 6, 3)),
}
"""The kind of block and how many of them each stage has: the paper's table 1."""


class ResNet(nn.Module):
    """Stem, four stages of residual blocks, global average, one linear layer."""

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential

    def __init__(
        self,
        num_classes: int = 7,
        in_channels: int = 1,
        *,
        architecture: str = "resnet18",
        small_stem: bool = False,
        width: int = 64,
        dropout: float = 0.0,
    ) -> None:
        """Build the network with freshly drawn weights.

        Args:
            num_classes: Logits.
            in_channels: 1 for grey, 3 for RGB.
            architecture: ``"resnet18"``, ``"resnet34"`` or ``"resnet50"``.
            small_stem: Begin with a 3x3 convolution at full size; the published stem was made for 224 px
                and leaves the first stage 12 of 48. Sixteen times the work.
            width: Channels of the stem and the first stage; the others keep their proportion.
            dropout: On the pooled features, in [0, 1).

        Raises:
            InputError: If a number is out of range.
        """
        super().__init__()
        check_positive(architecture, width=width)
        check_dropout(architecture, dropout)
        block, depths = _BLOCKS[architecture]
        self.conv1 = (
            nn.Conv2d(in_channels, width, 3, 1, 1, bias=False)
            if small_stem
            else nn.Conv2d(in_channels, width, 7, 2, 3, bias=False)
        )
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Identity() if small_stem else nn.MaxPool2d(3, 2, 1)
        channels = width
        for stage, depth in enumerate(depths):
            width_in = width * 2**stage
            blocks: list[nn.Module] = []
            for index in range(depth):
                blocks.append(block(channels, width_in, stride=2 if stage and not index else 1))
                channels = width_in * block.expansion
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to logits (N, num_classes)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(inputs))))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        pooled = torch.mean(x, dim=(2, 3))  # (N, 8 width * expansion)
        logits: Tensor = self.fc(self.dropout(pooled))
        return logits


def _spec(architecture: str, *, num_parameters: int, num_macs: int) -> ModelSpec:
    kind, depths = _BLOCKS[architecture]
    layers = sum(depths) * (3 if kind is _Bottleneck else 2) + 2
    return ModelSpec(
        name=architecture,
        summary=f"Residual network with {layers} layers, as torchvision's",
        build=partial(ResNet, architecture=architecture),
        paper="https://arxiv.org/abs/1512.03385",
        num_parameters=num_parameters,
        num_macs=num_macs,
        input_mean=0.5076,
        input_std=0.2550,
        options=("small_stem", "width", "dropout"),
        imagenet=f"ResNet{layers}_Weights.IMAGENET1K_V1",
    )


SPECS = (
    _spec("resnet18", num_parameters=11_173_831, num_macs=94_346_752),
    _spec("resnet34", num_parameters=21_281_991, num_macs=187_538_944),
    _spec("resnet50", num_parameters=23_516_103, num_macs=209_307_648),
)
