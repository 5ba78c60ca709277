import subprocess
import sys

import torch

from mien.models.shapes import shapes_only
from mien.models.zoo import MODELS, build_network


def test_networks_have_shapes_and_no_memory():
    with shapes_only():
        network = build_network("mlp", num_classes=7, width=5)
    assert {parameter.device.type for parameter in network.parameters()} == {"meta"}
    assert tuple(network.layers[1].weight.shape) == (5, 48 * 48)
    assert build_network("mlp", num_classes=7, width=5).layers[1].weight.device.type == "cpu"


def test_torch_own_generator_is_left_alone():
    state = torch.random.get_rng_state()
    with shapes_only():
        MODELS["resnet18"].build()
    assert torch.equal(state, torch.random.get_rng_state())


def test_no_network_imports_what_drawing_on_meta_would():
    program = (
        "import sys\n"
        "from mien.models.shapes import shapes_only\n"
        "from mien.models.zoo import MODELS\n"
        "with shapes_only():\n"
        "    for spec in MODELS:\n"
        "        spec.build()\n"
        "print('sympy' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False", "loading weights became seconds slower"
