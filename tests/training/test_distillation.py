import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from run_calls import Silent
from safetensors.torch import load_file

from mien.data.synthetic import draw_faces
from mien.errors import ConfigError, ModelFileError, TrainingError
from mien.models.weights import find_weights, load_network, save_network
from mien.models.zoo import build_network
from mien.preprocess import InputSpec, to_inputs
from mien.recipe import DistillOptions, recipe_from_dict
from mien.training.asking import ask
from mien.training.distillation import Teacher, distance
from mien.training.run import train
from mien.training.run_folder import RunFolder
from mien.training.stop import StopRequested

NETWORK = {"name": "mien_net", "options": {"widths": [8, 16], "depths": [1, 1], "order": "post"}}


def recipe(name="student", **changes):
    tables = {
        "name": name,
        "model": NETWORK,
        "data": {"size": 24, "valid_fraction": 0.25},
        "heads": [{"labels": "fer2013"}, {"labels": "ferplus"}],
        "optimizer": {"lr": 0.05},
        "train": {"epochs": 2, "batch_size": 32, "precision": "fp32", "ema": 0.9},
    }
    return recipe_from_dict({**tables, **changes}, name)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def faces():
    return draw_faces(200, seed=0, size=24)


@pytest.fixture(scope="module")
def teacher(faces, tmp_path_factory):
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "teacher")
    train(recipe("teacher", train={"epochs": 3, "batch_size": 32}), faces, folder, Silent())
    return folder.path


def test_the_distance_is_hintons():
    student = torch.tensor([[2.0, 0.0], [0.0, 0.0]])
    teacher = torch.tensor([[0.0, 0.0], [0.0, 4.0]])
    t = 2.0
    p = np.array([[0.5, 0.5], [1 / (1 + np.exp(2)), np.exp(2) / (1 + np.exp(2))]])
    q = np.array([[np.e / (np.e + 1), 1 / (np.e + 1)], [0.5, 0.5]])
    expected = (p * np.log(p / q)).sum(axis=1).mean() * t**2
    assert float(distance(student, teacher, t)) == pytest.approx(expected, rel=1e-6)
    assert float(distance(teacher, teacher, t)) == pytest.approx(0, abs=1e-7)


@pytest.mark.slow
def test_a_student_follows_its_teacher_and_not_the_labels(faces, teacher, tmp_path):
    network, info = load_network(teacher)
    network.head.bias.data[3] += 8  # happy, whatever it sees
    stubborn = tmp_path / "stubborn.safetensors"
    save_network(stubborn, network, info)
    answers = {}
    for name, distill in (("alone", {}), ("taught", {"teacher": str(stubborn), "weight": 1.0})):
        folder = RunFolder(tmp_path / name)
        outcome = train(recipe(name, seed=5, distill=distill), faces, folder, Silent())
        answers[name] = outcome.collapsed
    assert answers == {"alone": None, "taught": "happy"}


def test_the_record_names_the_teacher_by_its_hash_and_without_its_folder(faces, teacher, tmp_path):
    folder = RunFolder(tmp_path / "student")
    train(recipe(distill={"teacher": str(teacher)}), faces, folder, Silent())
    _, info = load_network(folder.path)
    weights = (teacher / "weights.safetensors").read_bytes()
    assert info.provenance["teacher_sha256"] == hashlib.sha256(weights).hexdigest()
    assert info.provenance["recipe"]["distill"]["teacher"] == "teacher"


@pytest.mark.slow
@pytest.mark.parametrize("sees", ["same", "original"])
def test_imagenet_is_remembered_through_a_teacher(faces, teacher, tmp_path, sees):
    network, info = load_network(teacher)
    assert not info.from_imagenet
    file = tmp_path / "begun-with-imagenet.safetensors"
    save_network(file, network, replace(info, provenance={**info.provenance, "imagenet": True}))
    told = recipe(distill={"teacher": str(file), "sees": sees})
    outcome = train(told, faces, RunFolder(tmp_path / "student"), Silent())
    _, info = load_network(outcome.folder)
    assert info.from_imagenet


@pytest.mark.slow
def test_a_run_with_a_teacher_resumes_bit_exactly_and_only_with_the_same_teacher(
    faces, teacher, tmp_path
):
    told = recipe(distill={"teacher": str(teacher)})
    whole, cut = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "cut")
    train(told, faces, whole, Silent())
    with pytest.raises(StopRequested):
        train(told, faces, cut, Silent(stop_after=3))
    train(told, faces, cut, Silent(), resume=True)
    ours, theirs = (load_file(folder.weights) for folder in (whole, cut))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    with pytest.raises(ConfigError, match="learned from a teacher with other weights"):
        train(recipe(distill={"teacher": str(whole.path)}), faces, cut, Silent(), resume=True)


