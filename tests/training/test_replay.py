import copy

import pytest
import torch

from mien.models.zoo import build_network
from mien.training.replay import Replayed


def network():
    made = build_network("mien_net", num_classes=7, widths=[8, 16], depths=[1, 1], dropout=0.2)
    return made.train().to(memory_format=torch.channels_last)


def faces(generator):
    made = torch.randn(16, 1, 24, 24, generator=generator)
    return made.contiguous(memory_format=torch.channels_last)


def test_on_a_processor_the_network_itself_is_called():
    ours = network()
    theirs = copy.deepcopy(ours)
    inputs = faces(torch.Generator().manual_seed(0))
    torch.manual_seed(1)
    logits = Replayed(ours, torch.device("cpu"), bf16=False)(inputs)
    torch.manual_seed(1)
    assert torch.equal(logits, theirs(inputs))
    assert torch.equal(ours.blocks[0].bn1.running_mean, theirs.blocks[0].bn1.running_mean)


def test_bf16_is_computed_in_where_it_is_asked_for():
    logits = Replayed(network(), torch.device("cpu"), bf16=True)(
        faces(torch.Generator().manual_seed(0))
    )
    assert logits.dtype is torch.bfloat16


@pytest.mark.gpu
def test_a_replayed_step_moves_weights_and_statistics_as_a_plain_one():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    device = torch.device("cuda")
    plain = network().to(device)
    recorded = copy.deepcopy(plain)
    replayed = Replayed(recorded, device, bf16=False)
    generator = torch.Generator().manual_seed(0)
    for step in range(3):
        inputs = faces(generator).to(device)
        for one, call in ((plain, plain), (recorded, replayed)):
            torch.cuda.manual_seed(step)  # the same dropout, whatever recording drew
            one.zero_grad(set_to_none=True)
            call(inputs).square().mean().backward()
            with torch.no_grad():
                for parameter in one.parameters():
                    parameter -= 0.1 * parameter.grad
    for (name, ours), theirs in zip(
        recorded.state_dict().items(), plain.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4, msg=name)
