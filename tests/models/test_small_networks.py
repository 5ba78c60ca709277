"""MLP, VGG-style, ResNet9, mien_net: the networks whose options are their own."""

import pytest
import torch
from torch import nn

from mien.errors import InputError, UnknownNameError
from mien.models.activations import ACTIVATIONS, activation
from mien.models.macs import on_paper
from mien.models.mlp import MLP
from mien.models.resnet9 import ResNet9
from mien.models.zoo import MODELS, build_network


def test_mlp_computes_what_its_formula_says():
    network = MLP(3, depth=2, width=4, activation="tanh", input_size=2).eval()
    inputs = torch.randn(5, 1, 2, 2)
    first, second, last = (m for m in network.modules() if isinstance(m, nn.Linear))
    hidden = torch.tanh(inputs.reshape(5, 4) @ first.weight.T + first.bias)
    hidden = torch.tanh(hidden @ second.weight.T + second.bias)
    torch.testing.assert_close(network(inputs), hidden @ last.weight.T + last.bias)


@pytest.mark.parametrize(("depth", "linear_layers"), [(0, 1), (1, 2), (5, 6)])
def test_mlp_has_as_many_hidden_layers_as_its_depth(depth, linear_layers):
    network = build_network("mlp", num_classes=7, depth=depth, width=16)
    assert sum(isinstance(module, nn.Linear) for module in network.modules()) == linear_layers


def test_mlp_drops_hidden_units_only_in_training():
    network = MLP(depth=1, width=64, dropout=0.5)
    inputs = torch.randn(2, 1, 48, 48)
    assert not torch.equal(network(inputs), network(inputs))
    network.eval()
    assert torch.equal(network(inputs), network(inputs))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("identity", [-1.0, 2.0]),
        ("sigmoid", [0.2689414, 0.8807971]),
        ("softmax", [0.0474259, 0.9525741]),
        ("tanh", [-0.7615942, 0.9640276]),
        ("relu", [0.0, 2.0]),
        ("leaky_relu", [-0.01, 2.0]),
        ("elu", [-0.6321206, 2.0]),
        ("gelu", [-0.1586553, 1.9544997]),
        ("silu", [-0.2689414, 1.7615942]),
    ],
)
def test_activations_are_what_their_names_say(name, expected):
    values = activation(name)(torch.tensor([[-1.0, 2.0]]))
    torch.testing.assert_close(values, torch.tensor([expected]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_mlp_takes_every_activation(name):
    network = build_network("mlp", num_classes=7, width=8, activation=name)
    assert torch.isfinite(network(torch.randn(2, 1, 48, 48))).all()


def test_unknown_activation_suggests_close_ones():
    with pytest.raises(
        UnknownNameError, match=r"No activation is called 'rellu'\. Did you mean relu or"
    ):
        build_network("mlp", num_classes=7, activation="rellu")


def test_resnet9_is_the_published_network():
    kinds = [type(m).__name__ for m in on_paper(MODELS["resnet9"]).modules()]
    assert kinds.count("Conv2d") == 12
    assert kinds.count("ELU") == 12
    assert kinds.count("MaxPool2d") == 3
    # Fed by hand through the published order of layers, with its 6x6 pooling.
    network = ResNet9(widths=(4, 5, 6)).eval()
    x = torch.randn(2, 1, 48, 48)
    expected = x
    for conv, pooled, residual in (
        ("conv1", "conv2", "res1"),
        ("conv3", "conv4", "res2"),
        ("conv5", "conv6", "res3"),
    ):
        expected = getattr(network, pooled)(getattr(network, conv)(expected))
        expected = getattr(network, residual)(expected) + expected
    pooled = nn.functional.max_pool2d(expected, 6).flatten(1)
    torch.testing.assert_close(network(x), network.classifier[2](pooled))


def test_resnet9_keeps_means_where_it_is_told_to():
    network = ResNet9(widths=(4, 5, 6), pool="mean").eval()
    seen = []
    network.dropout.register_forward_hook(lambda _module, _inputs, x: seen.append(x))
    answer = network(torch.randn(2, 1, 48, 48))
    torch.testing.assert_close(answer, network.classifier[2](seen[-1].mean(dim=(2, 3))))


def test_resnet9_takes_other_sizes():
    assert ResNet9(widths=(2, 2, 2)).eval()(torch.randn(1, 1, 64, 64)).shape == (1, 7)


def test_vgg_style_has_the_described_layers():
    network = on_paper(MODELS["vgg_style"])
    shapes = [
        tuple(m.weight.shape[:2]) for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)
    ]
    assert shapes == [
        (64, 1), (64, 64), (128, 64), (128, 128), (256, 128), (256, 256), (512, 256), (512, 512),
        (4096, 512 * 3 * 3), (4096, 4096), (7, 4096),
    ]  # fmt: skip
    assert sum(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in network.modules()) == 10
    assert {m.p for m in network.modules() if isinstance(m, nn.Dropout)} == {0.2}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mlp", {"depth": -1}, r"mlp: depth is -1; expected 0 or more\."),
        ("mlp", {"width": 0}, r"mlp: width is 0; expected 1 or more\."),
        ("mlp", {"dropout": 2}, r"mlp: dropout is 2; expected 0 up to, but not including, 1\."),
        ("vgg_style", {"widths": (8, 0)}, r"vgg_style: width is 0; expected 1 or more\."),
        (
            "vgg_style",
            {"input_size": 8},
            r"vgg_style: 8 px cannot be halved 4 times; expected 16 or more\.",
        ),
        ("resnet9", {"widths": (8, 8)}, r"resnet9: widths are \(8, 8\); expected three\."),
        ("resnet9", {"widths": (8, 8, 0)}, r"resnet9: third_width is 0; expected 1 or more\."),
        ("resnet9", {"pool": "sum"}, r"resnet9: pool is 'sum'; expected max or mean\."),
        (
            "mien_net",
            {"widths": (8,)},
            r"mien_net takes as many widths as depths, all positive; got",
        ),
        (
            "mien_net",
            {"dropout": 1},
            r"mien_net: dropout is 1; expected 0 up to, but not including, 1\.",
        ),
        (
            "mien_net",
            {"halve": "twice"},
            r"mien_net: halve is 'twice' \(stage, stem or never\), order 'pre' \(pre or post\)\.",
        ),
        ("mien_net", {"order": "both"}, r"halve is 'stage' .*, order 'both' \(pre or post\)\."),
    ],
)
def test_options_out_of_range_are_refused(name, options, message):
    with pytest.raises(InputError, match=message):
        build_network(name, num_classes=7, **options)


