import pytest
import torch

from mien.errors import InputError
from mien.models.macs import count_macs, count_parameters, on_paper
from mien.models.zoo import MODELS, build_network


@pytest.mark.parametrize(
    ("name", "count"),  # torchvision's documented num_params of each
    [("resnet18", 11_689_512), ("resnet34", 21_797_672), ("resnet50", 25_557_032)],
)
def test_as_many_parameters_as_torchvisions(name, count):
    network = on_paper(MODELS[name], num_classes=1000, in_channels=3)
    assert count_parameters(network) == count


def test_parameters_are_called_as_torchvisions():
    shapes = {
        key: tuple(value.shape) for key, value in on_paper(MODELS["resnet50"]).state_dict().items()
    }
    assert shapes["conv1.weight"] == (64, 1, 7, 7)
    assert shapes["bn1.running_mean"] == (64,)
    assert shapes["layer1.0.conv1.weight"] == (64, 64, 1, 1)
    assert shapes["layer1.0.downsample.0.weight"] == (256, 64, 1, 1)
    assert shapes["layer1.0.downsample.1.weight"] == (256,)
    assert shapes["layer4.2.conv3.weight"] == (2048, 512, 1, 1)
    assert shapes["fc.weight"] == (7, 2048)
    shapes = {
        key: tuple(value.shape) for key, value in on_paper(MODELS["resnet34"]).state_dict().items()
    }
    assert "layer1.0.downsample.0.weight" not in shapes
    assert shapes["layer3.5.conv2.weight"] == (256, 256, 3, 3)
    assert len(shapes) == 218  # tensors of torchvision's resnet34


def test_small_stem_keeps_the_size_of_the_face():
    published = on_paper(MODELS["resnet18"])
    small = on_paper(MODELS["resnet18"], small_stem=True)
    assert tuple(small.conv1.weight.shape) == (64, 1, 3, 3)
    face = torch.zeros(1, 1, 48, 48, device="meta")
    stem = [network.maxpool(network.conv1(face)).shape[-1] for network in (published, small)]
    assert stem == [12, 48]
    first_stage = 4 * 64 * 64 * 9  # multiply-accumulates a place
    assert count_macs(small, 48) - count_macs(published, 48) > first_stage * (48**2 - 12**2)


def test_draws_are_torchvisions():
    network = build_network("resnet34", num_classes=7, seed=0, width=16)
    weight = network.layer4[2].conv2.weight
    assert weight.detach().std() == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.02)
    assert torch.equal(network.layer4[2].bn2.weight, torch.ones(128))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, r"resnet34: width is 0; expected 1 or more\."),
        (
            {"dropout": -0.1},
            r"resnet34: dropout is -0\.1; expected 0 up to, but not including, 1\.",
        ),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        build_network("resnet34", num_classes=7, **options)
