"""What several tests share: where the real data is, and a fresh cache for every test."""

import os
from pathlib import Path

import pytest

REAL_YUNET = os.environ.get("MIEN_YUNET")


@pytest.fixture(autouse=True)
def _fresh_cache(tmp_path_factory, monkeypatch):
    """No test reads or fills the user's own cache, and `auto` finds the same detector everywhere."""
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("MIEN_YUNET", raising=False)


@pytest.fixture
def yunet_file() -> Path:
    """The real file of the detector YuNet; without it the test is skipped."""
    if not REAL_YUNET:
        pytest.skip("MIEN_YUNET does not name YuNet's file; fetch it once: mien fetch yunet")
    return Path(REAL_YUNET)


@pytest.fixture
def fer2013_path() -> Path:
    """The folder of the real FER2013; without it the test is skipped."""
    folder = os.environ.get("MIEN_FER2013")
    if not folder:
        pytest.skip("MIEN_FER2013 does not name a folder with the real FER2013")
    return Path(folder)


@pytest.fixture(scope="session")
def tiny_model_path(tmp_path_factory) -> Path:
    """A model file whose answer follows the brightness: dark is sad, bright is happy, grey is neutral.

    With m the mean of the normalised input (black -1, white 1), the logits are 8 m for happy, -8 m for sad,
    2 for neutral and 0 for the rest. The FER+ head has temperature 2, FER2013's has 1.
    """
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    path.write_bytes(tiny_model().SerializeToString())
    return path


def tiny_model(record: str | None = None):
    """Build the network of `tiny_model_path`; ``record`` replaces what its metadata says."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from mien.labels import FER2013, FERPLUS
    from mien.modelfile import METADATA_KEY, Head, ModelInfo
    from mien.preprocess import InputSpec

    heads = (
        Head(name="fer2013", labels=FER2013.labels),
        Head(name="ferplus", labels=FERPLUS.labels, temperature=2.0),
    )
    nodes = [
        helper.make_node("GlobalAveragePool", ["input"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["mean"]),
    ]
    constants, outputs = [], []
    for head, (happy, sad) in zip(heads, [("happy", "sad"), ("happiness", "sadness")], strict=True):
        slope = np.zeros((1, len(head.labels)), np.float32)
        slope[0, head.labels.index(happy)], slope[0, head.labels.index(sad)] = 8, -8
        offset = np.zeros(len(head.labels), np.float32)
        offset[head.labels.index("neutral")] = 2
        constants += [
            numpy_helper.from_array(slope, f"{head.name}_slope"),
            numpy_helper.from_array(offset, f"{head.name}_offset"),
        ]
        terms = ["mean", f"{head.name}_slope", f"{head.name}_offset"]
        nodes.append(helper.make_node("Gemm", terms, [head.name]))
        outputs.append(
            helper.make_tensor_value_info(head.name, TensorProto.FLOAT, ["N", len(head.labels)])
        )
    faces = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 1, 48, 48])
    graph = helper.make_graph(nodes, "tiny", [faces], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.checker.check_model(model)
    info = ModelInfo(
        name="tiny",
        heads=heads,
        input=InputSpec(),
        architecture="brightness",
        provenance={"source": "tests"},
    )
    helper.set_model_props(model, {METADATA_KEY: info.to_json() if record is None else record})
    return model
