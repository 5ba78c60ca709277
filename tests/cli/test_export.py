import re
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from mien.cli import app
from mien.cli import export as command
from mien.errors import ConfigError, InputError, MissingExtraError, ModelFileError
from mien.labels import FER2013
from mien.modelfile import load_model
from mien.models.weights import load_network


@pytest.fixture
def run(save_tiny, tmp_path) -> Path:
    """A run folder with an untrained network of one head."""

    def as_if_trained(network):
        """Each BN has a factor, offset, mean and variance of its own."""
        generator = torch.Generator().manual_seed(0)
        for tensor in (*network.parameters(), *network.buffers()):
            if tensor.ndim == 1:
                tensor.data.uniform_(0.5, 1.5, generator=generator)

    options = {"widths": (8,), "depths": (1,)}
    return save_tiny(tmp_path, options, prepare=as_if_trained, heads=(FER2013,)).parent


@pytest.mark.slow
def test_a_run_becomes_a_file_that_is_named_and_described(run):
    result = CliRunner().invoke(
        app, ["export", str(run), "--name", "mine", "--calibrate", "synthetic:100"]
    )
    assert result.exit_code == 0, result.output
    assert "mine.onnx" in result.output
    assert "fer2013: 7 labels, temperature" in result.output
    assert "labels-valid: accuracy" in result.output
    assert load_model(run / "mine.onnx").info.name == "mine"


@pytest.mark.slow
def test_without_calibration_it_says_so(run):
    result = CliRunner().invoke(app, ["export", str(run), "--out", str(run / "x.onnx")])
    assert result.exit_code == 0
    assert "not calibrated: give --calibrate PATH" in result.output


def test_weights_to_train_on_from_are_half_as_large_and_answer_alike(run):
    out = run / "mine.safetensors"
    asked = ["export", str(run), "--to", "weights", "--name", "mine", "--out", str(out)]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    assert "mine.safetensors" in result.output
    assert f"init={out}" in result.output
    (exact, _), (half, info) = load_network(run), load_network(out)
    assert (info.name, info.provenance["export"]) == ("mine", {"precision": "fp16"})
    faces = torch.randn(8, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(half(faces), exact(faces), rtol=0, atol=0.01)
    assert out.stat().st_size < 0.75 * (run / "weights.safetensors").stat().st_size


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--int8"], "--int8 is for ONNX files"),
        (["--calibrate", "synthetic:100"], "A run has its weights already: leave --calibrate out"),
        (["--out", "x.onnx"], r"--out is x\.onnx; expected a file name that ends in \.safetensors"),
    ],
)
def test_weights_take_no_options_of_onnx_files(run, given, words):
    result = CliRunner().invoke(app, ["export", str(run), "--to", "weights", *given])
    assert isinstance(result.exception, ConfigError | InputError)
    assert re.search(words, str(result.exception))


@pytest.mark.parametrize(
    ("to", "words"), [("onnx", "ends in .onnx"), ("weights", "would be lost. Name another file")]
)
def test_a_run_s_own_weights_are_not_written_over(run, to, words):
    file = run / "weights.safetensors"
    before = file.read_bytes()
    result = CliRunner().invoke(app, ["export", str(run), "--to", to, "--out", str(file)])
    assert isinstance(result.exception, InputError)
    assert words in str(result.exception)
    assert file.read_bytes() == before


def test_rows_that_are_not_there_are_named(run, tmp_path):
    asked = ["export", str(run), "--to", "hub", str(tmp_path / "hub"), "--results", "nope"]
    result = CliRunner().invoke(app, asked)
    assert isinstance(result.exception, ConfigError)
    assert "There is no folder nope" in str(result.exception)
    assert not (tmp_path / "hub").exists()


@pytest.mark.slow
def test_a_model_file_gives_its_weights_back(run, tmp_path):
    file, out = tmp_path / "tiny.onnx", tmp_path / "back.safetensors"
    CliRunner().invoke(app, ["export", str(run), "--out", str(file)])
    asked = ["export", str(file), "--to", "weights", "--out", str(out)]
    result = CliRunner().invoke(app, asked)
    assert isinstance(result.exception, ConfigError)
    assert "give --calibrate PATH of the data it was trained on" in str(result.exception)
    result = CliRunner().invoke(app, [*asked, "--calibrate", "synthetic:100"])
    assert result.exit_code == 0, result.output
    assert "same answer as tiny.onnx on 100.0% of the faces" in result.output
    load_network(out)


def test_a_folder_without_weights_is_named(tmp_path):
    result = CliRunner().invoke(app, ["export", str(tmp_path)])
    assert isinstance(result.exception, ModelFileError)
    assert str(tmp_path) in str(result.exception)


def test_without_torch_it_names_the_extra(run, monkeypatch):
    monkeypatch.setattr(command, "find_spec", lambda _: None)
    result = CliRunner().invoke(app, ["export", str(run)])
    assert isinstance(result.exception, MissingExtraError)
    assert "pip install 'mien[train]'" in str(result.exception)


def test_an_unknown_form_is_a_usage_error(run):
    result = CliRunner().invoke(app, ["export", str(run), "--to", "coreml"])
    assert result.exit_code == 2


@pytest.mark.slow
def test_a_run_becomes_a_folder_for_the_hub(run):
    result = CliRunner().invoke(app, ["export", str(run), "--to", "hub", str(run / "hub")])
    assert result.exit_code == 0, result.output
    assert "model.safetensors: 0.0" in result.output
    assert load_model(run / "hub").info.name == "tiny"


def test_the_hub_needs_a_folder_and_a_file_none(run):
    result = CliRunner().invoke(app, ["export", str(run), "--to", "hub"])
    assert "Name the folder to write: mien export RUN --to hub DIR" in str(result.exception)
    result = CliRunner().invoke(app, ["export", str(run), str(run / "hub")])
    assert "A folder is for --to hub only; name a file with: --out" in str(result.exception)


def test_a_name_is_no_path(run):
    result = CliRunner().invoke(app, ["export", str(run), "--name", "../../elsewhere"])
    assert isinstance(result.exception, ConfigError)
    assert "is a path; expected a name" in str(result.exception)
