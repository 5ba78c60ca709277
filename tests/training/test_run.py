import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest
import torch
from run_calls import Silent
from safetensors.torch import load_file

from mien.data.synthetic import draw_faces
from mien.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    DivergedError,
    InputError,
    TrainingError,
)
from mien.models.weights import load_network
from mien.recipe import recipe_from_dict
from mien.training.checkpoint import NAME, PREVIOUS, load_checkpoint, save_checkpoint
from mien.training.replay import Replayed
from mien.training.run import prepare, train
from mien.training.run_folder import RunFolder
from mien.training.stop import StopRequested

TINY = {
    "name": "tiny",
    "model": {"name": "mien_net", "options": {"widths": [8, 16], "depths": [1, 1], "dropout": 0.2}},
    "data": {"size": 24, "valid_fraction": 0.25},
    "heads": [{"labels": "fer2013", "label_smoothing": 0.1}, {"labels": "ferplus"}],
    "optimizer": {"lr": 0.05, "nesterov": True},
    "schedule": {"name": "linear"},
    "augment": {"flip": True, "rotate_deg": 10.0, "erase": 0.5, "mixup": 0.2},
    "train": {"epochs": 3, "batch_size": 32, "precision": "fp32", "ema": 0.9},
}


def tiny(**changes):
    """The tiny recipe with tables changed: tiny(train={"epochs": 1})."""
    tables = {k: {**v, **changes.pop(k, {})} if isinstance(v, dict) else v for k, v in TINY.items()}
    return recipe_from_dict({**tables, **changes}, "tiny")


@pytest.fixture(scope="module")
def faces():
    return draw_faces(240, seed=0, size=24)


@pytest.fixture(scope="module")
def finished(faces, tmp_path_factory):
    """A run that nothing disturbed."""
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "whole")
    reporter = Silent()
    outcome = train(tiny(), faces, folder, reporter, command="mien train tiny.toml")
    return folder, outcome, reporter


def test_a_run_folder_holds_all_that_happened(finished):
    folder, outcome, _ = finished
    names = {path.name for path in folder.path.iterdir()}
    assert names >= {
        "recipe.toml",
        "run.json",
        "metrics.jsonl",
        "weights.safetensors",
        "curves.png",
        "tensorboard",
        "checkpoint.pt",
    }
    assert folder.recipe() == tiny()
    rows = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert set(rows[0]) >= {
        "train_loss",
        "valid_loss",
        "valid_accuracy",
        "valid_accuracy/ferplus",
        "lr",
    }
    assert outcome.last["epoch"] == 3
    assert folder.facts()["command"] == "mien train tiny.toml"


def test_the_weights_carry_their_record_and_score_as_the_run_said(finished, faces):
    folder, outcome, _ = finished
    network, info = load_network(folder.path)
    assert [head.name for head in info.heads] == ["fer2013", "ferplus"]
    assert info.provenance["seed"] == 0
    assert info.provenance["parameters"] == sum(p.numel() for p in network.parameters())
    _, valid = prepare(tiny().data, 0, faces)
    pixels = torch.from_numpy(np.array(valid.images))[:, None].float()
    with torch.inference_mode():
        logits = network((pixels / 255 - info.input.mean) / info.input.std)
    accuracy = (logits[:, :7].argmax(1).numpy() == valid.labels).mean()
    assert accuracy == pytest.approx(outcome.last["valid_accuracy"])
    assert info.provenance["valid_accuracy"] == outcome.last["valid_accuracy"]
    assert info.provenance["collapsed"] is None


@pytest.mark.slow
def test_training_learns_drawn_expressions(tmp_path):
    recipe = tiny(
        model={"options": {"widths": [16, 32], "depths": [1, 1]}},
        train={"epochs": 8, "ema": 0.0, "batch_size": 16},
        augment={"flip": False, "rotate_deg": 0.0, "erase": 0.0, "mixup": 0.0},
    )
    faces = draw_faces(400, seed=0, size=24)
    outcome = train(recipe, faces, RunFolder(tmp_path / "run"), Silent())
    assert outcome.last["valid_accuracy"] > 0.5  # seven classes: chance is 0.14


def test_the_same_seed_gives_the_same_weights(finished, faces, tmp_path):
    again = RunFolder(tmp_path / "again")
    train(tiny(), faces, again, Silent())
    assert_same_weights(finished[0], again)


@pytest.mark.parametrize("stop_after", [2, 4, 7, 11])
def test_a_run_stopped_anywhere_goes_on_bit_exactly(finished, faces, tmp_path, stop_after):
    folder = RunFolder(tmp_path / "cut")
    with pytest.raises(StopRequested):
        train(tiny(), faces, folder, Silent(stop_after))
    train(tiny(), faces, folder, Silent(), resume=True)
    assert_same_weights(finished[0], folder)
    assert without_times(folder) == without_times(finished[0])


