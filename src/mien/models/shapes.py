"""Networks as shapes: without memory for their weights, to count, to compare, or to be filled from a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

__all__ = ["shapes_only"]

_DRAWS = (
    Tensor.normal_,
    Tensor.uniform_,
    nn.init.normal_,
    nn.init.uniform_,
    nn.init.kaiming_uniform_,
)
"""What our initialisations end in; some of torch's announce themselves, and hide what they call."""


class _WithoutDraws(TorchFunctionMode):
    """Leaves weights as they are: drawing on the meta device would import two seconds of torch."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in _DRAWS:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


@contextmanager
def shapes_only() -> Iterator[None]:
    """Build the networks of this block on torch's ``meta`` device."""
    with torch.device("meta"), _WithoutDraws():
        yield
