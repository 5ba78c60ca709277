import json
import os
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from run_calls import Silent
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from student_recipe import TABLES, recipe, silent

from mien.errors import ConfigError, InputError, ModelFileError
from mien.models.weights import load_network, save_network
from mien.training.answers_file import load_answers
from mien.training.asking import ask
from mien.training.distillation import Teacher
from mien.training.run import prepare, train
from mien.training.run_folder import RunFolder
from mien.training.seen_faces import SeenFaces
from mien.training.start import input_spec
from mien.training.stop import StopRequested

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def answers(teacher, faces, tmp_path_factory):
    out = tmp_path_factory.mktemp("answers") / "answers.safetensors"
    ask(recipe(teacher), faces, out, silent, CPU)
    return out


@pytest.mark.parametrize("epoch", [0, 2])
def test_each_answer_is_the_teacher_s_to_the_face_as_that_epoch_changes_it(
    teacher, answers, faces, epoch
):
    told = recipe(teacher)
    network, info = load_network(teacher)
    seen = SeenFaces(told, input_spec(told), faces, CPU)
    seen.begin(epoch)
    rows = torch.tensor([5, 1, 40])
    with torch.no_grad():
        expected = network(seen(rows))
    assert expected.shape == (3, sum(len(head.labels) for head in info.heads))
    kept = load_answers(answers, recipe(answers), faces)
    torch.testing.assert_close(kept(torch.empty(0), rows, epoch), expected, atol=2e-3, rtol=2e-3)


def test_a_student_of_the_file_learns_what_a_student_of_the_teacher_learns(
    data, teacher, answers, tmp_path
):
    rows = []
    for name, source in (("beside", teacher), ("from-file", answers)):
        folder = RunFolder(tmp_path / name)
        train(recipe(source), data, folder, Silent())
        rows.append(folder.rows()[-1])
    assert rows[0]["train_loss"] == pytest.approx(rows[1]["train_loss"], rel=1e-3)
    alone = RunFolder(tmp_path / "alone")
    train(recipe(), data, alone, Silent())
    assert alone.rows()[-1]["train_loss"] != pytest.approx(rows[1]["train_loss"], rel=1e-2)


def test_the_record_names_the_teacher_that_answered_and_not_the_file(
    data, teacher, answers, tmp_path
):
    folders = [RunFolder(tmp_path / name) for name in ("beside", "from-file")]
    for folder, source in zip(folders, (teacher, answers), strict=True):
        train(recipe(source), data, folder, Silent())
    hashes = {load_network(folder.path)[1].provenance["teacher_sha256"] for folder in folders}
    assert len(hashes) == 1
    assert None not in hashes


def test_a_run_goes_on_bit_exactly(data, answers, tmp_path):
    whole, cut = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "cut")
    train(recipe(answers), data, whole, Silent())
    with pytest.raises(StopRequested):
        train(recipe(answers), data, cut, Silent(stop_after=6))
    train(recipe(answers), data, cut, Silent(), resume=True)
    ours, theirs = (load_file(folder.weights) for folder in (whole, cut))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_file_whose_name_is_no_text_teaches(data, answers, tmp_path):
    named = tmp_path / os.fsdecode(b"answers\xff.safetensors")
    shutil.copy(answers, named)
    folder = RunFolder(tmp_path / "student")
    train(recipe(named), data, folder, Silent())
    assert load_network(folder.path)[1].provenance["teacher_sha256"]


def test_a_file_that_is_written_over_does_not_change_the_answers_of_a_run(answers, faces, tmp_path):
    copied = tmp_path / "answers.safetensors"
    shutil.copy(answers, copied)
    teacher, rows = load_answers(copied, recipe(copied), faces), torch.arange(len(faces))
    before = teacher(torch.empty(0), rows, 0).clone()
    with copied.open("r+b") as file:
        file.write(bytes(copied.stat().st_size))
    assert torch.equal(teacher(torch.empty(0), rows, 0), before)


def test_imagenet_is_remembered_through_the_file(teacher, faces, tmp_path):
    network, info = load_network(teacher)
    begun = tmp_path / "begun.safetensors"
    save_network(begun, network, replace(info, provenance={**info.provenance, "imagenet": True}))
    out = tmp_path / "answers.safetensors"
    ask(recipe(begun), faces, out, silent, CPU)
    assert load_answers(out, recipe(out), faces).from_imagenet


def test_a_shorter_run_learns_from_the_first_epochs(teacher, faces, tmp_path):
    one_size = {**TABLES["train"], "sizes": []}
    out = tmp_path / "answers.safetensors"
    ask(recipe(teacher, train=one_size), faces, out, silent, CPU)
    short = recipe(out, train={**one_size, "epochs": 2})
    rows = torch.arange(5)
    kept = load_file(out)["logits"]
    assert torch.equal(
        load_answers(out, short, faces)(torch.empty(0), rows, 1), kept[1, :5].float()
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 4}, "drawn with another seed, of other training data"),  # another validation part
        ({"augment": {"flip": True}}, r"changed otherwise \(\[augment\]\)"),
        ({"heads": [{"labels": "fer2013"}]}, "under other labels"),
        ({"train": {**TABLES["train"], "sizes": [24]}}, r"of other sizes \(train.sizes, shared"),
        (
            {"train": {**TABLES["train"], "epochs": 2}},  # half of two is not half of three
            r"of other sizes \(train.sizes, shared out over train.epochs\)",
        ),
        (
            {"train": {**TABLES["train"], "epochs": 6}},
            r"in 3 epochs where the run has 6 \(train.epochs\)",
        ),
        ({"model": {**TABLES["model"], "channels": 3}}, "with other channels"),
        ({"data": {**TABLES["data"], "limit": 50}}, "of other training data"),
    ],
)
def test_answers_to_something_else_are_refused(data, answers, changes, words):
    told = recipe(answers, **changes)
    faces, _ = prepare(told.data, told.seed, data)
    with pytest.raises(ConfigError, match=f"answers to faces .*{words}.*Have `mien ask` write"):
        load_answers(answers, told, faces)