@pytest.mark.parametrize(("halve", "sides"), [("stage", 24), ("stem", 24), ("never", 48)])
@pytest.mark.parametrize("order", ["pre", "post"])
def test_mien_net_halves_where_it_is_told(halve, sides, order):
    network = build_network(
        "mien_net", num_classes=7, widths=(4, 8), depths=(2, 1), halve=halve, order=order
    )
    seen = []
    for block in network.blocks:
        block.register_forward_hook(lambda _module, _inputs, result: seen.append(result.shape[2:]))
    assert network.eval()(torch.randn(2, 1, 48, 48)).shape == (2, 7)
    assert [tuple(shape) for shape in seen] == [(sides, sides), (sides, sides), (sides // 2,) * 2]


def test_a_block_that_activates_last_computes_what_its_formula_says():
    torch.manual_seed(0)
    block = build_network(
        "mien_net", num_classes=7, widths=(4, 8), depths=(1, 1), order="post"
    ).blocks[1]
    block.eval()
    for layer in (block.bn1, block.bn2, block.shortcut[1]):
        layer.running_mean.normal_()
        layer.running_var.uniform_(0.5, 2)
    x = torch.randn(2, 4, 6, 6)

    def normalised(y, bn):
        mean, variance = (v[:, None, None] for v in (bn.running_mean, bn.running_var))
        return (y - mean) / torch.sqrt(variance + bn.eps)

    conv2d = nn.functional.conv2d
    inner = normalised(conv2d(x, block.conv1.weight, stride=2, padding=1), block.bn1).clamp(min=0)
    main = normalised(conv2d(inner, block.conv2.weight, padding=1), block.bn2)
    kept = normalised(conv2d(x, block.shortcut[0].weight, stride=2), block.shortcut[1])
    torch.testing.assert_close(block(x), (main + kept).clamp(min=0))
