"""A wider network that answers as a narrower one does, and from there learns more than that one can hold."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mien.models.mien_net import MienNet, PostBlock, PreBlock

__all__ = ["can_widen", "widen"]

_UNEVEN = 0.5
"""How far a copy's share may lie from an equal one. Copies with equal shares would get equal gradients, and stay copies."""


def can_widen(narrow: MienNet, wide: MienNet) -> bool:
    """Whether one network is the other with as many channels or more in each layer; the last layer does not matter."""
    ours, theirs = dict(narrow.named_modules()), dict(wide.named_modules())
    return (
        ours.keys() == theirs.keys()
        and narrow.stem.in_channels == wide.stem.in_channels
        and all(_is_wider(module, theirs[name]) for name, module in ours.items())
    )


def widen(narrow: MienNet, wide: MienNet, seed: int, *, takes_head: bool = True) -> None:
    """Give the wide network weights with which it answers as the narrow one does.

    Channels are copied, all of them once before any of them twice. What reads a channel reads its copies, each with a share
    of the weight; shares are drawn, so that copies part as soon as they are trained.

    Args:
        narrow: A trained network.
        wide: One that `can_widen` accepts; its weights are replaced.
        seed: Of the copies and their shares.
        takes_head: Whether the last layer is taken over too; else it stays as it was drawn.

    Source:
        Chen, Goodfellow, Shlens 2016, https://arxiv.org/abs/1511.05641, section 2.2 (Net2WiderNet).
    """
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        channels = _copies(narrow.stem, wide.stem, draw)
        _fill_conv(narrow.stem, wide.stem, None, channels, draw)
        _fill_norm(narrow.stem_bn, wide.stem_bn, channels)
        for block, wider in zip(narrow.blocks, wide.blocks, strict=True):
            channels = _fill_block(block, wider, channels, draw)
        _fill_norm(narrow.bn, wide.bn, channels)
        if takes_head:
            wide.head.weight.copy_(_shared(narrow.head.weight, channels, draw))
            wide.head.bias.copy_(narrow.head.bias)


def _is_wider(one: nn.Module, other: nn.Module) -> bool:
    if isinstance(one, nn.Conv2d) and isinstance(other, nn.Conv2d):
        same = (one.kernel_size, one.stride) == (other.kernel_size, other.stride)
        return same and one.out_channels <= other.out_channels
    return type(one) is type(other)


def _copies(narrow: nn.Conv2d, wide: nn.Conv2d, draw: torch.Generator) -> Tensor:
    """Return which channel of the narrow convolution each one of the wide is a copy of: (wide,)."""
    count, wanted = narrow.out_channels, wide.out_channels
    rounds = [torch.randperm(count, generator=draw) for _ in range(wanted // count)]
    return torch.cat([torch.arange(count), *rounds])[:wanted]


def _shared(weight: Tensor, reads: Tensor, draw: torch.Generator) -> Tensor:
    """Let a weight (D, C, …) read copies of its channels (C',), which share what the channel had: (D, C', …)."""
    shape = (len(weight), len(reads))
    shares = 1 + _UNEVEN * (2 * torch.rand(shape, generator=draw) - 1)
    sums = torch.zeros(weight.shape[:2]).index_add_(1, reads, shares)
    shares /= sums[:, reads]
    return weight[:, reads] * shares.reshape(*shape, *[1] * (weight.ndim - 2))


def _fill_conv(
    narrow: nn.Conv2d, wide: nn.Conv2d, reads: Tensor | None, writes: Tensor, draw: torch.Generator
) -> None:
    """Fill a convolution; ``reads`` is None where its input stays as it is."""
    weight = narrow.weight[writes]
    wide.weight.copy_(weight if reads is None else _shared(weight, reads, draw))


def _fill_norm(
    narrow: nn.BatchNorm2d | None, wide: nn.BatchNorm2d | None, channels: Tensor
) -> None:
    if narrow is None or wide is None:
        return
    for name, value in narrow.state_dict().items():
        wide.state_dict()[name].copy_(value[channels] if value.ndim else value)


def _fill_block(narrow: nn.Module, wide: nn.Module, reads: Tensor, draw: torch.Generator) -> Tensor:
    """Fill a residual block and return the copies that it writes."""
    assert isinstance(narrow, (PreBlock, PostBlock))
    assert isinstance(wide, (PreBlock, PostBlock))
    inner = _copies(narrow.conv1, wide.conv1, draw)
    # What is added to the input as it is must be copied as the input was.
    writes = reads if narrow.shortcut is None else _copies(narrow.conv2, wide.conv2, draw)
    _fill_conv(narrow.conv1, wide.conv1, reads, inner, draw)
    _fill_conv(narrow.conv2, wide.conv2, inner, writes, draw)
    normed = (reads, inner) if isinstance(narrow, PreBlock) else (inner, writes)
    _fill_norm(narrow.bn1, wide.bn1, normed[0])
    _fill_norm(narrow.bn2, wide.bn2, normed[1])
    if narrow.shortcut is not None and wide.shortcut is not None:
        for one, other in zip(narrow.shortcut.modules(), wide.shortcut.modules(), strict=True):
            if isinstance(one, nn.Conv2d) and isinstance(other, nn.Conv2d):
                _fill_conv(one, other, reads, writes, draw)
            elif isinstance(one, nn.BatchNorm2d) and isinstance(other, nn.BatchNorm2d):
                _fill_norm(one, other, writes)
    return writes
