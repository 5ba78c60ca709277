"""A folder for the Hub: what is in it, that it opens again, and what is refused."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch

from mien.data.synthetic import draw_faces
from mien.errors import ConfigError, DataError, InputError, ModelFileError
from mien.exporting import quantize
from mien.exporting.export import export_model
from mien.exporting.hub import write_hub_folder
from mien.modelfile import load_model
from mien.models.predict import network_predictor
from mien.models.weights import find_weights, load_network, save_network
from mien.paths import weights_dir

OPTIONS = {"widths": (8,), "depths": (1,)}


@pytest.fixture(scope="module")
def faces():
    return draw_faces(80, seed=0, size=24)


@pytest.fixture(scope="module")
def weights(tmp_path_factory, save_tiny):
    """A small network with two heads, as a run leaves it."""
    return save_tiny(tmp_path_factory.mktemp("run"), OPTIONS)


@pytest.fixture(scope="module")
def folder(weights, faces, tmp_path_factory):
    """The folder of a run, with int8; an untrained network decides by hairs, so its gate is lowered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantize, "MIN_AGREEMENT", 0.5)
        target = tmp_path_factory.mktemp("hub") / "faces"
        write_hub_folder(str(weights.parent), target, data=faces, int8=True, name="mine")
    return target


@pytest.mark.slow
def test_a_run_becomes_a_folder_that_opens_with_and_without_torch(folder, faces):
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == {
        "README.md",
        "config.json",
        "model.safetensors",
        "onnx/model.onnx",
        "onnx/model_int8.onnx",
        "preprocessor_config.json",
    }
    assert load_model(folder).path.name == "model_int8.onnx"
    network, info = load_network(folder / "model.safetensors")
    ours = network_predictor(network, info)(faces.images[:8])
    theirs = load_model(folder / "onnx" / "model.onnx").logits(faces.images[:8])
    np.testing.assert_allclose(ours["ferplus"], theirs["ferplus"], atol=1e-4)


@pytest.mark.slow
def test_the_description_says_what_the_hubs_tools_ask_for(folder):
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["id2label"]["1"] == "happiness"
    assert config["label2id"]["contempt"] == 7
    assert config["onnx_file"] == "onnx/model_int8.onnx"
    assert [head["name"] for head in config["heads"]] == ["fer2013", "ferplus"]
    assert config["heads"][1]["temperature"] != 1.0
    steps = json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8"))
    assert steps["size"] == {"height": 24, "width": 24}
    assert (steps["image_mean"], steps["image_std"]) == ([0.5], [0.5])


@pytest.mark.slow
def test_the_hubs_own_reader_finds_the_scores_in_the_readme(folder):
    hub = pytest.importorskip("huggingface_hub", reason="the extra hub")
    card = hub.ModelCard.load(folder / "README.md")
    scores = load_model(folder).info.scores
    found = {
        one.dataset_name: one.metric_value
        for one in card.data.eval_results
        if one.metric_type == "accuracy"
    }
    assert found == {name: round(100 * one["accuracy"], 2) for name, one in scores.items()}
    assert card.data.license == "apache-2.0"
    assert card.data.model_name == "mine"
    assert "**Refused**" in card.text


@pytest.mark.slow
def test_a_file_with_its_weights_beside_it_is_taken_as_it_is(folder, weights, tmp_path):
    shutil.copyfile(folder / "onnx" / "model_int8.onnx", tmp_path / "tiny.onnx")
    shutil.copyfile(weights, tmp_path / "tiny.safetensors")
    model = write_hub_folder(str(tmp_path / "tiny.onnx"), tmp_path / "hub")
    assert model.path.read_bytes() == (tmp_path / "tiny.onnx").read_bytes()
    exact = load_model(tmp_path / "hub" / "onnx" / "model.onnx").info
    assert exact.heads == model.info.heads
    assert dict(exact.scores) == {}  # they were measured on the int8 file
    assert exact.provenance["export"] == {"precision": "fp32"}


@pytest.mark.slow
def test_a_file_in_fp32_gets_its_int8_twin_from_the_weights_beside_it(
    folder, weights, faces, tmp_path, monkeypatch
):
    monkeypatch.setattr(quantize, "MIN_AGREEMENT", 0.5)
    shutil.copyfile(folder / "onnx" / "model.onnx", tmp_path / "tiny.onnx")
    shutil.copyfile(weights, tmp_path / "tiny.safetensors")
    with pytest.raises(DataError, match=r"int8 needs faces .* --calibrate PATH"):
        write_hub_folder(str(tmp_path / "tiny.onnx"), tmp_path / "hub", int8=True)
    model = write_hub_folder(str(tmp_path / "tiny.onnx"), tmp_path / "hub", data=faces, int8=True)
    assert model.path.name == "model_int8.onnx"
    assert model.info.provenance["export"]["precision"] == "int8"
    exact = tmp_path / "hub" / "onnx" / "model.onnx"
    assert exact.read_bytes() == (tmp_path / "tiny.onnx").read_bytes()


