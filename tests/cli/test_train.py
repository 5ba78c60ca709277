import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mien.cli import app
from mien.cli.train import _command
from mien.errors import ConfigError, DataError, MissingExtraError, TrainingError
from mien.training.stop import SignalStop

TINY = """
[data]
source = "synthetic:200"
size = 24
[model]
options = { widths = [8], depths = [1] }
[optimizer]
lr = 0.01
[train]
epochs = 1
batch_size = 32
precision = "fp32"
"""


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


def invoke(*words):
    """Run a command; errors that main() would print come out as they are."""
    return CliRunner().invoke(app, ["train", *map(str, words)], catch_exceptions=False)


def fails(*words):
    result = CliRunner().invoke(app, ["train", *map(str, words)])
    assert result.exception is not None
    raise result.exception


def test_a_run_lands_in_runs_under_its_name_and_says_how_it_did(recipe, tmp_path):
    result = invoke(recipe)
    assert result.exit_code == 0
    assert "M parameters, 1 epoch\n" in result.output
    assert "Epoch 1: validation accuracy" in result.output
    assert (tmp_path / "runs/tiny/weights.safetensors").exists()
    rows = (tmp_path / "runs/tiny/metrics.jsonl").read_text().splitlines()
    assert json.loads(rows[0])["epoch"] == 1


def test_names_that_are_no_text_cost_no_run_its_weights(recipe, tmp_path):
    from mien.models.weights import load_network

    named = recipe.rename(tmp_path / os.fsdecode(b"tr\xe8s.toml"))
    assert invoke(named, "--out", "runs/a").exit_code == 0
    _, info = load_network(tmp_path / "runs/a")
    assert (info.name, info.provenance["recipe"]["name"]) == (r"tr\udce8s", r"tr\udce8s")
    assert invoke(named, "--out", "runs/a", "--resume").exit_code == 0


def test_a_run_under_a_name_that_is_no_text_is_refused_before_it_begins(recipe, tmp_path):
    with pytest.raises(TrainingError, match=r"has a name that is no UTF-8.*Choose another --out"):
        fails(recipe, "--out", os.fsdecode(b"runs/\xe8"))
    assert not (tmp_path / "runs").exists()


def test_a_path_with_brackets_is_shown_as_it_is(recipe):
    result = invoke(recipe, "--out", "runs/exp[lr=0.1][/b]")
    assert result.exit_code == 0
    assert "runs/exp[lr=0.1][/b]: " in result.stderr.replace("\n", "")


def test_a_run_from_imagenet_says_what_is_downloaded_and_keeps_it_in_its_record(
    recipe, torchvision, caplog
):
    from mien.models.weights import load_network
    from mien.models.zoo import build_network

    source = build_network("resnet18", num_classes=1000, in_channels=3, seed=1, width=8)
    torchvision["ResNet18_Weights.IMAGENET1K_V1"] = source.state_dict()
    invoke(recipe, "-o", "init=imagenet", "-o", "model={name='resnet18',options={width=8}}")
    assert "torchvision downloads the ImageNet weights ResNet18_Weights" in caplog.text
    _, info = load_network(Path("runs/tiny"))
    assert info.provenance["imagenet"] is True
    assert info.provenance["recipe"]["init"] == "imagenet"


def test_a_second_run_does_not_write_over_the_first(recipe):
    invoke(recipe)
    with pytest.raises(TrainingError, match=r"already holds a run. Go on with it by --resume"):
        fails(recipe)


def test_a_run_stopped_while_its_teacher_answers_says_that_nothing_was_written(
    recipe, tmp_path, monkeypatch
):
    invoke(recipe)
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "cache"))
    words = ("-o", "distill.teacher=runs/tiny", "-o", "distill.sees=original")
    monkeypatch.setattr(SignalStop, "__init__", lambda self: setattr(self, "_signalled", True))
    result = invoke(recipe, "--out", "runs/taught", *words)
    assert result.exit_code == 130
    assert "The teacher answers 164 faces first" in result.output
    assert "Stopped before the first batch; nothing was written" in result.output
    assert not (tmp_path / "runs/taught").exists()


