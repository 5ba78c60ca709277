import pytest
import torch

from mien.errors import ConfigError
from mien.models.zoo import build_network
from mien.recipe import recipe_from_dict
from mien.training.seen_faces import check_sizes, sizes_shown

OPTIONS = {"widths": [4, 8], "depths": [1, 1]}


@pytest.mark.parametrize(("epochs", "shown"), [(1, [48]), (2, [24, 48]), (3, [32, 24, 48])])
def test_a_short_run_shows_the_last_sizes_only(epochs, shown):
    tables = {"name": "short", "train": {"epochs": epochs, "sizes": [32, 24, 48]}}
    assert sizes_shown(recipe_from_dict(tables, "short")) == shown


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize(
    ("name", "sizes"), [("vgg19", [16]), ("vgg19", [48, 24]), ("mlp", [24, 48])]
)
def test_sizes_that_a_network_cannot_read_are_refused(name, sizes, device):
    options = {"width": 2} if name == "vgg19" else {}
    network = build_network(name, num_classes=7, **options).to(device)
    with pytest.raises(ConfigError, match=f"^the pupil cannot read faces of {min(sizes)} px: "):
        check_sizes(network, sizes, 1, "the pupil")
    assert all(module.training for module in network.modules())


def test_looking_at_the_sizes_leaves_a_network_as_it_was():
    network = build_network("mien_net", num_classes=7, **OPTIONS)
    network.blocks[0].eval()  # frozen by whoever trains it
    before = {name: value.clone() for name, value in network.state_dict().items()}
    check_sizes(network, [24, 48], 1, "the pupil")
    assert network.training
    assert not network.blocks[0].bn1.training
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)