class SecondSitting(Silent):
    """Goes on with the run that it hears begin, as another process would."""

    def begin(self, run, trainer):
        super().begin(run, trainer)
        with pytest.raises(TrainingError, match=r"run is being trained by another process\. Wait"):
            train(tiny(), trainer.data, RunFolder(run.path), Silent(), resume=True)


@pytest.mark.parametrize("resume", [False, True])
def test_a_run_is_in_one_process_at_a_time(faces, tmp_path, resume):
    folder = RunFolder(tmp_path / "run")
    if resume:
        with pytest.raises(StopRequested):
            train(tiny(), faces, folder, Silent(4))
    reporter = SecondSitting(2)
    with pytest.raises(StopRequested):
        train(tiny(), faces, folder, reporter, resume=resume)
    train(tiny(), faces, folder, Silent(), resume=True)  # what held it has ended


KILLED = """
import os, signal, sys, threading, time
from pathlib import Path
from mien.cli import main

def kill(file=Path(sys.argv.pop(1))):
    # From within: what holds the run up on a busy machine holds this up too, and it is never over before.
    while not file.exists():
        time.sleep(0.002)
    time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGKILL)

threading.Thread(target=kill, daemon=True).start()
main()
"""


@pytest.mark.slow
def test_a_run_killed_in_the_middle_of_an_epoch_goes_on_bit_exactly(tmp_path):
    recipe = tmp_path / "tiny.toml"
    import tomli_w

    recipe.write_text(tomli_w.dumps(tiny(train={"checkpoint_minutes": 1e-6}).as_dict()))

    def command(name, *more, code="from mien.cli import main; main()", words=()):
        arguments = ["train", str(recipe), "--data", "synthetic:600", "--out", str(tmp_path / name)]
        return [sys.executable, "-c", code, *words, *arguments, *more]

    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(command("whole"), check=True, env=environment, capture_output=True)
    once = [str(tmp_path / "killed" / PREVIOUS)]
    killed = subprocess.run(
        command("killed", code=KILLED, words=once),
        check=False,
        env=environment,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL, "the run ended before it could be killed"
    progress = load_checkpoint(tmp_path / "killed")["progress"]
    assert (progress["epoch"], progress["batch"]) != (3, 0), "it was killed after its end"
    subprocess.run(command("killed", "--resume"), check=True, env=environment, capture_output=True)
    whole, cut = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "killed")
    assert_same_weights(whole, cut)
    assert without_times(cut) == without_times(whole)


def assert_same_weights(one, other):
    ours, theirs = load_file(one.weights), load_file(other.weights)
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name


def without_times(folder):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in folder.rows()]


def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path, caplog):
    save_checkpoint(tmp_path, {"step": 1})
    save_checkpoint(tmp_path, {"step": 2})
    assert load_checkpoint(tmp_path) == {"step": 2}
    (tmp_path / NAME).write_bytes((tmp_path / NAME).read_bytes()[:50])
    assert load_checkpoint(tmp_path) == {"step": 1}
    assert "is damaged and passed over" in caplog.text


def test_a_whole_checkpoint_that_does_not_fit_is_not_called_damaged(tmp_path, monkeypatch, caplog):
    save_checkpoint(tmp_path, {"step": 1})

    def full(*_, **__):
        raise RuntimeError(
            "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
        )

    monkeypatch.setattr(torch, "load", full)
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        load_checkpoint(tmp_path)
    assert caplog.text == ""


def test_a_checkpoint_that_the_disk_does_not_give_is_not_called_damaged(tmp_path):
    (tmp_path / NAME).mkdir()
    with pytest.raises(
        TrainingError, match=r"checkpoint\.pt cannot be read: Is a directory"
    ) as error:
        load_checkpoint(tmp_path)
    assert not isinstance(error.value, CheckpointError)


def test_a_checkpoint_cannot_run_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    torch.save({"x": Evil()}, tmp_path / NAME)
    with pytest.raises(CheckpointError, match=r"holds no checkpoint to resume from"):
        load_checkpoint(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, {"step": 1})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TrainingError, match=r"cannot be written: .*No space left"):
        save_checkpoint(tmp_path, {"step": 2})
    assert load_checkpoint(tmp_path) == {"step": 1}
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_figures_that_cannot_be_written_are_told_in_one_line(tmp_path):
    folder = RunFolder(tmp_path)
    folder.metrics.mkdir()
    folder.tensorboard.write_text("in the way of a folder")
    for write in (lambda: folder.append({"epoch": 1}), lambda: folder.open_tensorboard(0)):
        with pytest.raises(TrainingError, match=r"The run folder .* cannot be written: "):
            write()


