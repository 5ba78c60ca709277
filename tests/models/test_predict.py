"""A network behind the face of a model file gives the logits that the file gives."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from mien.modelfile import METADATA_KEY, Head, ModelInfo, load_model
from mien.models.predict import network_predictor
from mien.preprocess import InputSpec

INFO = ModelInfo(
    name="tiny",
    heads=(Head(name="two", labels=("a", "b")), Head(name="three", labels=("c", "d", "e"))),
    input=InputSpec(size=8, mean=0.4, std=0.3),
    architecture="none",
)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 5))


@pytest.fixture
def faces():
    return np.random.default_rng(0).integers(0, 256, (4, 8, 8), dtype=np.uint8)


def write_onnx(network, path):
    """The same network as a model file, written by hand."""
    weight, bias = (p.detach().numpy() for p in (network[2].weight, network[2].bias))
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w2", "b2"], ["two"], transB=1),
        helper.make_node("Gemm", ["flat", "w3", "b3"], ["three"], transB=1),
    ]
    values = {"w2": weight[:2], "b2": bias[:2], "w3": weight[2:], "b3": bias[2:]}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 1, 8, 8])],
        [
            helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", c])
            for n, c in (("two", 2), ("three", 3))
        ],
        [onnx.numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    helper.set_model_props(model, {METADATA_KEY: INFO.to_json()})
    onnx.save(model, path)


def test_network_and_file_agree(network, faces, tmp_path):
    write_onnx(network, tmp_path / "tiny.onnx")
    ours = network_predictor(network, INFO)(faces)
    theirs = load_model(tmp_path / "tiny.onnx").logits(faces)
    assert list(ours) == list(theirs) == ["two", "three"]
    for head in ours:
        assert ours[head].dtype == np.float32
        np.testing.assert_allclose(ours[head], theirs[head], rtol=1e-4, atol=1e-5)


def test_dropout_is_off_even_when_training_went_on(network, faces):
    predict = network_predictor(network, INFO)
    first = predict(faces)
    network.train()
    assert (predict(faces)["two"] == first["two"]).all()
