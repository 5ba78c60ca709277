import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mien.data.synthetic import draw_faces
from mien.errors import ConfigError, ModelFileError
from mien.models.weights import load_network, save_network
from mien.recipe import recipe_from_dict
from mien.training.distillation import distance
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


class Silent:
    def __init__(self, stop_after=None):
        self.left = stop_after

    def begin(self, run, trainer): ...

    def batch(self, _progress):
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise StopRequested

    def epoch(self, row): ...


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
    import hashlib

    folder = RunFolder(tmp_path / "student")
    train(recipe(distill={"teacher": str(teacher)}), faces, folder, Silent())
    _, info = load_network(folder.path)
    weights = (teacher / "weights.safetensors").read_bytes()
    assert info.provenance["teacher_sha256"] == hashlib.sha256(weights).hexdigest()
    assert info.provenance["recipe"]["distill"]["teacher"] == "teacher"


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
