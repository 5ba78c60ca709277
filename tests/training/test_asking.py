import shutil

import pytest
import torch
from run_calls import Silent
from safetensors.torch import load_file, save_file
from student_recipe import recipe, silent

from mien.errors import InputError
from mien.models.weights import read_tensors
from mien.training.asking import ask
from mien.training.run import train
from mien.training.run_folder import RunFolder

CPU = torch.device("cpu")


class StopError(Exception):
    """What a user's Ctrl-C raises in these tests."""


def stopping_in(epoch, num_faces):
    def hear(answered, _of):
        if answered > epoch * num_faces:
            raise StopError

    return hear


@pytest.fixture(scope="module")
def whole(teacher, faces, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "answers.safetensors"
    ask(recipe(teacher), faces, out, silent, CPU)
    return out


@pytest.fixture
def stopped(teacher, faces, tmp_path):
    """Where asking was stopped in the third epoch, when the file was not there yet."""
    out = tmp_path / "answers.safetensors"
    with pytest.raises(StopError):
        ask(recipe(teacher), faces, out, stopping_in(2, len(faces)), CPU)
    assert not out.exists()
    return out


def assert_same(one, other):
    """Not to the byte: safetensors writes what stands in a header in any order."""
    (header, tensors), (expected_header, expected) = read_tensors(one), read_tensors(other)
    assert header == expected_header
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensors[name], expected[name]) for name in tensors)


def parts(out):
    return sorted(out.parent.glob("answers.safetensors.parts/*"))


def test_asking_that_was_stopped_goes_on_and_ends_in_the_same_file(teacher, faces, whole, stopped):
    assert [part.name for part in parts(stopped)] == [
        "epoch-0001.safetensors",
        "epoch-0002.safetensors",
    ]
    for part in parts(stopped):  # marked, to see that they are taken as they are
        marked = load_file(part)["logits"] + 1
        with part.open("r+b") as file:
            file.seek(-marked.numel() * 2, 2)
            file.write(marked.numpy().tobytes())
    heard = []
    ask(recipe(teacher), faces, stopped, lambda answered, _of: heard.append(answered), CPU)
    expected = load_file(whole)["logits"]
    expected[:2] += 1
    assert torch.equal(load_file(stopped)["logits"], expected)
    num = len(faces)
    assert sorted(set(heard)) == [0, num, 2 * num, 3 * num]
    assert list(stopped.parent.iterdir()) == [stopped]


def test_a_file_that_was_asked_in_two_sittings_is_as_any_other(teacher, faces, whole, stopped):
    ask(recipe(teacher), faces, stopped, silent, CPU)
    assert_same(stopped, whole)


def test_an_epoch_that_is_damaged_is_asked_again(teacher, faces, whole, stopped):
    first, second = parts(stopped)
    first.write_bytes(first.read_bytes()[:100])
    second.unlink()
    ask(recipe(teacher), faces, stopped, silent, CPU)
    assert_same(stopped, whole)


@pytest.mark.parametrize("what", ["teacher", "recipe", "foreign"])
def test_epochs_of_something_else_are_neither_taken_nor_lost(
    data, teacher, faces, stopped, tmp_path, what
):
    told = recipe(teacher)
    if what == "teacher":
        other = RunFolder(tmp_path / "other")
        train(recipe(seed=4), data, other, Silent())
        told = recipe(other.path)
    elif what == "recipe":
        told = recipe(teacher, augment={"flip": True})
    else:
        save_file({"logits": torch.zeros(2)}, parts(stopped)[0])
    before = [part.read_bytes() for part in parts(stopped)]
    with pytest.raises(InputError, match=r"answers\.safetensors\.parts is left of .*delete"):
        ask(told, faces, stopped, silent, CPU)
    assert [part.read_bytes() for part in parts(stopped)] == before
    assert not stopped.exists()


def test_what_is_kept_already_needs_no_room_again(teacher, faces, stopped, monkeypatch):
    usage = shutil.disk_usage(stopped.parent)
    size = 3 * len(faces) * 15 * 2
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage._replace(free=int(size * 1.4)))
    ask(recipe(teacher), faces, stopped, silent, CPU)
    assert stopped.exists()
    with pytest.raises(InputError, match="twice that while they come, and its disk has"):
        ask(recipe(teacher), faces, stopped, silent, CPU)
