"""A network seen under another prior: what `--prior uniform` gives to rare expressions, and what it costs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.evaluation.views import Predictor
from mien.modelfile import ModelInfo, adjusted, check_prior

__all__ = ["under_prior"]


def under_prior(predict: Predictor, info: ModelInfo, prior: str) -> Predictor:
    """Return a network whose logits are those under a prior; every score of it then is too.

    Args:
        predict: The network, with the logits of all heads of ``info``.
        info: Its record, with the frequencies of its training.
        prior: One of `modelfile.PRIORS`; ``"training"`` gives the network back.

    Raises:
        UnknownNameError: If there is no such prior.
        InputError: If the record does not say how frequent labels were in training.
    """
    for head in info.heads:
        check_prior(head, prior)
    if prior == "training":
        return predict

    def weighed(faces: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        logits = predict(faces)
        return {
            head.name: adjusted(logits[head.name], head, prior).astype(np.float32, copy=False)
            for head in info.heads
        }

    return weighed
