import sys
from dataclasses import replace

import pytest
import torch

from mien.errors import ConfigError
from mien.labels import FER2013
from mien.models.ensemble import Ensemble, ensemble_info
from mien.models.weights import load_network, save_network
from mien.models.zoo import build_network
from mien.recipe import ModelOptions, recipe_from_dict
from mien.training.start import is_from_imagenet, start_network, with_model_of_init

OPTIONS = {"widths": [4, 8], "depths": [1, 1]}


@pytest.fixture
def weights(save_tiny, tmp_path):
    file = save_tiny(tmp_path, OPTIONS, heads=(FER2013,))
    return file, *load_network(file)


def recipe(file, **tables):
    return recipe_from_dict({"name": "new", "seed": 9, "init": str(file), **tables}, "new")


def test_without_a_model_table_the_network_is_that_of_the_weights(weights):
    file, network, _ = weights
    told = with_model_of_init(recipe(file))
    assert told.model == ModelOptions(name="mien_net", options=OPTIONS)
    assert with_model_of_init(told) == told
    begun = start_network(told, [FER2013.labels])
    for ours, theirs in zip(begun.parameters(), network.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_with_other_labels_the_last_layer_is_drawn_afresh(weights):
    file, network, _ = weights
    told = with_model_of_init(recipe(file))
    own = ("bored", "amused", "tired", "awake", "calm", "tense", "puzzled")  # as many, others
    begun = start_network(told, [own])
    drawn = build_network("mien_net", num_classes=7, seed=9, **OPTIONS)
    assert torch.equal(begun.stem.weight, network.stem.weight)
    assert torch.equal(begun.head.weight, drawn.head.weight)
    assert start_network(told, [("yes", "no")]).head.out_features == 2


def test_weights_of_another_network_are_refused(weights):
    file, _, _ = weights
    told = recipe(file, model={"name": "mien_net", "options": {"widths": [4, 4], "depths": [1, 1]}})
    with pytest.raises(ConfigError, match=r"init: .*weights\.safetensors is of another network"):
        start_network(told, [FER2013.labels])


def test_a_wider_network_begins_with_the_answers_of_the_narrow_one(weights):
    file, network, _ = weights
    options = {"widths": [6, 8], "depths": [1, 1]}
    told = recipe(file, model={"name": "mien_net", "options": options})
    begun = start_network(told, [FER2013.labels])
    faces = torch.randn(5, 1, 24, 24)
    torch.testing.assert_close(begun.eval()(faces), network.eval()(faces), rtol=1e-4, atol=1e-5)
    drawn = build_network("mien_net", num_classes=2, seed=9, **options)
    other = start_network(told, [("yes", "no")])
    assert torch.equal(other.head.weight, drawn.head.weight)
    assert not torch.equal(other.stem.weight, drawn.stem.weight)


def test_an_ensemble_is_no_start(weights, tmp_path):
    _, network, info = weights
    file = tmp_path / "pair.safetensors"
    other = build_network("mien_net", num_classes=7, seed=4, **OPTIONS)
    pair = Ensemble([network, other], [7], [info.input] * 2)
    save_network(file, pair, ensemble_info("pair", [info, info]))
    with pytest.raises(ConfigError, match="is an ensemble; name one of its members"):
        with_model_of_init(recipe(file))


def test_a_run_can_begin_with_imagenet_s_weights(torchvision):
    source = build_network("resnet18", num_classes=1000, in_channels=3, seed=1, width=8)
    torchvision["ResNet18_Weights.IMAGENET1K_V1"] = source.state_dict()
    told = recipe("imagenet", model={"name": "resnet18", "options": {"width": 8}})
    assert with_model_of_init(told) == told
    begun = start_network(told, [FER2013.labels])
    assert torch.equal(begun.layer4[0].conv1.weight, source.layer4[0].conv1.weight)
    drawn = build_network("resnet18", num_classes=7, seed=9, width=8)
    assert torch.equal(begun.fc.weight, drawn.fc.weight)


def test_what_imagenet_needs_is_said_before_the_data_is_read(monkeypatch):
    with pytest.raises(ConfigError, match=r"no ImageNet weights for mien_net\. Name a network"):
        with_model_of_init(recipe("imagenet"))
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(ConfigError, match="come from torchvision, which is not installed here"):
        with_model_of_init(recipe("imagenet", model={"name": "resnet18"}))


def test_imagenet_is_remembered_over_several_runs(weights):
    file, network, info = weights
    assert not is_from_imagenet(recipe(""))
    assert not is_from_imagenet(recipe(file))
    assert is_from_imagenet(recipe("imagenet"))
    save_network(file, network, replace(info, provenance={"imagenet": True}))
    assert is_from_imagenet(recipe(file))
