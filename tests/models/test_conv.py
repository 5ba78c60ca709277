import pytest
import torch
from torch import nn

from mien.models.conv import Conv1x1, Conv3x3, input_gradient, unfold, weight_gradient


@pytest.fixture(autouse=True)
def avx2(monkeypatch):
    """A processor on which products pay in fp32 too."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [3, 5, 6])
def test_the_products_are_torchs_convolution(stride, side):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, 3, side, side, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(5, 3, 3, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    y = nn.functional.conv2d(x, weight, stride=stride, padding=1)
    gradient = torch.randn(y.shape, generator=generator, dtype=torch.float64)
    y.backward(gradient)
    windows = unfold(x.detach(), stride)
    kernel = weight.detach().permute(0, 2, 3, 1).flatten(1)
    torch.testing.assert_close((windows @ kernel.t()).permute(0, 3, 1, 2), y.detach())
    torch.testing.assert_close(weight_gradient(windows, gradient), weight.grad)
    torch.testing.assert_close(input_gradient(weight.detach(), gradient, x.shape, stride), x.grad)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [3, 6])
@pytest.mark.parametrize(("is_bf16", "tolerance"), [(True, 0.01), (False, 1e-5)])
def test_both_ways_give_the_same_gradients(side, stride, is_bf16, tolerance):
    torch.manual_seed(0)
    ours, theirs = Conv3x3(16, 32, stride), nn.Conv2d(16, 32, 3, stride, 1, bias=False)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(8, 16, side, side)
    results = []
    for conv in (ours, theirs):
        given = x.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=is_bf16):
            y = conv(given)
        y.float().square().mean().backward()
        results.append((y.detach().float(), given.grad, conv.weight.grad))
    for one, other in zip(*results, strict=True):
        assert one.dtype == other.dtype
        assert float((one - other).norm() / other.norm()) < tolerance


def test_a_bias_is_added_once_and_learns():
    torch.manual_seed(0)
    ours, theirs = Conv3x3(8, 16, bias=True), nn.Conv2d(8, 16, 3, 1, 1)
    theirs.load_state_dict(ours.state_dict())
    for conv in (ours, theirs):
        conv(torch.ones(2, 8, 6, 6)).square().sum().backward()
    torch.testing.assert_close(ours(torch.ones(1, 8, 6, 6)), theirs(torch.ones(1, 8, 6, 6)))
    for name, parameter in theirs.named_parameters():
        torch.testing.assert_close(
            ours.get_parameter(name).grad, parameter.grad, rtol=1e-4, atol=1e-4
        )


def test_large_maps_and_evaluation_take_torchs_own_way(monkeypatch):
    from mien.models import conv

    def refuse(*_):
        raise AssertionError("the product was taken")

    monkeypatch.setattr(conv, "unfold", refuse)
    layer = Conv3x3(4, 4)
    layer(torch.randn(1, 4, 8, 8)).sum().backward()  # fp32, 64 pixels
    in_fp32 = layer(torch.randn(1, 4, 3, 3)).sum()  # only its gradient is a product
    with pytest.raises(AssertionError, match="the product was taken"):
        in_fp32.backward()
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    layer(torch.randn(1, 4, 3, 3)).sum().backward()
    with torch.autocast("cpu", torch.bfloat16):
        layer(torch.randn(1, 4, 8, 8)).sum().backward()  # 64 pixels
        layer.eval()(torch.randn(1, 4, 3, 3)).sum().backward()
    layer.train()
    with torch.autocast("cpu", torch.bfloat16):
        small = layer(torch.randn(1, 4, 6, 6)).sum()
        with pytest.raises(AssertionError, match="the product was taken"):
            layer(torch.randn(1, 4, 3, 3))
    with pytest.raises(AssertionError, match="the product was taken"):
        small.backward()


def test_the_first_layer_needs_no_gradient_of_its_input():
    layer = Conv3x3(1, 4)
    with torch.autocast("cpu", torch.bfloat16):
        layer(torch.randn(2, 1, 4, 4)).sum().backward()
    assert layer.weight.grad is not None


@pytest.mark.parametrize("width_in", [4, 8, 16])
@pytest.mark.parametrize("side", [32, 63, 64])
@pytest.mark.parametrize("is_training", [True, False])
def test_a_1x1_convolution_with_a_stride_is_torchs_and_outlives_its_gradient(
    width_in, side, is_training
):
    torch.manual_seed(0)
    ours = Conv1x1(width_in, 8, 2).to(memory_format=torch.channels_last).train(is_training)
    theirs = nn.Conv2d(width_in, 8, 1, 2, bias=False)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(32, width_in, side, side).to(memory_format=torch.channels_last).requires_grad_()
    exact = x.detach().double().requires_grad_()  # not oneDNN's
    for _ in range(4):
        ours.zero_grad()
        x.grad = None
        y = ours(x)
        y.square().mean().backward()
    z = theirs.double()(exact)
    z.square().mean().backward()
    torch.testing.assert_close(y.double(), z, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.weight.grad.double(), theirs.weight.grad, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(x.grad.double(), exact.grad, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), y)
