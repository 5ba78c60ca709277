"""Small networks, as a run leaves them."""

import pytest

from mien.labels import FER2013, FERPLUS
from mien.modelfile import Head, ModelInfo
from mien.models.weights import save_network
from mien.models.zoo import build_network
from mien.preprocess import InputSpec


@pytest.fixture(scope="session")
def save_tiny():
    """Write a `mien_net` of two heads for faces of 24 px, untrained but for what ``prepare`` does to it."""

    def save(folder, options, provenance=None, prepare=lambda _: None):
        network = build_network("mien_net", num_classes=15, seed=0, **options)
        prepare(network)
        heads = (
            Head(name="fer2013", labels=FER2013.labels),
            Head(name="ferplus", labels=FERPLUS.labels),
        )
        info = ModelInfo(
            name="tiny",
            heads=heads,
            input=InputSpec(size=24),
            architecture="mien_net",
            options=options,
            provenance=provenance or {},
        )
        save_network(folder / "weights.safetensors", network.eval(), info)
        return folder / "weights.safetensors"

    return save
