"""`mien refit`, as its users call it."""

import dataclasses
import inspect
from pathlib import Path

import onnx
import pytest
import torch
from typer.testing import CliRunner

from mien.cli import app
from mien.cli.refit import refit as command
from mien.errors import (
    ConfigError,
    DataError,
    InputError,
    MissingExtraError,
    ModelFileError,
    UnknownNameError,
)
from mien.exporting.onnx import write_model
from mien.exporting.refit import PENALTY
from mien.labels import FER2013
from mien.modelfile import load_model
from mien.models.weights import load_network


@pytest.fixture
def run(save_tiny, tmp_path) -> Path:
    """A run folder with an untrained network of one head."""
    return save_tiny(tmp_path, {"widths": (8,), "depths": (1,)}, heads=(FER2013,)).parent


def test_weights_are_fitted_again_and_it_is_told_what_that_gave(run):
    out = run / "new" / "again.safetensors"
    done = CliRunner().invoke(
        app,
        [
            "refit",
            str(run),
            "--data",
            "synthetic:200",
            "--out",
            str(out),
            "--name",
            "again",
            "--half",
        ],
    )
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert "labels-valid (n=18, with mirrored views): " in said
    assert "% where these are fitted on other faces" in said
    assert f"calibrate it: mien export {out} --to onnx --calibrate synthetic:200" in said
    assert load_network(out)[1].name == "again"


@pytest.fixture
def model_file(tmp_path):
    """mien-s as if nobody knew what it was trained on, so that drawn faces will do."""
    shipped = load_model("mien-s")
    export = {"precision": "int8", "same_answer_as_fp32": {"fer2013": 0.99}}
    info = dataclasses.replace(shipped.info, provenance={"export": export, "collapsed": "fear"})
    write_model(onnx.load(shipped.path), info, tmp_path / "given.onnx")
    return tmp_path / "given.onnx"


def test_a_model_file_is_fitted_again_and_calibrated(model_file, tmp_path):
    out = tmp_path / "again.onnx"
    arguments = ["refit", str(model_file), "--data", "synthetic:200", "--out", str(out)]
    done = CliRunner().invoke(app, [*arguments, "--head", "fer2013", "--penalty", "0.1"])
    assert done.exit_code == 0, done.output
    again = load_model(out)
    assert again.info.provenance["refit"]["fer2013"]["penalty"] == 0.1
    assert again.info.scores["labels-valid"]["n"] == 18
    # What was measured with the layer of before is no longer said.
    assert again.info.provenance.keys() == {"export", "refit"}
    assert again.info.provenance["export"] == {"precision": "int8"}
    assert "calibrate it" not in done.output


@pytest.mark.parametrize("name", ["again.onnx", "again"])
def test_out_has_the_form_of_what_is_fitted(run, name):
    with pytest.raises(
        InputError,
        match=r"--out is .*; for trained weights expected a file name that ends in \.safetensors",
    ):
        call(run, "--out", str(run / name))


def test_what_is_fitted_is_not_written_over(run):
    with pytest.raises(InputError, match=r"is what it would be made from, and would be lost"):
        call(run, "--out", str(run / "weights.safetensors"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_gpu_that_is_not_there_is_refused(run):
    with pytest.raises(ConfigError, match="choose --device cpu"):
        call(run, "--device", "cuda", "--out", str(run / "again.safetensors"))


def test_a_device_is_for_weights(tmp_path):
    with pytest.raises(InputError, match="--device is for trained weights; mien-s is a model file"):
        call("mien-s", "--device", "cuda", "--out", str(tmp_path / "again.onnx"))


def test_half_is_for_weights(tmp_path):
    with pytest.raises(InputError, match="--half is for trained weights; mien-s is a model file"):
        call("mien-s", "--half", "--out", str(tmp_path / "again.onnx"))


def test_other_data_than_that_of_the_training_is_refused(tmp_path):
    with pytest.raises(
        DataError, match=r"mien-s was trained on other data \(d549c7ab5a29\) than this"
    ):
        call("mien-s", "--out", str(tmp_path / "again.onnx"))


def test_a_misspelt_model_is_named_with_its_neighbour(tmp_path):
    with pytest.raises(UnknownNameError, match="mien-s"):
        call("mien-z", "--out", str(tmp_path / "again.onnx"))


def test_a_folder_without_weights_is_named(tmp_path):
    with pytest.raises(ModelFileError, match="There are no weights at"):
        call(tmp_path, "--out", str(tmp_path / "again.safetensors"))


def test_the_help_tells_the_penalty_that_is_used():
    assert inspect.signature(command).parameters["penalty"].default == PENALTY


def test_without_torch_the_remedy_is_named(run, monkeypatch):
    monkeypatch.setattr("mien.cli.refit.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match="train"):
        call(run, "--out", str(run / "again.safetensors"))


def call(run, *more):
    arguments = ["refit", str(run), "--data", "synthetic:60", *more]
    CliRunner().invoke(app, arguments, catch_exceptions=False)
