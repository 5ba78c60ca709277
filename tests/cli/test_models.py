import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from mien import labels, modelfile
from mien.cli import app
from mien.modelfile import METADATA_KEY, Head, ModelInfo
from mien.models.zoo import MODELS
from mien.preprocess import InputSpec


def run(*arguments):
    # Wide enough that no cell wraps.
    result = CliRunner().invoke(app, ["models", *arguments], env={"COLUMNS": "160"})
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A package with one model in it: a linear layer as ONNX."""
    weights = numpy_helper.from_array(np.zeros((48 * 48, 7), np.float32), "weights")
    nodes = [
        helper.make_node("Flatten", ["inputs"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["fer2013"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("inputs", TensorProto.FLOAT, ["N", 1, 48, 48])],
        [helper.make_tensor_value_info("fer2013", TensorProto.FLOAT, ["N", 7])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    info = ModelInfo(
        name="mien-tiny",
        heads=(Head(name="fer2013", labels=labels.FER2013.labels),),
        input=InputSpec(),
        architecture="mlp",
        scores={"fer2013 valid": {"accuracy": 0.6931, "macro_f1": 0.66}},
    )
    helper.set_model_props(model, {METADATA_KEY: info.to_json()})
    onnx.save(model, tmp_path / "mien-tiny.onnx")
    monkeypatch.setattr(modelfile, "weights_dir", lambda: tmp_path)
    return tmp_path / "mien-tiny.onnx"


@pytest.mark.usefixtures("shipped")
def test_lists_every_architecture_with_its_cost():
    out = run()
    assert all(spec.name in out for spec in MODELS)
    row = next(line for line in out.splitlines() if line.split()[:1] == ["vgg19"])
    assert row.split()[:4] == ["vgg19", "139,597,767", "1,012.7", "48"]
    assert "arXiv:1409.1556" in row
    assert "activation=relu" in out


@pytest.mark.usefixtures("shipped")
def test_lists_models_that_ship_first_with_size_heads_and_scores():
    out = run()
    row = next(line for line in out.splitlines() if "mien-tiny" in line)
    assert row.split() == ["mien-tiny", "0.1", "fer2013", "(7)", "fer2013", "valid", "0.6931"]
    assert out.index("mien-tiny") < out.index("vgg16")


def test_says_that_nothing_ships(tmp_path, monkeypatch):
    monkeypatch.setattr(modelfile, "weights_dir", lambda: tmp_path)
    assert "No model ships with this installation." in run()


def test_json_holds_the_same_figures(shipped):
    listed = json.loads(run("--json"))
    assert listed["shipped"] == [
        {
            "name": "mien-tiny",
            "bytes": shipped.stat().st_size,
            "architecture": "mlp",
            "heads": {"fer2013": list(labels.FER2013.labels)},
            "scores": {"fer2013 valid": {"accuracy": 0.6931, "macro_f1": 0.66}},
            "licence": "Apache-2.0",
        }
    ]
    by_name = {row["name"]: row for row in listed["architectures"]}
    assert list(by_name) == list(MODELS.names)
    assert by_name["resnet9"]["macs"] == 1_871_220_224
    assert by_name["resnet9"]["options"] == {
        "widths": [128, 256, 512],
        "activation": "elu",
        "dropout": 0.5,
        "pool": "max",
    }
    assert listed["note"] is None


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_without_torch_it_lists_names_and_says_what_is_missing(arguments):
    program = "import sys; sys.modules['torch'] = None; from mien.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "models", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    text = " ".join(done.stdout.split())
    assert all(name in text for name in MODELS.names)
    assert "needs an extra: pip install 'mien[train]'" in text
