import pytest
import torch

from mien.errors import ConfigError, InputError, UnknownNameError
from mien.models.zoo import build_network, for_export


def test_unknown_name_suggests_close_ones():
    with pytest.raises(
        UnknownNameError, match=r"No model is called 'resnet81'\. Did you mean resnet18"
    ):
        build_network("resnet81", num_classes=7)


def test_unknown_option_suggests_the_nearest():
    with pytest.raises(
        ConfigError,
        match=r"mlp has no option 'dropuot'\. Did you mean dropout\? Its options: depth, width",
    ):
        build_network("mlp", num_classes=7, dropuot=0.5)


def test_what_makes_two_architectures_of_one_class_is_no_option():
    with pytest.raises(ConfigError, match="resnet18 has no option 'architecture'"):
        build_network("resnet18", num_classes=7, architecture="resnet50")


def test_option_of_the_wrong_kind_is_named():
    with pytest.raises(
        ConfigError, match=r"mlp cannot be built with width='wide': .* See: mien models"
    ):
        build_network("mlp", num_classes=7, width="wide")


@pytest.mark.parametrize(("classes", "channels"), [(0, 1), (7, 0)])
def test_impossible_shapes_are_refused(classes, channels):
    with pytest.raises(InputError, match=r"mlp takes 1 or more classes and channels; got"):
        build_network("mlp", num_classes=classes, in_channels=channels)


def test_without_a_seed_torch_own_generator_is_drawn_from():
    state = torch.random.get_rng_state()
    torch.random.manual_seed(7)
    one = build_network("mlp", num_classes=7, width=4)
    seeded = build_network("mlp", num_classes=7, width=4, seed=7)
    after = build_network("mlp", num_classes=7, width=4)
    torch.random.set_rng_state(state)
    assert torch.equal(one.layers[1].weight, seeded.layers[1].weight)
    assert not torch.equal(one.layers[1].weight, after.layers[1].weight)


def test_only_networks_that_need_it_change_for_export():
    network = build_network("mlp", num_classes=7, width=4)
    assert for_export(network, 48) is network
    vgg = build_network("vgg16", num_classes=7, width=2)
    assert for_export(vgg, 48) is not vgg