def test_the_command_that_a_stopped_run_names_goes_on_with_it(recipe, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(SignalStop, "__init__", lambda self: setattr(self, "_signalled", True))
        words = ("-o", "optimizer.lr=0.02", "--data", "synthetic:300", "--out", "runs/cut off")
        result = invoke(recipe, *words, "--device", "cpu")
    assert result.exit_code == 130
    assert "--device cpu" in result.output
    told = result.output.partition("the state is saved. Go on with: mien train ")[2]
    assert invoke(*shlex.split(told)).exit_code == 0
    rows = (tmp_path / "runs/cut off/metrics.jsonl").read_text().splitlines()
    assert json.loads(rows[0])["epoch"] == 1


def test_a_finished_run_can_be_resumed_and_changes_nothing(recipe, tmp_path):
    invoke(recipe)
    before = (tmp_path / "runs/tiny/metrics.jsonl").read_text()
    assert invoke(recipe, "--resume").exit_code == 0
    assert (tmp_path / "runs/tiny/metrics.jsonl").read_text() == before


def test_a_run_is_resumed_without_the_weights_that_it_began_with(recipe, tmp_path):
    invoke(recipe)
    (tmp_path / "runs/tiny").rename(tmp_path / "start")
    begun = tmp_path / "begun.toml"
    begun.write_text(
        TINY.replace("[data]", 'init = "start"\n[data]', 1).split("[model]")[0]
        + "[train]"
        + TINY.split("[train]")[1]
    )
    invoke(begun, "--out", "runs/on")
    (tmp_path / "start").rename(tmp_path / "gone")
    assert invoke(begun, "--out", "runs/on", "--resume").exit_code == 0


def test_resuming_with_other_settings_names_them(recipe):
    invoke(recipe)
    with pytest.raises(ConfigError, match=r"begun with other settings \(train\)"):
        fails(recipe, "--resume", "-o", "train.epochs=5")


def test_resuming_with_other_data_is_refused(recipe):
    invoke(recipe)
    with pytest.raises(
        ConfigError, match=r"was begun on other data \(hash .*Give --data as it was"
    ):
        fails(recipe, "--resume", "--data", "synthetic:220")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("run.json", "{"),
        ("run.json", None),
        ("run.json", "[]"),
        ("run.json", "[" * 100_000),
        ("metrics.jsonl", "x}\n"),
        ("metrics.jsonl", '[{}, {"epoch": 1}\n'),
        ("metrics.jsonl", '{"epoch": "1", "seconds": 2.0}\n'),
        ("metrics.jsonl", '{"epoch": 1, "seconds": 2.0, "valid_loss": [1]}\n'),
        ("metrics.jsonl", '{"epoch": 1}\n'),
    ],
)
def test_a_damaged_run_is_named(recipe, name, text):
    invoke(recipe)
    path = Path("runs/tiny") / name
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(TrainingError, match=rf"{name} is missing or damaged"):
        fails(recipe, "--resume")


def test_what_the_end_of_a_run_needs_is_missed_before_it_goes_on(recipe):
    invoke(recipe)
    facts = Path("runs/tiny/run.json")
    facts.write_text(facts.read_text().replace('"machine"', '"computer"'))
    with pytest.raises(TrainingError, match=r"run.json is missing or damaged \(it lacks machine\)"):
        fails(recipe, "--resume")


@pytest.mark.parametrize("damage", [b"\xff", b"seed = " + b"1" * 5000])
def test_a_run_whose_recipe_is_damaged_is_named(recipe, damage):
    invoke(recipe)
    kept = Path("runs/tiny/recipe.toml")
    kept.write_bytes(damage + kept.read_bytes())
    with pytest.raises(ConfigError, match=r"The recipe runs.tiny.recipe.toml (is not|cannot be)"):
        fails(recipe, "--resume")


def test_without_data_it_says_how_to_name_some(recipe):
    with pytest.raises(ConfigError, match=r"Which data.* --data PATH"):
        fails(recipe, "-o", "data.source=")


