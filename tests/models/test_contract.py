"""What every architecture promises; a new spec in the zoo is tested without a line here."""

import inspect

import numpy as np
import pytest
import torch
from torch import nn

from mien import labels
from mien.exporting.onnx import export_onnx
from mien.modelfile import Head, ModelInfo
from mien.models import ARCHITECTURES
from mien.models.conv import Conv1x1
from mien.models.macs import count_macs, count_parameters, on_paper
from mien.models.weights import load_network, save_network
from mien.models.zoo import MODELS, build_network
from mien.preprocess import InputSpec, to_inputs

# Widths that make the big networks small enough for a test; the depth, which is what can go wrong, stays.
NARROW = {
    "mien_net": {"widths": (8, 8, 16, 16), "depths": (1, 1, 1, 1)},
    "mlp": {"width": 32},
    "vgg16": {"width": 8},
    "vgg16_bn": {"width": 8},
    "vgg19": {"width": 8},
    "vgg19_bn": {"width": 8},
    "resnet18": {"width": 8},
    "resnet34": {"width": 8},
    "resnet50": {"width": 8},
    "vgg_style": {"widths": (8, 16, 16, 16), "hidden": 32},
    "resnet9": {"widths": (8, 8, 16)},
}

SLOW_LEARNERS = {"vgg16", "vgg19"}  # without normalisation it takes them a hundred steps


@pytest.fixture(params=list(MODELS), ids=lambda spec: spec.name)
def spec(request):
    return request.param


def build(spec, seed=1, **options):
    return build_network(
        spec.name, num_classes=7, seed=seed, **{**NARROW.get(spec.name, {}), **options}
    )


def inputs(spec, count):
    generator = torch.Generator().manual_seed(5)
    return torch.randn(count, 1, spec.input_size, spec.input_size, generator=generator)


def record(spec):
    return ModelInfo(
        name="trial",
        heads=(Head(name="fer2013", labels=labels.FER2013.labels),),
        input=InputSpec(size=spec.input_size),
        architecture=spec.name,
        options=NARROW.get(spec.name, {}),
    )


def drawn_faces(spec, count):
    """Faces whose mouth bends by their class, as inputs in [-1, 1], and the classes."""
    size = spec.input_size
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:size, 0:size] / size
    classes = np.arange(count) % 7
    faces = []
    for label in classes:
        left, bend = rng.normal(0, 0.02), (label - 3) / 10
        mouth = np.abs(y - 0.7 - bend * (1 - ((x - 0.5 - left) / 0.25) ** 2)) < 0.05
        eyes = ((np.abs(x - 0.5 - left) - 0.2) ** 2 + (y - 0.35) ** 2) < 0.004
        dark = (mouth & (np.abs(x - 0.5 - left) < 0.25)) | eyes
        faces.append(np.where(dark, -1.0, 0.5) + rng.normal(0, 0.05, (size, size)))
    return torch.tensor(np.array(faces)[:, None], dtype=torch.float32), torch.tensor(classes)


def test_names_without_torch_are_those_of_the_zoo():
    assert MODELS.names == ARCHITECTURES


def test_stated_parameter_count_is_true(spec):
    assert count_parameters(on_paper(spec)) == spec.num_parameters


def test_stated_macs_are_true(spec):
    assert count_macs(on_paper(spec), spec.input_size) == spec.num_macs


def test_stated_options_are_those_of_the_builder(spec):
    fixed = getattr(spec.build, "keywords", {})
    parameters = inspect.signature(spec.build).parameters.values()
    keywords = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY} - set(fixed)
    assert set(spec.options) == keywords


def test_spec_has_a_paper_and_a_summary(spec):
    assert spec.paper.startswith("https://")
    assert 10 < len(spec.summary) < 90


@pytest.mark.parametrize("count", [1, 3])
def test_gives_finite_logits_for_each_input(spec, count):
    logits = build(spec).eval()(inputs(spec, count))
    assert logits.shape == (count, 7)
    assert logits.dtype == torch.float32
    assert torch.isfinite(logits).all()


