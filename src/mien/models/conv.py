"""A 3x3 convolution that trains faster on a CPU where the map is small."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Conv3x3", "weight_gradient"]

LARGEST_MAP = 36
"""Pixels of the result up to which the product below is the faster way; at 12 x 12 px it took as long as torch's
whole backward pass (18 ms, 96 channels, batch 128)."""


class Conv3x3(nn.Conv2d):
    """`torch.nn.Conv2d` of 3x3 with padding 1 and no bias: same parameters, same results, same names.

    In bf16 on a CPU, torch's backward pass is slow where few pixels meet many channels: 384 channels at 3 x 3 px, batch
    128, took 82 ms forward and backward on two cores, 13 of them forward; as one matrix product of the unfolded
    input the weight gradient takes 8 ms.
    """

    def __init__(self, width_in: int, width_out: int, stride: int = 1) -> None:
        """Draw the weights as `torch.nn.Conv2d` does."""
        super().__init__(width_in, width_out, 3, stride, 1, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, width_out, H', W')."""
        stride = self.stride[0]
        rows, columns = (-(-side // stride) for side in input.shape[2:])
        is_slow = self.training and input.device.type == "cpu" and rows * columns <= LARGEST_MAP
        if is_slow and torch.is_autocast_enabled("cpu"):
            return _SmallMap.apply(input, self.weight, stride)  # type: ignore[no-any-return, no-untyped-call]
        return super().forward(input)


class _SmallMap(torch.autograd.Function):
    """The convolution with the weight gradient as one product."""

    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.bfloat16)  # type: ignore[untyped-decorator]
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return torch.nn.functional.conv2d(x, weight, stride=stride, padding=1)

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, None]:
        x, weight = ctx.saved_tensors
        for_input = torch.ops.aten.convolution_backward(
            gradient,
            x,
            weight,
            None,
            [ctx.stride] * 2,
            [1, 1],
            [1, 1],
            False,
            [0, 0],
            1,
            [ctx.needs_input_grad[0], False, False],
        )[0]
        return for_input, weight_gradient(x, gradient, ctx.stride), None


def weight_gradient(x: Tensor, gradient: Tensor, stride: int) -> Tensor:
    """Return the gradient of a 3x3 convolution's weights.

    Args:
        x: (N, C, H, W), its input.
        gradient: (N, D, H', W'), of its result.
        stride: Of the convolution; its padding is 1.

    Returns:
        (D, C, 3, 3).
    """
    padded = torch.nn.functional.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    windows = padded.unfold(1, 3, stride).unfold(2, 3, stride)  # (N, H', W', C, 3, 3)
    columns = windows.permute(0, 1, 2, 4, 5, 3).reshape(-1, 9 * x.shape[1])
    rows = gradient.permute(0, 2, 3, 1).reshape(-1, gradient.shape[1])
    product = columns.t() @ rows  # (9 C, D)
    return product.view(3, 3, x.shape[1], -1).permute(3, 2, 0, 1)
