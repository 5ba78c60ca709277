"""ImageNet's weights, from the torchvision of conftest.py."""

import logging
import sys

import pytest
import torch

from mien.errors import ConfigError, DownloadError
from mien.models.imagenet import find_imagenet, initialise_from_imagenet
from mien.models.zoo import MODELS, build_network


def original(name, **options):
    return build_network(name, num_classes=1000, in_channels=3, seed=1, **options).eval()


def test_grey_network_sees_a_grey_face_as_the_original_sees_it_in_colour(torchvision):
    source = original("resnet18", width=8)
    torchvision["ResNet18_Weights.IMAGENET1K_V1"] = source.state_dict()
    network = build_network("resnet18", num_classes=7, seed=2, width=8).eval()
    assert initialise_from_imagenet(network, MODELS["resnet18"]) == ("fc.weight", "fc.bias")
    grey = torch.randn(2, 1, 48, 48)
    source.fc = network.fc
    torch.testing.assert_close(
        network(grey), source(grey.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-5
    )


def test_colour_network_of_a_thousand_classes_is_the_original(torchvision):
    source = original("vgg16_bn", width=4)
    torchvision["VGG16_BN_Weights.IMAGENET1K_V1"] = source.state_dict()
    network = build_network("vgg16_bn", num_classes=1000, in_channels=3, seed=2, width=4).eval()
    assert initialise_from_imagenet(network, MODELS["vgg16_bn"]) == ()
    inputs = torch.randn(2, 3, 48, 48)
    assert torch.equal(network(inputs), source(inputs))


def test_small_stem_keeps_its_own_draw(torchvision):
    torchvision["ResNet18_Weights.IMAGENET1K_V1"] = original("resnet18", width=8).state_dict()
    network = build_network("resnet18", num_classes=7, seed=2, width=8, small_stem=True)
    kept = initialise_from_imagenet(network, MODELS["resnet18"])
    assert kept == ("conv1.weight", "fc.weight", "fc.bias")


def test_download_is_said_aloud(torchvision, caplog):
    torchvision["ResNet18_Weights.IMAGENET1K_V1"] = original("resnet18", width=8).state_dict()
    network = build_network("resnet18", num_classes=7, width=8)
    with caplog.at_level(logging.INFO):
        initialise_from_imagenet(network, MODELS["resnet18"])
    assert caplog.messages == [
        "torchvision downloads the ImageNet weights ResNet18_Weights.IMAGENET1K_V1 from "
        "https://example.org/ResNet18_Weights.IMAGENET1K_V1.pth, unless they are in its cache.",
        "resnet18 keeps its own draw of fc.weight, fc.bias.",
    ]
    assert caplog.records[0].levelno == logging.WARNING


def test_without_torchvision_it_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    network = build_network("resnet18", num_classes=7, width=8)
    with pytest.raises(
        ConfigError, match=r"come from torchvision, which is not installed here\. Install"
    ):
        initialise_from_imagenet(network, MODELS["resnet18"])


@pytest.mark.usefixtures("torchvision")
def test_a_torchvision_for_another_torch_is_named(monkeypatch):
    def refuse(name):
        raise RuntimeError(f"operator torchvision::nms does not exist\n{name}")

    monkeypatch.setattr("importlib.import_module", refuse)
    with pytest.raises(
        ConfigError, match=r"cannot be imported here \(operator torchvision::nms does not exist\)\."
    ):
        find_imagenet(MODELS["resnet18"])


@pytest.mark.usefixtures("torchvision")
def test_weights_that_cannot_be_downloaded_are_named():
    network = build_network("resnet18", num_classes=7, width=8)
    with pytest.raises(
        DownloadError,
        match=r"ResNet18.* cannot be had from https://.*: no network here\. Try again",
    ):
        initialise_from_imagenet(network, MODELS["resnet18"])


def test_old_weights_without_counters_are_taken(torchvision):
    # vgg16_bn's are from 2017: parameters, and no num_batches_tracked.
    source = original("vgg16_bn", width=4)
    torchvision["VGG16_BN_Weights.IMAGENET1K_V1"] = {
        name: torch.nn.Parameter(tensor)
        for name, tensor in source.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    network = build_network("vgg16_bn", num_classes=1000, in_channels=3, seed=2, width=4).eval()
    assert initialise_from_imagenet(network, MODELS["vgg16_bn"]) == ()
    inputs = torch.randn(2, 3, 48, 48)
    assert torch.equal(network(inputs), source(inputs))


@pytest.mark.parametrize(
    ("channels", "options", "words"),
    [
        (1, {"width": 4}, r"'conv1\.weight' is \(8, 1, 7, 7\) there, \(4, 1, 7, 7\) here"),
        (2, {"width": 8}, r"'conv1\.weight' is \(8, 3, 7, 7\) there, \(8, 2, 7, 7\) here"),
    ],
)
def test_another_width_and_other_colours_are_refused(torchvision, channels, options, words):
    torchvision["ResNet18_Weights.IMAGENET1K_V1"] = original("resnet18", width=8).state_dict()
    network = build_network("resnet18", num_classes=7, in_channels=channels, seed=2, **options)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(ConfigError, match=words + r"\. They are for 1 or 3 channels"):
        initialise_from_imagenet(network, MODELS["resnet18"])
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_network_without_such_weights_is_named():
    network = build_network("mlp", num_classes=7, width=8)
    with pytest.raises(
        ConfigError, match=r"There are no ImageNet weights for mlp\. .*: vgg16, .*resnet50\."
    ):
        initialise_from_imagenet(network, MODELS["mlp"])


def test_weights_of_another_network_are_refused(torchvision):
    torchvision["ResNet18_Weights.IMAGENET1K_V1"] = original("resnet34", width=8).state_dict()
    network = build_network("resnet18", num_classes=7, width=8)
    with pytest.raises(
        ConfigError, match=r"are not those of resnet18: they differ in layer1\.2\.bn1"
    ):
        initialise_from_imagenet(network, MODELS["resnet18"])