@pytest.fixture(scope="module")
def model_file(teacher, tmp_path_factory):
    from mien.exporting.onnx import export_onnx

    network, info = load_network(teacher)
    path = tmp_path_factory.mktemp("models") / "teacher.onnx"
    export_onnx(network, info, path)
    return path


@pytest.mark.parametrize("where", ["run", "file"])
def test_a_teacher_of_originals_answers_each_face_and_its_mirror_once(
    faces, teacher, model_file, where
):
    network, info = load_network(teacher)
    how = DistillOptions(teacher=str({"run": teacher, "file": model_file}[where]), sees="original")
    labels = [head.labels for head in info.heads]
    asked = Teacher.load(how, labels, info.input, faces)
    rows = torch.tensor([7, 2, 7])
    got = asked(torch.zeros(3, 1, 24, 24), rows)
    seen = torch.from_numpy(to_inputs(faces.images[rows.numpy()], info.input))
    with torch.no_grad():
        expected = (network.eval()(seen) + network(seen.flip(3))) / 2
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


def test_a_teacher_of_colours_is_asked_about_grey_faces(faces, tmp_path):
    told = recipe(
        model={**recipe().as_dict()["model"], "channels": 3}, train={"epochs": 1, "batch_size": 32}
    )
    train(told, faces, RunFolder(tmp_path / "colours"), Silent())
    network, info = load_network(tmp_path / "colours")
    how = DistillOptions(teacher=str(tmp_path / "colours"), sees="original")
    asked = Teacher.load(how, [head.labels for head in info.heads], info.input, faces)
    seen = torch.from_numpy(to_inputs(faces.images[:2, :, :, None].repeat(3, axis=3), info.input))
    with torch.no_grad():
        expected = (network.eval()(seen) + network(seen.flip(3))) / 2
    torch.testing.assert_close(asked(seen, torch.arange(2)), expected, rtol=1e-4, atol=1e-4)


def recorded(teacher, faces, hear=lambda _answered, _of: None):
    _, info = load_network(teacher)
    how = DistillOptions(teacher=str(teacher), sees="original")
    asked = Teacher.load(how, [head.labels for head in info.heads], info.input, faces, hear)
    return asked(torch.empty(0), torch.arange(len(faces)))


def test_a_teacher_is_asked_once_for_the_same_faces(faces, teacher):
    heard = []
    first = recorded(teacher, faces, lambda *figures: heard.append(figures))
    assert heard == [(0, 200), (200, 200)]
    again = recorded(teacher, faces, lambda *_: pytest.fail("was asked again"))
    assert torch.equal(first, again)


def test_other_faces_or_another_teacher_are_not_taken_for_the_same(faces, teacher, tmp_path):
    recorded(teacher, faces)
    asked = []
    recorded(teacher, faces.take(np.arange(100)), lambda *figures: asked.append(figures))
    network, info = load_network(teacher)
    network.head.bias.data += 1
    other = tmp_path / "other.safetensors"
    save_network(other, network, info)
    recorded(other, faces, lambda *figures: asked.append(figures))
    assert asked == [(0, 100), (100, 100), (0, 200), (200, 200)]


def test_damaged_answers_are_asked_for_again(faces, teacher, cache):
    first = recorded(teacher, faces)
    (kept,) = (cache / "teachers").iterdir()
    kept.write_bytes(kept.read_bytes()[:-1])
    assert torch.equal(recorded(teacher, faces), first)
    assert kept.stat().st_size > first.nbytes


def test_without_room_for_the_answers_a_teacher_answers_all_the_same(faces, teacher, cache, caplog):
    cache.write_text("no folder")
    assert recorded(teacher, faces).shape == (200, 15)
    assert "The teacher's answers could not be kept" in caplog.text


def test_a_run_can_be_stopped_while_its_teacher_answers(faces, teacher, tmp_path, cache):
    class Hasty(Silent):
        def teacher(self, _num_answered, _num_faces):
            raise StopRequested

    told = recipe(distill={"teacher": str(teacher), "sees": "original"})
    folder = RunFolder(tmp_path / "student")
    with pytest.raises(StopRequested):
        train(told, faces, folder, Hasty())
    assert not folder.is_begun
    assert not (cache / "teachers").exists()


