import pytest
import torch
from torch import nn

from mien.models.macs import count_macs, count_parameters, on_paper
from mien.models.zoo import MODELS


def test_convolution_costs_what_the_formula_says():
    network = nn.Sequential(
        nn.Conv2d(2, 6, (3, 5), stride=2, padding=(1, 2), groups=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(6 * 16, 10),
    )
    convolution = 6 * 4 * 4 * (2 // 2) * 3 * 5
    assert count_macs(network, 8, channels=2) == convolution + 6 * 16 * 10


@pytest.mark.parametrize(
    ("name", "gmacs"),  # "GFLOPS" in torchvision's tables, which counts multiply-accumulates
    [
        ("vgg16", 15.47),
        ("vgg19", 19.63),
        ("resnet18", 1.81),
        ("resnet34", 3.66),
        ("resnet50", 4.09),
    ],
)
def test_at_224_px_the_counts_are_the_published_ones(name, gmacs):
    network = on_paper(MODELS[name], num_classes=1000, in_channels=3)
    assert count_macs(network, 224, channels=3) / 1e9 == pytest.approx(gmacs, abs=0.01)


def test_counting_leaves_the_network_as_it_was():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    count_macs(network, 8)
    assert network.training
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
    assert not network[0]._forward_hooks


def test_running_statistics_are_no_parameters():
    assert count_parameters(nn.BatchNorm2d(3)) == 6
