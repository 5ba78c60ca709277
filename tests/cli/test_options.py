"""Options that several commands share: the same words everywhere, and the same meaning."""

import dataclasses

import numpy as np
import onnx
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from mien import images
from mien.cli import app
from mien.cli.options import Prior
from mien.errors import InputError
from mien.exporting.onnx import write_model
from mien.modelfile import PRIORS, load_model


def test_the_priors_are_those_of_the_model_file():
    assert tuple(Prior) == PRIORS


@pytest.mark.parametrize("name", ["model", "labels", "prior", "detector", "detector_file"])
def test_pictures_and_recordings_take_the_same_options(name):
    def told(command):
        options = {one.name: one for one in get_command(app).commands[command].params}
        return options[name].opts, options[name].default, options[name].help

    assert told("predict") == told("watch")


@pytest.fixture
def balanced_model(tiny_model_path, tmp_path):
    """The tiny model, which met neutral faces four times as often as others."""
    info = load_model(tiny_model_path).info
    heads = tuple(
        dataclasses.replace(
            head,
            prior=tuple(
                np.where(np.array(head.labels) == "neutral", 4, 1) / (len(head.labels) + 3)
            ),
        )
        for head in info.heads
    )
    path = tmp_path / "balanced.onnx"
    write_model(onnx.load(tiny_model_path), dataclasses.replace(info, heads=heads), path)
    return path


def test_the_uniform_prior_changes_what_is_answered(balanced_model, tmp_path):
    # A mean of 0.1: 0.8 for happy and 2 for neutral, less log 4 = 1.39 under the uniform prior.
    images.write(tmp_path / "grey.png", np.full((48, 48, 3), 140, np.uint8))
    command = ["predict", str(tmp_path / "grey.png"), "--model", str(balanced_model)]
    command += ["--detector", "none", "--labels", "fer2013", "--format", "csv"]
    answers = [
        CliRunner().invoke(app, [*command, *more]).output for more in ([], ["--prior", "uniform"])
    ]
    assert ["neutral" in answers[0].splitlines()[1], "happy" in answers[1].splitlines()[1]] == [
        True,
        True,
    ]


@pytest.mark.parametrize("command", ["predict", "watch"])
def test_a_model_without_frequencies_cannot_be_balanced(command, tiny_model_path, tmp_path):
    images.write(tmp_path / "grey.png", np.full((48, 48, 3), 140, np.uint8))
    words = [command, str(tmp_path / "grey.png"), "--model", str(tiny_model_path)]
    result = CliRunner().invoke(app, [*words, "--detector", "none", "--prior", "uniform"])
    assert isinstance(result.exception, InputError)
    assert "cannot be balanced. Export the model again" in str(result.exception)