def test_a_file_that_is_taken_as_it_is_keeps_its_name(tmp_path):
    with pytest.raises(ConfigError, match=r"is called mien-s: leave --name other out"):
        write_hub_folder("mien-s", tmp_path / "hub", name="other")
    assert not (tmp_path / "hub").exists()


def test_its_weights_are_found_by_the_folder_s_name(folder):
    assert find_weights(str(folder)) == folder / "model.safetensors"
    assert load_network(folder)[1].options == load_model(folder).info.options


@pytest.mark.slow
def test_weights_that_are_not_beside_a_file_are_taken_out_of_it(save_tiny, faces, tmp_path):
    def as_if_trained(network):
        generator = torch.Generator().manual_seed(0)
        for tensor in (*network.parameters(), *network.buffers()):
            if tensor.ndim == 1:
                tensor.data.uniform_(0.5, 1.5, generator=generator)

    (tmp_path / "run").mkdir()
    run = save_tiny(tmp_path / "run", OPTIONS, prepare=as_if_trained)
    ready = export_model(run, tmp_path / "tiny.onnx")
    model = write_hub_folder(str(ready.path), tmp_path / "hub", data=faces)
    assert model.path.read_bytes() == ready.path.read_bytes()
    network, info = load_network(tmp_path / "hub" / "model.safetensors")
    assert info.provenance["restored_from"]["file"] == "tiny.onnx"
    ours, theirs = network_predictor(network, info)(faces.images), ready.logits(faces.images)
    assert all((ours[head].argmax(1) == theirs[head].argmax(1)).mean() > 0.9 for head in theirs)


@pytest.mark.slow
def test_weights_of_another_network_are_refused(folder, weights, tmp_path):
    shutil.copyfile(folder / "onnx" / "model_int8.onnx", tmp_path / "tiny.onnx")
    network, info = load_network(weights)
    heads = tuple(dataclasses.replace(head, labels=head.labels[::-1]) for head in info.heads)
    for changed, message in (
        ({"options": info.options | {"dropout": 0.5}}, "is another network than the ONNX file"),
        ({"heads": heads}, "has other labels than the ONNX file"),
    ):
        other = dataclasses.replace(info, **changed)
        save_network(tmp_path / "tiny.safetensors", network, other)
        with pytest.raises(ModelFileError, match=message):
            write_hub_folder(str(tmp_path / "tiny.onnx"), tmp_path / "hub")
    assert not (tmp_path / "hub").exists()


@pytest.mark.parametrize("changed", [{"date": "2020-01-01"}, {"refit": {"fer2013": {}}}])
def test_weights_of_another_training_of_the_same_network_are_refused(tmp_path, changed):
    shutil.copyfile(weights_dir() / "mien-s.onnx", tmp_path / "mien-s.onnx")
    network, info = load_network(find_weights("mien-s"))
    other = dataclasses.replace(info, provenance={**info.provenance, **changed})
    save_network(tmp_path / "mien-s.safetensors", network, other)
    with pytest.raises(ModelFileError, match=r"was trained or fitted otherwise than the ONNX file"):
        write_hub_folder(str(tmp_path / "mien-s.onnx"), tmp_path / "hub")
    assert not (tmp_path / "hub").exists()


def test_a_model_without_its_weights_says_what_to_give(tiny_model_path, tmp_path):
    with pytest.raises(DataError, match=r"has no trainable weights beside it, .*--calibrate PATH"):
        write_hub_folder(str(tiny_model_path), tmp_path / "hub")
    with pytest.raises(ModelFileError, match=r"There are no weights at .*mien models"):
        write_hub_folder(str(tmp_path / "nothing"), tmp_path / "hub")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_something_is_left_alone(weights, tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(InputError, match=r"is not empty; nothing is overwritten"):
        write_hub_folder(str(weights), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_int8_without_faces_says_what_to_give(weights, tmp_path):
    with pytest.raises(DataError, match=r"int8 needs faces .* --calibrate PATH"):
        write_hub_folder(str(weights), tmp_path / "hub", int8=True)
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_nothing_behind(weights, tmp_path):
    """Weights that do not fit their record are noticed after the folder was begun."""
    network, info = load_network(weights)
    broken = tmp_path / "broken.safetensors"
    save_network(
        broken, network, dataclasses.replace(info, options={"widths": (4,), "depths": (1,)})
    )
    with pytest.raises(ModelFileError, match="does not fit its record"):
        write_hub_folder(str(broken), tmp_path / "hub")
    assert [path.name for path in tmp_path.iterdir()] == ["broken.safetensors"]
