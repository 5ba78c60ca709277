"""Networks as shapes: without memory for their weights, to count, to compare, or to be filled from a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

__all__ = ["shapes_only"]

_DRAWS = (Tensor.normal_, Tensor.uniform_)
"""What every initialisation of ours ends in."""


class _WithoutDraws(TorchFunctionMode):
    """Leaves weights as they are: drawing on the meta device would import two seconds of torch."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,  # noqa: ARG002 - torch calls it so
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return args[0] if func in _DRAWS else func(*args, **(kwargs or {}))


@contextmanager
def shapes_only() -> Iterator[None]:
    """Build the networks of this block on torch's ``meta`` device."""
    with torch.device("meta"), _WithoutDraws():
        yield
