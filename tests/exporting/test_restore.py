import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from mien.data.synthetic import draw_faces
from mien.errors import ModelFileError
from mien.exporting.export import export_model, training_faces
from mien.exporting.onnx import largest_difference
from mien.exporting.restore import restore_weights
from mien.modelfile import Model
from mien.models.predict import network_predictor
from mien.models.weights import load_network
from mien.preprocess import InputSpec, to_inputs

pytestmark = pytest.mark.slow  # tracing a network takes seconds

FORMS = {
    "pre": {"widths": (8, 16), "depths": (2, 1)},
    "post": {"widths": (8, 16), "depths": (1, 1), "halve": "stem", "order": "post"},
}


@pytest.fixture(scope="module")
def data():
    return draw_faces(300, seed=0, size=24)


@pytest.fixture(scope="module")
def faces(data):
    return training_faces(data, InputSpec(size=24))


@pytest.fixture(scope="module", params=FORMS)
def run(request, tmp_path_factory, faces, save_tiny):
    """A network whose BN has seen faces and has factors and offsets of its own, as after training."""

    def see(network):
        generator = torch.Generator().manual_seed(1)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 2.0, generator=generator)
                nn.init.normal_(module.bias, 0.0, 0.3, generator=generator)
                module.momentum = None  # the average of all batches
        with torch.no_grad():
            network.train()(torch.from_numpy(to_inputs(faces, InputSpec(size=24))))

    return save_tiny(tmp_path_factory.mktemp("run"), FORMS[request.param], {"seed": 0}, see)


def test_weights_come_back_from_an_fp32_file_with_what_bn_saw(run, faces, tmp_path):
    model = export_model(run, tmp_path / "tiny.onnx")
    info, same = restore_weights(model, tmp_path / "back.safetensors", faces, name="back")
    assert (info.name, same) == ("back", 1.0)
    before, _ = load_network(run)
    after, read = load_network(tmp_path / "back.safetensors")
    assert read.provenance["restored_from"] == {"file": "tiny.onnx", "faces": len(faces)}
    assert read.provenance["export"] == {"precision": "fp16"}
    ours = network_predictor(before, info)(faces)
    assert largest_difference(ours, network_predictor(after, info)(faces)) < 0.03
    # Trained on, it must behave alike as well: then BN normalises by the batch.
    inputs = torch.from_numpy(to_inputs(faces, info.input))
    with torch.no_grad():
        torch.testing.assert_close(after.train()(inputs), before.train()(inputs), rtol=0, atol=0.03)


def test_weights_come_back_from_an_int8_file_but_for_rounding(
    run, data, faces, tmp_path, monkeypatch
):
    # A network that has learnt nothing is undecided on a few faces; rounding may tip one of 29.
    monkeypatch.setattr("mien.exporting.quantize.MIN_AGREEMENT", 0.9)
    model = export_model(run, tmp_path / "tiny.onnx", data=data, int8=True)
    assert model.info.scores
    info, same = restore_weights(model, tmp_path / "back.safetensors", faces)
    assert same > 0.9
    assert info.scores == {}  # they were measured on the int8 file
    before, _ = load_network(run)
    after, _ = load_network(tmp_path / "back.safetensors")
    ours, back = (network_predictor(network, info)(faces) for network in (before, after))
    assert largest_difference(ours, back) < 0.1 * np.abs(ours["ferplus"]).max()


def test_a_file_of_another_network_than_its_record_says_is_refused(run, faces, tmp_path):
    model = export_model(run, tmp_path / "tiny.onnx")
    deeper = {"widths": (8, 16, 16), "depths": (1, 1, 1)}
    for changes, words in (
        ({"options": deeper}, r"tiny\.onnx lacks '.*' of its network"),
        ({"architecture": "none"}, r"tiny\.onnx names a network that this mien cannot build"),
        ({"architecture": "ensemble"}, r"tiny\.onnx is an ensemble; the weights of one network"),
    ):
        other = Model(None, dataclasses.replace(model.info, **changes), model.path)
        with pytest.raises(ModelFileError, match=words):
            restore_weights(other, tmp_path / "back.safetensors", faces)
        assert not (tmp_path / "back.safetensors").exists()
