import pytest
import torch
from torch import nn

from mien.models.widening import can_widen, widen
from mien.models.zoo import build_network

NARROW, WIDE = [4, 8, 6], [6, 20, 6]


def network(widths, seed=0, **options):
    torch.manual_seed(seed)
    made = build_network(
        "mien_net", num_classes=5, seed=seed, widths=widths, depths=[2, 1, 2], **options
    )
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):  # as after training: no two channels alike
            nn.init.normal_(module.running_mean)
            for values in (module.weight, module.bias, module.running_var):
                nn.init.uniform_(values, 0.5, 2)
    return made


@pytest.mark.parametrize("order", ["pre", "post"])
@pytest.mark.parametrize("halve", ["stage", "stem", "never"])
@pytest.mark.parametrize("is_training", [False, True])
def test_the_wide_network_answers_as_the_narrow_one(order, halve, is_training):
    narrow = network(NARROW, order=order, halve=halve)
    wide = network(WIDE, seed=1, order=order, halve=halve)
    assert can_widen(narrow, wide)
    widen(narrow, wide, seed=2)
    faces = torch.randn(8, 1, 24, 24)
    ours, theirs = (one.train(is_training)(faces) for one in (wide, narrow))
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_copies_part_when_they_are_trained():
    narrow, wide = network([4, 8, 6]), network([8, 16, 12])
    widen(narrow, wide, seed=2)
    wide(torch.randn(8, 1, 24, 24)).square().sum().backward()
    for layer in (wide.blocks[0].conv1, wide.blocks[2].conv2, wide.stem):
        assert torch.equal(layer.weight[0], layer.weight[4]) == (layer is wide.stem)
        flat = layer.weight.grad.flatten(1)
        distances = torch.cdist(flat, flat) + torch.eye(len(flat)) * flat.norm()
        assert distances.min() > 1e-4 * flat.norm()


def test_the_same_seed_draws_the_same_and_another_another():
    narrow = network(NARROW)
    first, again, other = (network([4, 8, 9], seed=1) for _ in range(3))
    for wide, seed in ((first, 2), (again, 2), (other, 3)):
        widen(narrow, wide, seed)
    assert torch.equal(first.head.weight, again.head.weight)
    assert not torch.equal(first.head.weight, other.head.weight)


def test_as_many_channels_give_the_very_weights():
    narrow, same = network(NARROW), network(NARROW, seed=1)
    widen(narrow, same, seed=2)
    for ours, theirs in zip(same.state_dict().values(), narrow.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


def test_the_last_layer_may_be_left_as_it_was_drawn():
    narrow, wide = network(NARROW), network(WIDE, seed=1)
    drawn = wide.head.weight.clone()
    widen(narrow, wide, seed=2, takes_head=False)
    assert torch.equal(wide.head.weight, drawn)


@pytest.mark.parametrize(
    "options",
    [
        {"widths": [6, 20, 5]},
        {"widths": [6, 20], "depths": [2, 1]},
        {"widths": WIDE, "depths": [2, 2, 2]},
        {"widths": WIDE, "order": "post"},
        {"widths": WIDE, "halve": "stem"},
        {"widths": WIDE, "halve": "never"},
        {"widths": WIDE, "in_channels": 3},
    ],
    ids=repr,
)
def test_what_is_not_only_wider_cannot_be_widened(options):
    told = {"depths": [2, 1, 2], "num_classes": 5, **options}
    assert not can_widen(network(NARROW), build_network("mien_net", **told))
