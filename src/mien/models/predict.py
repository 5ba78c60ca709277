"""A PyTorch network behind the same face as an ONNX model: uint8 faces in, logits by head out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mien.modelfile import ModelInfo
from mien.preprocess import to_inputs

__all__ = ["network_predictor"]


def network_predictor(
    network: nn.Module, info: ModelInfo, device: str | torch.device = "cpu"
) -> Callable[[NDArray[np.uint8]], dict[str, NDArray[np.float32]]]:
    """Return a function that does with a network what `modelfile.Model.logits` does with a file.

    The network is moved to the device and put into evaluation mode, so that dropout is off and batch
    normalisation does not see the batch.

    Args:
        network: Maps float32 (N, C, S, S) to (N, total) logits, the heads side by side in the record's order.
        info: Its record.
        device: Where to compute.

    Returns:
        A function from fitted uint8 faces (N, S, S[, 3]) to (N, C) logits of each head.
    """
    network.to(device).eval()
    names = [head.name for head in info.heads]
    ends = np.cumsum([len(head.labels) for head in info.heads])

    def predict(faces: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        # Again at each call: between two of them someone may have gone on training.
        network.eval()
        with torch.inference_mode():
            inputs = torch.from_numpy(to_inputs(faces, info.input)).to(device)
            logits = network(inputs).float().cpu().numpy()  # (N, total)
        return dict(zip(names, np.split(logits, ends[:-1], axis=1), strict=True))

    return predict
