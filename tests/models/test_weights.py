import json
import os
import stat

import pytest
import torch
from safetensors.torch import load_file, save, save_file
from torch import nn

from mien import labels
from mien.errors import ModelFileError
from mien.modelfile import METADATA_KEY, Head, ModelInfo
from mien.models.weights import WEIGHTS_NAME, load_network, save_network
from mien.models.zoo import build_network
from mien.preprocess import InputSpec

OPTIONS = {"widths": (4, 8), "depths": (1, 1)}


def record(**changes):
    fields = {
        "name": "trial",
        "heads": (
            Head(name="fer2013", labels=labels.FER2013.labels),
            Head(name="ferplus", labels=labels.FERPLUS.labels, temperature=1.5),
        ),
        "input": InputSpec(mean=0.4),
        "architecture": "mien_net",
        "options": OPTIONS,
        "scores": {"fer2013": {"accuracy": 0.5}},
    }
    return ModelInfo(**{**fields, **changes})


def trained():
    """A network whose every tensor, running statistics too, is off its first value."""
    network = build_network("mien_net", num_classes=15, seed=4, **OPTIONS)
    network(torch.randn(4, 1, 48, 48))
    return network.eval()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / WEIGHTS_NAME
    save_network(path, trained(), record())
    return path


def test_record_comes_back_whole(file):
    _, info = load_network(file)
    assert info.heads == record().heads
    assert info.input == record().input
    assert info.scores == {"fer2013": {"accuracy": 0.5}}
    assert info.options == {"widths": [4, 8], "depths": [1, 1]}


def test_run_folder_and_file_give_the_same_network_ready_to_use(file):
    one, _ = load_network(file)
    other, _ = load_network(file.parent)
    assert not one.training
    assert all(parameter.requires_grad for parameter in one.parameters())
    inputs = torch.randn(2, 1, 48, 48)
    assert torch.equal(one(inputs), other(inputs))


def test_a_file_whose_name_is_no_text_gives_the_same_network(file, tmp_path):
    named = tmp_path / os.fsdecode(b"mod\xe8le.safetensors")
    named.write_bytes(file.read_bytes())
    (one, first), (other, second) = load_network(file), load_network(named)
    assert first == second
    inputs = torch.randn(2, 1, 48, 48)
    assert torch.equal(one(inputs), other(inputs))
    named.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ModelFileError, match="is no whole safetensors file"):
        load_network(named)
    named.write_bytes(save({"x": torch.zeros(1)}))
    with pytest.raises(ModelFileError, match="holds weights without mien's record"):
        load_network(named)


def test_loaded_network_trains_and_outlives_its_file(file):
    network, _ = load_network(file)
    file.write_bytes(b"")
    network.train()(torch.randn(2, 1, 48, 48)).sum().backward()
    assert network.stem.weight.grad is not None


def test_channels_last_weights_are_kept(tmp_path):
    network = trained()
    inputs = torch.randn(2, 1, 48, 48)
    expected = network(inputs)
    save_network(
        tmp_path / "a.safetensors", network.to(memory_format=torch.channels_last), record()
    )
    loaded, _ = load_network(tmp_path / "a.safetensors")
    assert torch.equal(loaded(inputs), expected)


def test_half_halves_the_file_and_keeps_vectors_exact(tmp_path):
    network = build_network("mlp", num_classes=15, seed=0)
    info = record(architecture="mlp", options={})
    save_network(tmp_path / "whole", network, info)
    save_network(tmp_path / "half", network, info, half=True)
    sizes = [(tmp_path / name).stat().st_size for name in ("half", "whole")]
    assert sizes[0] / sizes[1] == pytest.approx(0.5, abs=0.01)
    loaded, _ = load_network(tmp_path / "half")
    for name, tensor in network.state_dict().items():
        kept = loaded.state_dict()[name]
        assert kept.dtype == torch.float32
        assert torch.equal(kept, tensor.half().float() if tensor.ndim > 1 else tensor)


def test_huge_running_variance_survives_half(tmp_path):
    network = trained()
    network.bn.running_var.fill_(1e6)
    save_network(tmp_path / "a.safetensors", network, record(), half=True)
    loaded, _ = load_network(tmp_path / "a.safetensors")
    assert loaded.bn.running_var.max() == 1e6


def test_file_can_be_read_by_those_who_may_read_its_neighbours(file):
    neighbour = file.with_name("neighbour")
    neighbour.write_text("")
    assert stat.S_IMODE(file.stat().st_mode) == stat.S_IMODE(neighbour.stat().st_mode)


