import pytest
import torch

from mien.errors import InputError
from mien.models.macs import count_parameters, on_paper
from mien.models.vgg import VGG
from mien.models.zoo import MODELS, build_network


@pytest.mark.parametrize(
    ("name", "count"),  # torchvision's documented num_params of each
    [
        ("vgg16", 138_357_544),
        ("vgg16_bn", 138_365_992),
        ("vgg19", 143_667_240),
        ("vgg19_bn", 143_678_248),
    ],
)
def test_as_many_parameters_as_torchvisions(name, count):
    network = on_paper(MODELS[name], num_classes=1000, in_channels=3)
    assert count_parameters(network) == count


@pytest.mark.parametrize(
    ("name", "last_convolution"),
    [
        ("vgg16", "features.28"),
        ("vgg16_bn", "features.40"),
        ("vgg19", "features.34"),
        ("vgg19_bn", "features.49"),
    ],
)
def test_parameters_are_called_as_torchvisions(name, last_convolution):
    shapes = {key: tuple(value.shape) for key, value in on_paper(MODELS[name]).state_dict().items()}
    assert shapes["features.0.weight"] == (64, 1, 3, 3)
    assert shapes[f"{last_convolution}.weight"] == (512, 512, 3, 3)
    assert shapes["classifier.0.weight"] == (4096, 512 * 7 * 7)
    assert shapes["classifier.3.weight"] == (4096, 4096)
    assert shapes["classifier.6.weight"] == (7, 4096)
    assert max(int(key.split(".")[1]) for key in shapes if key.startswith("features")) <= (
        int(last_convolution.split(".")[1]) + 1
    )


def test_pool_of_one_leaves_out_the_copies_of_a_small_last_map():
    shapes = on_paper(MODELS["vgg19"], pool=1).state_dict()
    assert tuple(shapes["classifier.0.weight"].shape) == (4096, 512)


@pytest.mark.parametrize(
    ("pool", "size"), [(7, 48), (7, 64), (7, 96), (7, 256), (3, 160), (1, 48), (1, 96)]
)
def test_network_for_one_size_gives_the_same_answers(pool, size):
    network = VGG(width=2, pool=pool).eval()
    inputs = torch.randn(2, 1, size, size)
    smaller = network.for_size(size)
    assert smaller.avgpool.output_size == size // 32
    torch.testing.assert_close(smaller(inputs), network(inputs), rtol=1e-5, atol=1e-7)


def test_network_for_one_size_leaves_the_first_alone():
    network = VGG(width=2)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    smaller = network.for_size(48)
    with torch.no_grad():
        for parameter in smaller.parameters():
            parameter.add_(1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert network.avgpool.output_size == 7


def test_size_that_cannot_be_halved_five_times_is_refused():
    with pytest.raises(InputError, match=r"vgg: last_map is 0; expected 1 or more\."):
        VGG(width=2).for_size(31)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pool": 0}, r"vgg16: pool is 0; expected 1 or more\."),
        ({"width": -8}, r"vgg16: width is -8; expected 1 or more\."),
        ({"dropout": 1.0}, r"vgg16: dropout is 1\.0; expected 0 up to, but not including, 1\."),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        build_network("vgg16", num_classes=7, **options)


def test_draws_are_torchvisions():
    network = build_network("vgg16", num_classes=7, seed=0, width=16, pool=1)
    fan_out = 128 * 9
    assert network.features[28].weight.detach().std() == pytest.approx(
        (2 / fan_out) ** 0.5, rel=0.02
    )
    assert network.classifier[3].weight.detach().std() == pytest.approx(0.01, rel=0.01)
    assert not network.classifier[3].bias.any()


def test_training_sums_the_first_layers_weights_and_learns_the_same():
    """A last map of one pixel stands in all places, so their weights are summed before the product."""
    torch.manual_seed(0)
    network = VGG(width=2, dropout=0.0)
    inputs = torch.randn(4, 1, 48, 48)
    whole = network.classifier(torch.flatten(network.avgpool(network.features(inputs)), 1))
    whole.square().sum().backward()
    expected = {name: value.grad.clone() for name, value in network.named_parameters()}
    network.zero_grad()
    network.train()(inputs).square().sum().backward()
    torch.testing.assert_close(network(inputs), whole, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(network.eval()(inputs), whole, rtol=1e-4, atol=1e-6)
    for name, value in network.named_parameters():
        torch.testing.assert_close(value.grad, expected[name], rtol=1e-3, atol=1e-6)