def test_answer_to_a_face_does_not_depend_on_its_neighbours(spec):
    network = build(spec).eval()
    batch = inputs(spec, 3)
    torch.testing.assert_close(network(batch)[1:2], network(batch[1:2]), rtol=1e-4, atol=1e-5)


def test_takes_colour_and_any_number_of_classes(spec):
    network = build_network(
        spec.name, num_classes=15, in_channels=3, seed=0, **NARROW.get(spec.name, {})
    )
    assert network.eval()(inputs(spec, 2).expand(-1, 3, -1, -1)).shape == (2, 15)


def test_every_parameter_gets_a_gradient(spec):
    network = build(spec, **({"dropout": 0.0} if "dropout" in spec.options else {}))
    loss = nn.functional.cross_entropy(network(inputs(spec, 4)), torch.tensor([0, 1, 2, 3]))
    loss.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        if parameter.ndim > 1:
            assert parameter.grad.abs().max() > 0, name


def test_leaves_no_1x1_convolution_with_a_stride_to_onednn(spec):
    for name, module in build(spec).named_modules():
        if (
            isinstance(module, nn.Conv2d)
            and module.kernel_size == (1, 1)
            and module.stride > (1, 1)
        ):
            assert isinstance(module, Conv1x1), name


def test_learns_in_bf16_as_in_fp32(spec):
    losses = []
    for is_bf16 in (True, False):
        network = build(spec, **({"dropout": 0.0} if "dropout" in spec.options else {}))
        network = network.train().to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=is_bf16):
            logits = network(inputs(spec, 8).contiguous(memory_format=torch.channels_last))
        losses.append(nn.functional.cross_entropy(logits.float(), torch.arange(8) % 7))
        losses[-1].backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name
    torch.testing.assert_close(*losses, rtol=0.05, atol=0.05)


def test_same_seed_draws_the_same_weights(spec):
    state = torch.random.get_rng_state()
    one, same, other = build(spec, 1).state_dict(), build(spec, 1).state_dict(), build(spec, 2)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], tensor) for name, tensor in other.state_dict().items())
    assert torch.equal(state, torch.random.get_rng_state())


def test_saved_and_loaded_network_gives_the_same_logits(spec, tmp_path):
    network = build(spec)
    network(inputs(spec, 4))  # moves the running statistics of batch normalisation
    network.eval()
    save_network(tmp_path / "weights.safetensors", network, record(spec))
    loaded, _ = load_network(tmp_path)
    assert torch.equal(loaded(inputs(spec, 3)), network(inputs(spec, 3)))


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(
            spec, id=spec.name, marks=[pytest.mark.slow] if spec.name in SLOW_LEARNERS else []
        )
        for spec in MODELS
    ],
)
def test_learns_sixteen_faces_by_heart(spec):
    faces, classes = drawn_faces(spec, 16)
    network = build(spec, **({"dropout": 0.0} if "dropout" in spec.options else {}))
    # Deep networks without residuals diverge at the larger rate.
    lr = 1e-3 if spec.name.startswith("vgg1") else 5e-3
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    for _ in range(150):
        logits = network(faces)
        loss = nn.functional.cross_entropy(logits, classes)
        is_learnt = bool(loss < 0.1) and torch.equal(logits.argmax(1), classes)
        if is_learnt:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert is_learnt


@pytest.mark.slow
def test_exported_file_gives_the_same_logits(spec, tmp_path):
    network = build(spec)
    network(inputs(spec, 4))
    model = export_onnx(network, record(spec), tmp_path / "trial.onnx")
    size = spec.input_size
    faces = np.random.default_rng(0).integers(0, 256, (5, size, size), dtype=np.uint8)
    expected = network.eval()(torch.from_numpy(to_inputs(faces, model.info.input))).detach().numpy()
    np.testing.assert_allclose(
        model.logits(faces)["fer2013"], expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max()
    )