def test_what_ended_a_run_is_told_though_its_picture_cannot_be_drawn_either(
    faces, tmp_path, monkeypatch
):
    def full(*_):
        raise TrainingError("The checkpoint cannot be written")

    def no_picture(*_):
        raise InputError("Cannot write curves.png")

    monkeypatch.setattr("mien.training.run.save_checkpoint", full)
    monkeypatch.setattr("mien.training.run.curves", no_picture)
    with pytest.raises(TrainingError, match="The checkpoint cannot be written"):
        train(tiny(train={"epochs": 1}), faces, RunFolder(tmp_path / "run"), Silent())


def test_a_run_goes_on_in_the_precision_that_it_began_in(faces, tmp_path, monkeypatch):
    """Another machine might choose another for ``auto``, and the record would not say so."""
    asked = []

    def choose(name, _device):
        asked.append(name)
        return "fp32"

    monkeypatch.setattr("mien.training.run.choose_precision", choose)
    folder, recipe = RunFolder(tmp_path / "run"), tiny(train={"epochs": 1, "precision": "auto"})
    with pytest.raises(StopRequested):
        train(recipe, faces, folder, Silent(stop_after=1))
    train(recipe, faces, folder, Silent(), resume=True)
    assert asked == ["auto", "fp32"]


def test_resuming_where_nothing_was_begun_says_so(faces, tmp_path):
    with pytest.raises(CheckpointError, match=r"holds no checkpoint to resume from"):
        train(tiny(), faces, RunFolder(tmp_path / "none"), Silent(), resume=True)


def test_a_folder_that_holds_a_run_is_not_written_over(finished, faces):
    with pytest.raises(TrainingError, match=r"already holds a run. Go on with it by --resume"):
        train(tiny(), faces, finished[0], Silent())


def test_a_checkpoint_of_another_network_is_refused(finished, faces):
    other = tiny(model={"options": {"widths": [4, 8], "depths": [1, 1]}})
    with pytest.raises(TrainingError, match=r"The checkpoint is of another network or recipe"):
        train(other, faces, finished[0], Silent(), resume=True)