def test_faces_that_are_mixed_have_no_kept_answer(teacher, answers, faces, tmp_path):
    mixed = {"augment": {**TABLES["augment"], "mixup": 0.2}}
    with pytest.raises(ConfigError, match="makes one face of two"):
        load_answers(answers, recipe(answers, **mixed), faces)
    out = tmp_path / "mixed.safetensors"
    with pytest.raises(ConfigError, match="makes one face of two"):
        ask(recipe(teacher, **mixed), faces, out, silent, CPU)
    assert not out.exists()


def test_answers_are_no_network(answers, faces, tmp_path):
    words = "holds what a teacher answered to `mien ask`, and no network.*Expected weights"
    with pytest.raises(ModelFileError, match=words):
        load_network(answers)
    with pytest.raises(ModelFileError, match=words):
        ask(recipe(answers), faces, tmp_path / "out", silent, CPU)


def test_a_file_that_is_not_there_may_have_been_either(data, tmp_path):
    missing = tmp_path / "answers.safetensors"
    with pytest.raises(ModelFileError, match=r"no file .*answers\.safetensors.*mien ask wrote"):
        train(recipe(missing), data, RunFolder(tmp_path / "run"), Silent())
    assert not (tmp_path / "run").exists()


def test_answers_to_changed_faces_are_none_to_the_originals(answers, faces):
    told = recipe(distill={"teacher": str(answers), "sees": "original"})
    with pytest.raises(ConfigError, match=r'distill.sees is "original". Leave distill.sees out'):
        load_answers(answers, told, faces)


def test_answers_too_large_for_half_precision_are_not_written(teacher, faces, tmp_path):
    network, info = load_network(teacher)
    network.head.bias.data[3] = 1e5
    loud, out = tmp_path / "loud.safetensors", tmp_path / "answers.safetensors"
    save_network(loud, network, info)
    with pytest.raises(InputError, match="numbers that half precision does not hold"):
        ask(recipe(loud), faces, out, silent, CPU)
    assert not out.exists()


@pytest.mark.parametrize("what", ["disk", "memory"])
def test_answers_that_have_no_room_are_not_asked_for(teacher, faces, tmp_path, monkeypatch, what):
    free = 5e6 if what == "disk" else 1e18
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=free))
    told = recipe(teacher, train={**TABLES["train"], "epochs": 10**9})
    end = "its disk has 5.0 MB left" if what == "disk" else "memory has not so much left"
    with pytest.raises(
        InputError,
        match=f"would take 2,940,000.0 MB .* 98 faces in 1,000,000,000 epochs, twice .*, and {end}",
    ):
        ask(told, faces, tmp_path / "new" / "answers.safetensors", silent, CPU)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("cut", "not fully covered"),
        ("no record", "'record' is missing"),
        ("deep record", "it is nested too deeply"),
        ("epochs", r"its answers are \(2, 98, 15\), expected \(3, 98, 15\)"),
        ("faces", r"its answers are \(3, 50, 15\), expected \(3, 98, 15\)"),
        ("labels", r"its answers are \(3, 98, 7\), expected \(3, 98, 15\)"),
        ("numbers", "some of its answers are no finite numbers"),
        ("layout", "its layout is 2, expected 1"),
        ("no teacher", "'teacher_sha256' is missing"),
    ],
)
def test_a_damaged_file_is_one_line(answers, faces, tmp_path, what, words):
    path = tmp_path / "damaged.safetensors"
    with safe_open(answers, framework="pt") as file:
        header, logits = file.metadata(), file.get_tensor("logits").clone()
    shapes = {"epochs": (2, 98, 15), "faces": (3, 50, 15), "labels": (3, 98, 7)}
    if what in shapes:
        epochs, rows, total = shapes[what]
        logits = logits[:epochs, :rows, :total]
    elif what == "no record":
        del header["record"]
    elif what == "deep record":
        header["record"] = "[" * 100_000
    elif what == "numbers":
        logits[1, 5, 3] = torch.inf
    elif what == "layout":
        header["mien_answers"] = "2"
    elif what == "no teacher":
        record = json.loads(header["record"])
        del record["teacher_sha256"]
        header["record"] = json.dumps(record)
    save_file({"logits": logits.contiguous()}, path, header)
    if what == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=f"is no whole file of `mien ask`: .*{words}") as caught:
        load_answers(path, recipe(path), faces)
    assert "\n" not in str(caught.value)


def test_a_teacher_answers_the_same_whether_its_answers_were_kept_for_all_epochs_or_each():
    one, each = torch.zeros(1, 4, 2), torch.arange(24.0).reshape(3, 4, 2)
    rows = torch.tensor([3, 0])
    assert torch.equal(Teacher("", recorded=one)(torch.empty(0), rows, 2), one[0, [3, 0]])
    assert torch.equal(Teacher("", recorded=each)(torch.empty(0), rows, 2), each[2, [3, 0]])
