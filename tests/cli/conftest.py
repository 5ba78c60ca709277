"""What the tests of several commands begin with."""

import pytest

from mien.labels import FER2013
from mien.modelfile import Head, ModelInfo
from mien.models.weights import save_network
from mien.models.zoo import build_network
from mien.preprocess import InputSpec


@pytest.fixture
def save_untrained(tmp_path):
    """Write a run folder with an untrained network of one head, but for what ``prepare`` does to it."""

    def save(prepare=lambda _: None):
        options = {"widths": (8,), "depths": (1,)}
        info = ModelInfo(
            name="tiny",
            heads=(Head(name="fer2013", labels=FER2013.labels),),
            input=InputSpec(size=24),
            architecture="mien_net",
            options=options,
        )
        network = build_network("mien_net", num_classes=7, seed=0, **options)
        prepare(network)
        save_network(tmp_path / "weights.safetensors", network, info)
        return tmp_path

    return save