def test_faces_too_small_for_the_network_are_refused_before_anything_is_written(faces, tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(ConfigError, match=r"^vgg19 cannot read faces of 24 px: "):
        train(
            tiny(model={"name": "vgg19", "options": {"width": 2}}),
            faces,
            RunFolder(folder),
            Silent(),
        )
    assert not folder.exists()


def test_a_diverging_run_says_where_and_what_to_lower(faces, tmp_path):
    recipe = tiny(optimizer={"lr": 1e30, "nesterov": False, "momentum": 0.0})
    with pytest.raises(TrainingError, match=r"has diverged. Lower optimizer.lr \(it is 1e\+30\)"):
        train(recipe, faces, RunFolder(tmp_path / "run"), Silent())


@pytest.mark.parametrize("keep", ["last", "best_loss"])
def test_a_run_that_its_last_step_throws_off_has_diverged_too(faces, tmp_path, keep):
    recipe = tiny(
        optimizer={"lr": 3e38, "nesterov": False, "momentum": 0.0},
        train={"epochs": 1, "batch_size": len(faces), "keep": keep},
    )
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(DivergedError, match=r"no finite numbers after epoch 1: the run has div"):
        train(recipe, faces, folder, Silent())
    assert not folder.weights.exists()
    with pytest.raises(DivergedError, match="after epoch 1"):
        train(recipe, faces, folder, Silent(), resume=True)


def test_a_collapsed_run_names_the_class(faces, tmp_path):
    # Told of one class alone, and asked about all.
    one_class = dataclasses.replace(faces, labels=np.where(faces.split == 0, 3, faces.labels))
    recipe = tiny(heads=[{"labels": "fer2013"}], data={"valid_fraction": 0.0}, train={"epochs": 2})
    reporter = Silent()
    outcome = train(recipe, one_class, RunFolder(tmp_path / "run"), reporter)
    assert outcome.collapsed == "happy"
    assert reporter.rows[-1]["collapsed"] == "happy"
    assert load_network(tmp_path / "run")[1].provenance["collapsed"] == "happy"


def test_short_epochs_are_not_spent_on_writing(faces, tmp_path, monkeypatch):
    saved = []

    def slow_disk(folder, state):
        time.sleep(0.5)
        saved.append(state["progress"]["epoch"])
        save_checkpoint(folder, state)

    monkeypatch.setattr("mien.training.run.save_checkpoint", slow_disk)
    folder = RunFolder(tmp_path / "run")
    train(tiny(train={"epochs": 6}), faces, folder, Silent())
    assert saved[0] == 1
    assert len(saved) < 6
    assert load_checkpoint(folder.path)["progress"]["epoch"] == saved[-1] == 6
    assert [row["epoch"] for row in folder.rows()] == [1, 2, 3, 4, 5, 6]


def test_a_run_that_is_stopped_shows_all_of_its_epochs(faces, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("mien.training.run.curves", lambda rows, *_: drawn.append(len(rows)))
    monkeypatch.setattr("mien.training.run.save_checkpoint", lambda *_: time.sleep(0.5))
    with pytest.raises(StopRequested):  # after three epochs of four batches
        train(tiny(train={"epochs": 6}), faces, RunFolder(tmp_path / "run"), Silent(stop_after=13))
    assert drawn == [1, 3]


def test_a_run_goes_on_from_the_last_epoch_that_was_written(finished, faces, tmp_path):
    whole, _, _ = finished
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(StopRequested):
        train(tiny(), faces, folder, Silent(stop_after=9))
    # Of an epoch whose checkpoint was not written any more.
    folder.append({"epoch": 3, "seconds": 1.0})
    train(tiny(), faces, folder, Silent(), resume=True)
    assert [row["epoch"] for row in folder.rows()] == [1, 2, 3]
    ours, theirs = load_file(folder.weights), load_file(whole.weights)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_early_stopping_stops_after_its_patience(faces, tmp_path):
    # A rate this small never gains a whole nat, so the second epoch is already one too many.
    options = {"epochs": 9, "stop_patience": 1, "stop_min_delta": 1.0}
    recipe = tiny(train=options, optimizer={"lr": 1e-6})
    outcome = train(recipe, faces, RunFolder(tmp_path / "run"), Silent())
    assert outcome.stopped_early
    assert outcome.last["epoch"] == 2


def test_keeping_the_best_keeps_the_weights_of_that_epoch(faces, tmp_path):
    # The rate explodes after two epochs: the last weights are worse than the best ones.
    folder = RunFolder(tmp_path / "run")
    recipe = tiny(train={"epochs": 4, "keep": "best_loss", "ema": 0.0})
    outcome = train(recipe, faces, folder, Silent())
    losses = [row["valid_loss"] for row in folder.rows()]
    assert outcome.last["valid_loss"] == min(losses)


def test_data_without_a_validation_split_says_how_to_hold_one_out(faces, tmp_path):
    bare = dataclasses.replace(faces, split=np.zeros(len(faces), np.uint8))
    recipe = tiny(data={"valid_fraction": 0.0})
    with pytest.raises(DataError, match=r"no validation split.*-o data.valid_fraction=0.2"):
        train(recipe, bare, RunFolder(tmp_path / "run"), Silent())


def test_blank_and_not_face_rows_leave_training_but_never_validation(faces):
    images, votes = faces.images.copy(), faces.votes.copy()
    valid, train_rows = np.flatnonzero(faces.split == 1), np.flatnonzero(faces.split == 0)
    images[[train_rows[0], *valid[:1]]] = 7
    votes[train_rows[1]] = 0
    votes[train_rows[1], -1] = 6
    data = dataclasses.replace(faces, images=images, votes=votes)
    options = tiny(data={"valid_fraction": 0.0, "drop_blank": True, "drop_not_face": 5}).data
    training, validation = prepare(options, 0, data)
    assert len(training) == len(train_rows) - 2
    assert len(validation) == len(valid)


@pytest.mark.parametrize(
    ("left_out", "words"),
    [
        ({"drop_blank": True}, r"Of \d+ training faces none is left"),
        ({}, r"None of \d+ training faces has an answer that the head 'ferplus' could learn"),
    ],
)
def test_a_run_without_anything_to_learn_is_refused_before_it_begins(
    faces, tmp_path, left_out, words
):
    empty = dataclasses.replace(
        faces,
        images=np.zeros_like(faces.images),
        votes=np.where((faces.split == 0)[:, None], 0, faces.votes),
    )
    recipe = tiny(data={"valid_fraction": 0.0, **left_out})
    with pytest.raises(DataError, match=words):
        train(recipe, empty, RunFolder(tmp_path / "run"), Silent())
    assert not (tmp_path / "run").exists()


def test_faces_without_a_target_do_not_count_in_the_training_accuracy(faces, tmp_path):
    labels = faces.labels.copy()
    labels[(faces.split == 0) & (np.arange(len(faces)) % 3 > 0)] = -1
    some = dataclasses.replace(faces, labels=labels)
    options = {
        "data": {"valid_fraction": 0.0},
        "augment": {"mixup": 0.0, "flip": False, "rotate_deg": 0.0, "erase": 0.0},
        "train": {"epochs": 60, "ema": 0.0, "batch_size": 180},
        "optimizer": {"lr": 0.1},
    }
    outcome = train(tiny(**options), some, RunFolder(tmp_path / "run"), Silent())
    assert outcome.last["train_accuracy"] > 0.5  # of a third, which is all that could be learnt


def test_a_run_goes_on_without_the_weights_that_it_began_with(faces, finished, tmp_path):
    begun = RunFolder(tmp_path / "begun")
    start = tmp_path / "start.safetensors"
    start.write_bytes(finished[0].weights.read_bytes())
    recipe = dataclasses.replace(tiny(), init=str(start))
    with pytest.raises(StopRequested):
        train(recipe, faces, begun, Silent(stop_after=3))
    start.unlink()
    outcome = train(recipe, faces, begun, Silent(), resume=True)
    assert outcome.last["epoch"] == 3


def test_a_shortened_run_trains_and_validates_on_so_many_faces_and_no_others(faces, tmp_path):
    folder = RunFolder(tmp_path / "run")
    recipe = tiny(data={"valid_fraction": 0.0, "limit": 40, "valid_limit": 9}, train={"epochs": 1})
    outcome = train(recipe, faces, folder, Silent())
    assert (folder.facts()["num_train"], folder.facts()["num_valid"]) == (40, 9)
    right = outcome.last["valid_accuracy"] * 9
    assert right == pytest.approx(round(right))


def test_merged_copies_are_of_training_faces_only_and_of_those_that_are_used(faces):
    options = {"valid_fraction": 0.25, "limit": 40}
    plain, held_out = prepare(tiny(data=options).data, 3, faces)
    merged = tiny(data={**options, "merge_flip": True, "merge_rotate_deg": 20.0}).data
    training, validation = prepare(merged, 3, faces)
    assert len(training) == 3 * len(plain) == 120
    np.testing.assert_array_equal(training.images[:40], plain.images)
    np.testing.assert_array_equal(training.images[40:80], plain.images[:, :, ::-1])
    np.testing.assert_array_equal(training.labels, np.tile(plain.labels, 3))
    np.testing.assert_array_equal(validation.images, held_out.images)
    turned = training.images[80:]
    assert not (turned == plain.images).all()
    np.testing.assert_array_equal(prepare(merged, 3, faces)[0].images[80:], turned)
    assert not (prepare(merged, 4, faces)[0].images[80:] == turned).all()


def test_a_limit_draws_by_the_seed_and_keeps_the_order(faces):
    options = tiny(data={"valid_fraction": 0.0, "limit": 40, "valid_limit": 9}).data
    pixels = [
        prepare(options, seed, faces)[0].images.reshape(40, -1).astype(int).sum(axis=1)
        for seed in (0, 0, 1)
    ]
    assert pixels[0].tolist() == pixels[1].tolist() != pixels[2].tolist()
    rows = faces.images[faces.split == 0]
    whole = rows.reshape(len(rows), -1).astype(int).sum(axis=1).tolist()
    places = [whole.index(total) for total in pixels[0]]
    assert places == sorted(places)


def test_a_network_of_fixed_size_is_built_for_the_faces_it_gets(faces, tmp_path):
    folder = RunFolder(tmp_path / "run")
    model = {"name": "mlp", "options": {"width": 16}}
    tables = {**TINY, "model": model, "train": {"epochs": 1, "batch_size": 32, "precision": "fp32"}}
    train(recipe_from_dict(tables, "mlp"), faces, folder, Silent())
    _, info = load_network(folder.path)
    assert info.options["input_size"] == info.input.size == 24


@pytest.mark.parametrize(("epochs", "sides"), [(3, [16, 20, 24]), (2, [20, 24]), (1, [24])])
def test_small_sizes_come_first_and_the_models_own_last(
    faces, tmp_path, monkeypatch, epochs, sides
):
    seen = []

    class Noted(Replayed):
        def __call__(self, inputs):
            seen.append(inputs.shape[-1])
            return super().__call__(inputs)

    monkeypatch.setattr("mien.training.loop.Replayed", Noted)
    recipe = tiny(train={"sizes": [16, 20, 24], "epochs": epochs})
    train(recipe, faces, RunFolder(tmp_path / "run"), Silent())
    assert seen == sorted(seen)
    assert Counter(seen) == dict.fromkeys(sides, len(seen) // epochs)