def test_failed_write_keeps_the_old_file_and_leaves_nothing_behind(file, monkeypatch):
    before = file.read_bytes()

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        ModelFileError, match=r"Cannot write .*weights.safetensors: .*No space left on device"
    ):
        save_network(file, build_network("mien_net", num_classes=15, seed=9, **OPTIONS), record())
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [WEIGHTS_NAME]


def test_folders_on_the_way_are_made(tmp_path):
    save_network(tmp_path / "new" / "a.safetensors", trained(), record())
    load_network(tmp_path / "new" / "a.safetensors")


def test_a_place_that_cannot_be_written_is_said(file):
    with pytest.raises(
        ModelFileError,
        match=r"Cannot write .*: Not a directory\. Is its folder writable and the disk not full\?",
    ):
        save_network(file / "a.safetensors", trained(), record())


def test_missing_file_is_said(tmp_path):
    with pytest.raises(
        ModelFileError,
        match=r"There are no weights at .*weights.safetensors\. Expected a run folder",
    ):
        load_network(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda whole: whole[: len(whole) // 2],
        lambda _: b"PK\x03\x04 torch's own zip",
    ],
)
def test_damaged_file_is_said(file, damage):
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ModelFileError, match=r"is no whole safetensors file: .* copy it again"):
        load_network(file)


def test_pickle_is_never_opened(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "exploded"),))

    torch.save(Bomb(), tmp_path / "a.safetensors")
    with pytest.raises(ModelFileError, match="is no whole safetensors file"):
        load_network(tmp_path / "a.safetensors")
    assert not (tmp_path / "exploded").exists()


def test_foreign_weights_are_said(tmp_path):
    save_file(nn.Linear(2, 2).state_dict(), tmp_path / "a.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelFileError, match=r"holds weights without mien's record"):
        load_network(tmp_path / "a.safetensors")


def test_garbled_record_is_said(file):
    save_file(load_file(file), file, metadata={METADATA_KEY: "{"})
    with pytest.raises(ModelFileError, match="has a record that cannot be read"):
        load_network(file)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"architecture": "mien_nett"},
            r"cannot build: No model is called 'mien_nett'\. Did you mean mien_net",
        ),
        (
            {"options": {"width": 3}},
            r"cannot build: mien_net has no option 'width'\. Did you mean widths",
        ),
        (
            {"options": {}},
            r"does not fit its record \(mien_net\): 'stem.weight' is \(4, 1, 3, 3\), expected \(32, 1",
        ),
        (
            {"options": {"widths": (4, 8), "depths": (1, 2)}},
            r"'blocks\.2\.bn1\.weight' is missing, expected \(8,\)",
        ),
        (
            {"heads": (Head(name="fer2013", labels=labels.FER2013.labels),)},
            r"'head.weight' is \(15, 8\), expected \(7",
        ),
        (
            {"input": InputSpec(channels=3)},
            r"'stem.weight' is \(4, 1, 3, 3\), expected \(4, 3, 3, 3\)",
        ),
    ],
)
def test_weights_that_do_not_fit_their_record_are_said(tmp_path, changes, message):
    path = tmp_path / "a.safetensors"
    save_network(path, trained(), record(**changes))
    with pytest.raises(ModelFileError, match=message):
        load_network(path)


def test_weights_of_another_type_are_said(file):
    tensors = load_file(file) | {"stem.weight": torch.zeros(4, 1, 3, 3, dtype=torch.int32)}
    save_file(tensors, file, metadata={METADATA_KEY: record().to_json()})
    with pytest.raises(ModelFileError, match=r"'stem.weight' is \(4, 1, 3, 3\) of int32, expected"):
        load_network(file)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_said(file, value):
    tensors = load_file(file)
    tensors["stem.weight"][0, 0, 0, 0] = value
    save_file(tensors, file, metadata={METADATA_KEY: record().to_json()})
    with pytest.raises(ModelFileError, match=r"'stem.weight' holds values that are no finite num"):
        load_network(file)


def test_a_file_of_another_kind_is_not_called_cut_short(tmp_path):
    (tmp_path / "recipe.toml").write_text("seed = 1")
    with pytest.raises(ModelFileError, match=r"Expected a run folder or a \.safetensors file"):
        load_network(tmp_path / "recipe.toml")


def test_weight_too_many_is_said(file):
    with_more = {**load_file(file), "extra": torch.zeros(1)}
    save_file(with_more, file, metadata={METADATA_KEY: record().to_json()})
    with pytest.raises(ModelFileError, match=r"'extra' is \(1,\), expected no such tensor"):
        load_network(file)


def test_record_of_a_newer_format_is_said(file):
    newer = json.dumps({**json.loads(record().to_json()), "format": 99})
    save_file(load_file(file), file, metadata={METADATA_KEY: newer})
    with pytest.raises(ModelFileError, match=r"of format 99; this mien reads 1"):
        load_network(file)