def test_a_teacher_is_not_asked_where_a_run_is_already(faces, teacher):
    class Asked(Silent):
        def teacher(self, _num_answered, _num_faces):
            pytest.fail("was asked")

    told = recipe(distill={"teacher": str(teacher), "sees": "original"})
    with pytest.raises(TrainingError, match="already holds a run"):
        train(told, faces, RunFolder(teacher), Asked())


def test_a_teacher_sees_pixels_as_it_was_trained_on_them(faces, teacher, tmp_path):
    network, info = load_network(teacher)
    plain = InputSpec(size=24, mean=0.0, std=1.0)
    other = tmp_path / "other.safetensors"
    save_network(other, network, replace(info, input=plain))
    labels = [head.labels for head in info.heads]
    asked = Teacher.load(DistillOptions(teacher=str(other)), labels, info.input, faces)
    as_student = torch.from_numpy(to_inputs(faces.images[:4], info.input))
    got = asked(as_student, torch.arange(4))
    with torch.no_grad():
        expected = network.eval()(torch.from_numpy(to_inputs(faces.images[:4], plain)))
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


def test_an_onnx_teacher_cannot_see_changed_faces(faces, model_file, tmp_path):
    with pytest.raises(ConfigError, match=r'is an ONNX file.*distill\.sees = "original"'):
        train(
            recipe(distill={"teacher": str(model_file)}), faces, RunFolder(tmp_path / "o"), Silent()
        )


def test_a_teacher_that_cannot_read_what_its_student_is_shown_is_refused(faces, teacher, tmp_path):
    _, info = load_network(teacher)
    options = {"input_size": 24, "width": 8}
    file, folder = tmp_path / "mlp.safetensors", tmp_path / "student"
    save_network(
        file,
        build_network("mlp", num_classes=15, **options),
        replace(info, architecture="mlp", options=options),
    )
    told = recipe(distill={"teacher": str(file)}, train={"epochs": 2, "sizes": [16, 24]})
    with pytest.raises(ConfigError, match=r"distill\.teacher: .*mlp.* cannot read faces of 16 px"):
        train(told, faces, RunFolder(folder), Silent())
    with pytest.raises(ConfigError, match=r"distill\.teacher: .*mlp.* cannot read faces of 16 px"):
        ask(told, faces, tmp_path / "answers.safetensors", lambda *_: None, torch.device("cpu"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlp.safetensors"]
    shown_one = recipe(distill={"teacher": str(file)}, train={"epochs": 1, "sizes": [16, 24]})
    train(shown_one, faces, RunFolder(folder), Silent())


def test_a_model_that_ships_with_its_weights_sees_changed_faces(faces):
    file = find_weights("mien-s")
    _, info = load_network(file)
    labels = [head.labels for head in info.heads]
    teacher = Teacher.load(DistillOptions(teacher="mien-s"), labels, info.input, faces)
    assert teacher.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(ConfigError, match="mien-m is an ONNX file"):  # it ships without
        Teacher.load(DistillOptions(teacher="mien-m"), labels, info.input, faces)


def test_answers_to_originals_do_not_go_with_mixed_faces():
    with pytest.raises(ConfigError, match="mixup mixes faces"):
        recipe(distill={"teacher": "mien-s", "sees": "original"}, augment={"mixup": 0.2})


@pytest.mark.slow
def test_a_student_learns_from_an_onnx_file(faces, model_file, tmp_path):
    told = recipe(distill={"teacher": str(model_file), "sees": "original", "weight": 1.0})
    folder = RunFolder(tmp_path / "student")
    outcome = train(told, faces, folder, Silent())
    assert outcome.collapsed is None
    _, info = load_network(folder.path)
    assert info.provenance["teacher_sha256"] == hashlib.sha256(model_file.read_bytes()).hexdigest()


def test_a_teacher_with_other_answers_or_input_is_refused(faces, teacher, tmp_path):
    with pytest.raises(ConfigError, match=r"answers with \(angry, .*\) and \(neutral"):
        train(
            recipe(heads=[{"labels": "ferplus"}], distill={"teacher": str(teacher)}),
            faces,
            RunFolder(tmp_path / "other"),
            Silent(),
        )
    small = draw_faces(100, seed=0, size=16)
    with pytest.raises(ConfigError, match=r"takes .*'size': 24.*, the student .*'size': 16"):
        train(
            recipe(data={"size": 16, "valid_fraction": 0.25}, distill={"teacher": str(teacher)}),
            small,
            RunFolder(tmp_path / "small"),
            Silent(),
        )
    with pytest.raises(ModelFileError, match="no trainable weights at nowhere"):
        train(recipe(distill={"teacher": "nowhere"}), faces, RunFolder(tmp_path / "none"), Silent())
