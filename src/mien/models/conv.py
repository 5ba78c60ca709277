"""Convolutions as torch has them, where torch's own are slow, or not safe, in training on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Conv1x1", "Conv3x3", "input_gradient", "unfold", "weight_gradient"]

SMALL_MAP = 36
"""Pixels of the result up to which the weight gradient is faster as one matrix product: at 6 x 6 px (192 channels,
batch 128, one thread, bf16) 13 ms against 15, at 12 x 12 px 25 against 8; in fp32 with AVX2 at 3 x 3 px (256
channels, two threads) 11 against 19, at 6 x 6 px (512 channels, batch 32, one thread) 96 against 171. Not in fp32 with
AVX512: on a Zen 5 at 3 x 3 px (256 channels, batch 128, one thread, forward and backward) 30 against 23, at 6 x 6 px (128 channels)
27 against 17."""

TINY_MAP = 9
"""Pixels of the result up to which forward pass and input gradient are faster so, too, in bf16: at 3 x 3 px (384 channels) all
three passes take 31 ms against 178."""

FEW_CHANNELS = 16
"""Channels of the input below which the weight gradient of a 1x1 convolution with a stride is not left to oneDNN: in fp32, channels
last, it writes past its memory. With AVX512 maps of 64 px and more end the process (3 to 15 channels on a Zen 5; 32 px do not),
with AVX2 those of 32 px end it, hang, or give wrong gradients (https://github.com/uxlfoundation/oneDNN/issues/6035)."""


class Conv1x1(nn.Conv2d):
    """`torch.nn.Conv2d` of 1x1 with a stride, without bias: same parameters, same results, same names.

    Where a gradient may follow on a CPU that torch's own would not survive (`FEW_CHANNELS`), it reads only the places that it uses.
    """

    def __init__(self, width_in: int, width_out: int, stride: int) -> None:
        """Draw the weights as `torch.nn.Conv2d` does."""
        super().__init__(width_in, width_out, 1, stride, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, width_out, H', W')."""
        learns = torch.is_grad_enabled() and self.weight.requires_grad
        is_fp32 = not torch.is_autocast_enabled("cpu")
        if learns and is_fp32 and input.device.type == "cpu" and self.in_channels < FEW_CHANNELS:
            stride = self.stride[0]
            return F.conv2d(input[:, :, ::stride, ::stride], self.weight)
        return super().forward(input)


class Conv3x3(nn.Conv2d):
    """`torch.nn.Conv2d` of 3x3 with padding 1: same parameters, same results, same names.

    On a CPU, torch is slow where few pixels meet many channels, its weight gradient most of all, in bf16 the other passes
    too; there the input is unfolded into the windows that the kernel sees, and the pass is a matrix product.
    """

    def __init__(
        self, width_in: int, width_out: int, stride: int = 1, *, bias: bool = False
    ) -> None:
        """Draw the weights as `torch.nn.Conv2d` does."""
        super().__init__(width_in, width_out, 3, stride, 1, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, width_out, H', W')."""
        stride = self.stride[0]
        rows, columns = (-(-side // stride) for side in input.shape[2:])
        is_small = self.training and input.device.type == "cpu" and rows * columns <= SMALL_MAP
        is_bf16 = torch.is_autocast_enabled("cpu")
        if is_small and (is_bf16 or torch.backends.cpu.get_cpu_capability() != "AVX512"):
            kind = _TinyMap if is_bf16 and rows * columns <= TINY_MAP else _SmallMap
            y: Tensor = kind.apply(input, self.weight, stride)  # type: ignore[no-untyped-call]
            return y if self.bias is None else y + self.bias.to(y.dtype)[:, None, None]
        return super().forward(input)


class _SmallMap(torch.autograd.Function):
    """The convolution with the weight gradient as one product."""

    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.bfloat16)  # type: ignore[untyped-decorator]
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return F.conv2d(x, weight, stride=stride, padding=1)

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
        return for_input, weight_gradient(unfold(x, ctx.stride), gradient), None


class _TinyMap(torch.autograd.Function):
    """The convolution as matrix products throughout."""

    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.bfloat16)  # type: ignore[untyped-decorator]
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        windows = unfold(x, stride)
        # (D, 9 C), as it lies in memory, channels last.
        kernel = weight.permute(0, 2, 3, 1).flatten(1)
        ctx.save_for_backward(windows, weight)
        ctx.shape, ctx.stride = x.shape, stride
        # Written into memory of its own: autograd refuses to add a residual in place to the view of a product.
        result = torch.empty(
            (len(x), len(kernel), *windows.shape[1:3]),
            dtype=x.dtype,
            memory_format=torch.channels_last,
        )
        torch.matmul(windows, kernel.t(), out=result.permute(0, 2, 3, 1))
        return result

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        windows, weight = ctx.saved_tensors
        for_input = input_gradient(weight, gradient, ctx.shape, ctx.stride)
        return for_input, weight_gradient(windows, gradient), None


def unfold(x: Tensor, stride: int) -> Tensor:
    """Return the windows that a 3x3 convolution with padding 1 sees.

    Args:
        x: (N, C, H, W), its input.
        stride: Of the convolution.

    Returns:
        (N, H', W', 9 C): for each place of the result the nine places under the kernel, row by row.
    """
    count, channels, height, width = x.shape
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1)).contiguous()  # (N, H + 2, W + 2, C)
    image, row, column, _ = padded.stride()
    # Three neighbours of a row lie side by side with all their channels: one copy of 3 C values, not three of C.
    windows = padded.as_strided(
        (count, -(-height // stride), -(-width // stride), 3, 3 * channels),
        (image, stride * row, stride * column, row, 1),
    )
    return windows.flatten(3)


def weight_gradient(windows: Tensor, gradient: Tensor) -> Tensor:
    """Return the gradient of a 3x3 convolution's weights.

    Args:
        windows: (N, H', W', 9 C), its input as `unfold` gives it.
        gradient: (N, D, H', W'), of its result.

    Returns:
        (D, C, 3, 3).
    """
    columns = windows.reshape(-1, windows.shape[-1])
    rows = gradient.permute(0, 2, 3, 1).reshape(len(columns), -1)
    # The larger one first: 11 ms against 16 (fp32 with AVX2, 128 channels, 6 x 6 px, batch 128, two threads).
    return (columns.t() @ rows).view(3, 3, -1, rows.shape[1]).permute(3, 2, 0, 1)


def input_gradient(weight: Tensor, gradient: Tensor, shape: torch.Size, stride: int) -> Tensor:
    """Return the gradient of a 3x3 convolution's input.

    Args:
        weight: (D, C, 3, 3), its weights.
        gradient: (N, D, H', W'), of its result.
        shape: (N, C, H, W), of its input.
        stride: Of the convolution.

    Returns:
        (N, C, H, W).
    """
    count, channels, height, width = shape
    if stride == 1:  # what comes back is a convolution too, with the kernel turned by half a circle
        turned = weight.flip(2, 3).permute(2, 3, 0, 1).reshape(-1, channels)  # (9 D, C)
        return (unfold(gradient, 1) @ turned).permute(0, 3, 1, 2)
    kernel = weight.permute(0, 2, 3, 1).flatten(1)  # (D, 9 C)
    windows = gradient.permute(0, 2, 3, 1) @ kernel  # (N, H', W', 9 C)
    padded = windows.new_zeros(count, height + 2, width + 2, channels)
    for place, part in enumerate(torch.split(windows, channels, dim=3)):
        row, column = divmod(place, 3)
        padded[:, row : row + height : stride, column : column + width : stride] += part
    return padded[:, 1:-1, 1:-1].permute(0, 3, 1, 2)