def test_what_is_to_be_known_of_the_data_is_said_before_training(recipe, tmp_path):
    from mien.data.synthetic import draw_faces
    from mien.images import write

    faces = draw_faces(40, seed=1, size=24)
    for row, label in enumerate(faces.labels):
        split = "valid" if row % 4 == 0 else "train"
        write(tmp_path / "own" / split / faces.label_names[label] / f"{row}.png", faces.images[row])
    (tmp_path / "own/valid/happiness").mkdir()  # another word for happy, so no eighth label
    result = invoke(recipe, "--data", tmp_path / "own")
    assert "note: Folders without pictures: valid/happiness." in result.stderr.splitlines()


def test_data_that_is_not_there_is_named(recipe, tmp_path):
    with pytest.raises(DataError, match=r"nowhere"):
        fails(recipe, "--data", tmp_path / "nowhere")


def test_without_torch_it_names_the_extra(recipe, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "mien.training.run", raising=False)
    with pytest.raises(MissingExtraError, match=r"mien\[train\]"):
        fails(recipe)


def test_the_recorded_command_holds_no_folder_of_the_user(tmp_path):
    assert _command(tmp_path / "a b.toml", ["seed=1"]) == (
        "mien train 'a b.toml' -o seed=1 --data PATH"
    )
    options = [f"init={tmp_path}/first", f'distill.teacher = "{tmp_path}/t.safetensors"']
    told = _command(
        Path("recipes/a.toml"), [*options, "init=runs/first", "data.source=synthetic:9"]
    )
    assert str(tmp_path) not in told
    assert told == (
        "mien train recipes/a.toml -o init=first -o distill.teacher=t.safetensors -o init=runs/first "
        "-o data.source=synthetic:9 --data PATH"
    )


@pytest.mark.slow
def test_a_user_error_is_one_line_and_exit_2(recipe):
    done = subprocess.run(
        [sys.executable, "-m", "mien", "train", str(recipe), "-o", "train.epoch=1"],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "'train.epoch' is no setting. Did you mean epochs?" in done.stderr


@pytest.mark.slow
def test_a_network_that_memory_does_not_hold_is_one_line_and_exit_2(recipe):
    width = "model.options.widths=[10000000]"
    done = subprocess.run(
        [sys.executable, "-m", "mien", "train", str(recipe), "-o", width],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("mien: Memory ran out: ")
    assert "train.batch_size" in done.stderr
    assert not Path("runs").exists()


OWN = {"happy": "smiling", "surprise": "gaping", "angry": "frowning"}


@pytest.fixture
def own_folder(tmp_path):
    """Drawn faces that no other test has seen, under labels of one's own: 12 each to train, 3 each to test."""
    from mien.data.synthetic import draw_faces
    from mien.images import write

    faces = draw_faces(15 * 7, seed=1, size=24)
    for theirs, ours in OWN.items():
        rows = [i for i, label in enumerate(faces.labels) if faces.label_names[label] == theirs]
        for place, row in enumerate(rows):
            folder = tmp_path / "own" / ("train" if place < 12 else "test") / ours
            folder.mkdir(parents=True, exist_ok=True)
            write(folder / f"{row}.png", faces.images[row][:, :, None].repeat(3, axis=2))
    return tmp_path / "own"


@pytest.mark.slow
def test_the_recipe_for_own_labels_takes_over_the_network_of_its_weights(recipe, own_folder):
    from mien.models.weights import load_network

    invoke(recipe)
    shipped = Path(__file__).parents[2] / "recipes/finetune.toml"
    options = ("-o", "init=runs/tiny", "-o", "data.size=24", "-o", "train.epochs=1")
    invoke(shipped, *options, "--data", own_folder, "--out", "own-run")
    _, info = load_network(Path("own-run"))
    assert info.heads[0].labels == ("frowning", "gaping", "smiling")
    assert info.options == {"widths": [8], "depths": [1]}  # of the weights: the recipe names none
    assert json.loads((Path("own-run") / "run.json").read_text())["num_train"] == 30  # of 36
