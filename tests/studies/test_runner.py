"""Whole studies on drawn faces, with networks small enough to train in a blink."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter

import pytest
from study_calls import Silent, run_study

from mien.errors import TrainingError
from mien.evaluation.evaluate import evaluate
from mien.evaluation.scored_model import open_scored_model
from mien.runtime import commit, machine
from mien.studies.ledger import Ledger, open_ledger
from mien.studies.reading import load_design
from mien.studies.runner import execute, where_trained
from mien.studies.summary import summarise
from mien.training.stop import StopRequested


@pytest.mark.slow
def test_stopped_anywhere_and_started_again_it_ends_with_the_same_table(
    write_study_file, faces, tmp_path
):
    path = write_study_file()
    whole = run_study(path, faces, tmp_path / "whole")
    assert [(p.label, len(p.runs)) for p in whole.points] == [("relu", 2), ("tanh", 2)]
    assert whole.missing == 0
    for stop_after in (5, 7, 40):  # in the first run's first epoch, again, in a later run
        with pytest.raises(StopRequested):
            run_study(path, faces, tmp_path / "cut", Silent(stop_after))
    watcher = Silent()
    assert run_study(path, faces, tmp_path / "cut", watcher) == whole
    assert not list((tmp_path / "cut").rglob("checkpoint*.pt"))
    nothing = Silent()
    assert run_study(path, faces, tmp_path / "cut", nothing) == whole
    assert nothing.ended == []


@pytest.mark.slow
def test_a_run_that_was_cut_off_goes_on_where_it_was(write_study_file, faces, tmp_path):
    path, whole, rest = write_study_file(), Silent(), Silent()
    run_study(path, faces, tmp_path / "whole", whole)
    with pytest.raises(StopRequested):
        run_study(path, faces, tmp_path / "cut", Silent(20))
    run_study(path, faces, tmp_path / "cut", rest)
    assert rest.batches <= whole.batches - 19


@pytest.mark.slow
def test_a_run_on_the_network_of_other_weights_goes_on_where_it_was(
    write_study_file, faces, tmp_path
):
    path = write_study_file()
    study = path.read_text().replace("[0, 1]", "[0]")
    study = study.replace("model.options.activation", "data.valid_limit")
    study = study.replace('["relu", "tanh"]', "[0, 50]")
    recipe = path.with_name("base.toml").read_text()
    run_study(write_study_file(study), faces, tmp_path / "first")
    start = f'init = "{tmp_path / "first/runs/0000-seed0"}"\n'
    model = recipe[recipe.index("[model]") : recipe.index("[optimizer]")]
    path, epochs = write_study_file(study, start + recipe.replace(model, "")), []
    with pytest.raises(StopRequested):
        run_study(path, faces, tmp_path / "cut", Silent(20))
    watcher = Silent()
    watcher.begin = lambda run: epochs.append(run.epochs)
    cut = run_study(path, faces, tmp_path / "cut", watcher)
    assert epochs == [2, 0]
    assert cut == run_study(path, faces, tmp_path / "whole")


@pytest.mark.slow
def test_a_run_whose_state_is_elsewhere_begins_and_says_so(write_study_file, faces, tmp_path):
    path, folder, rest = write_study_file(), tmp_path / "cut", Silent()
    with pytest.raises(StopRequested):
        run_study(path, faces, folder, Silent(20))
    shutil.rmtree(folder / "runs")
    rest.begin = lambda run: rest.begun.append(run.epochs)
    run_study(path, faces, folder, rest)
    assert rest.begun == [0, 0, 0, 0]


@pytest.mark.slow
def test_nothing_is_pruned_after_its_last_epoch(write_study_file, faces, tmp_path, monkeypatch):
    monkeypatch.setattr(Ledger, "report", lambda *_: True)
    for epochs in (1, 2):
        watcher = Silent()
        options = [f"train.epochs={epochs}"]
        run_study(write_study_file(), faces, tmp_path / str(epochs), watcher, options)
        states = {state for *_, state in watcher.ended}
        assert ("pruned" in states) is (epochs > 1), states


@pytest.mark.slow
def test_a_checkpoint_of_another_recipe_is_not_gone_on_with(write_study_file, faces, tmp_path):
    """Runs are called by number and seed, so that a folder that lost its journal holds other runs under the same names."""
    path = write_study_file()
    with pytest.raises(StopRequested):
        run_study(path, faces, tmp_path / "cut", Silent(5))
    assert list((tmp_path / "cut").rglob("checkpoint*.pt"))
    (tmp_path / "cut" / "journal.jsonl").unlink()
    again = run_study(path, faces, tmp_path / "cut", options=["optimizer.lr=0.01"])
    assert again == run_study(path, faces, tmp_path / "whole", options=["optimizer.lr=0.01"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["run.json", "metrics.jsonl"])
def test_a_run_whose_record_is_damaged_begins_anew(write_study_file, faces, tmp_path, name):
    path = write_study_file()
    with pytest.raises(StopRequested):
        run_study(path, faces, tmp_path / "cut", Silent(20))
    (tmp_path / "cut/runs/0000-seed0" / name).write_text("x}")
    assert run_study(path, faces, tmp_path / "cut") == run_study(path, faces, tmp_path / "whole")


@pytest.mark.slow
def test_a_run_whose_checkpoints_are_all_damaged_begins_anew(
    write_study_file, faces, tmp_path, caplog
):
    path = write_study_file()
    with pytest.raises(StopRequested):
        run_study(path, faces, tmp_path / "cut", Silent(20))
    damaged = list((tmp_path / "cut").rglob("checkpoint*.pt"))
    for checkpoint in damaged:
        checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    assert run_study(path, faces, tmp_path / "cut") == run_study(path, faces, tmp_path / "whole")
    assert damaged
    assert "has nothing left to go on from and begins anew" in caplog.text


FAILING = """
question = "What breaks?"
base = "base.toml"
design = "one_at_a_time"
seeds = [0]
[[factors]]
name = "how"
[factors.levels]
"base" = { "model.options.width" = 16 }
"collapsing" = { "model.options.width" = 16, "optimizer.lr" = 10.0 }
"diverging" = { "optimizer.name" = "sgd", "optimizer.lr" = 1e30 }
"at its end" = { "optimizer.name" = "sgd", "optimizer.lr" = 3e38, "train.epochs" = 1, "train.batch_size" = 240 }
"too big" = { "model.options.width" = 100000000000 }
"""


@pytest.mark.slow
def test_failures_are_results_and_the_study_goes_on(write_study_file, faces, tmp_path):
    summary = run_study(write_study_file(FAILING), faces, tmp_path / "study")
    points = {point.label: point for point in summary.points}
    assert {label: point.state for label, point in points.items()} == {
        "base": "finished",
        "collapsing": "collapsed",
        "diverging": "diverged",
        "at its end": "diverged",
        "too big": "out of memory",
    }
    assert [point.label for point in summary.ranked] == ["base"]
    assert points["collapsing"].runs[0].detail in faces.label_names
    assert "has diverged" in points["diverging"].runs[0].detail
    assert points["too big"].runs[0].scores is None
    assert points["too big"].parameters > 10**13


@pytest.mark.slow
def test_a_run_that_takes_its_process_with_it_is_out_of_memory_the_third_time(
    write_study_file, faces, tmp_path
):
    design = load_design(write_study_file())
    ledger = open_ledger(design, faces.content_hash, tmp_path)
    run = dataclasses.replace(ledger.claim(lambda _: True), memory_deaths=2)
    result = execute(run, design, faces, tmp_path, Silent(), device="cpu")
    ledger.finish(run, result)
    summary = summarise(design, ledger.runs(), faces.content_hash, "f" * 12)
    ledger.close()
    assert (summary.points[0].label, summary.points[0].state) == ("relu", "out of memory")
    assert "the system ended its process, 2 times" in summary.points[0].runs[0].detail
    assert summary.points[0].parameters > 9_000


@pytest.mark.slow
def test_trouble_of_the_machine_is_no_result(write_study_file, faces, tmp_path, monkeypatch):
    import mien.training.run as run_module

    def full(*_):
        raise TrainingError("The checkpoint in diverged/x cannot be written: No space left.")

    path = write_study_file()
    with monkeypatch.context() as patch:
        patch.setattr(run_module, "save_checkpoint", full)
        with pytest.raises(TrainingError, match="No space left"):
            run_study(path, faces, tmp_path / "study")
    watcher = Silent()
    assert run_study(path, faces, tmp_path / "study", watcher).missing == 0
    assert len(watcher.ended) == 4  # the run that it struck too


def command(path, folder, *more):
    words = ["study", str(path), "--data", "synthetic:240", "--out", str(folder), *more]
    return [sys.executable, "-m", "mien", *words]


ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}

KILLED = """
import os, signal, sys, threading, time
from pathlib import Path
from mien.cli import main

def kill(folder=Path(sys.argv.pop(1))):
    # From within: what holds the study up on a busy machine holds this up too, and it is never over before.
    while not list(folder.glob("runs/0002-*/checkpoint.pt")):
        time.sleep(0.002)
    os.kill(os.getpid(), signal.SIGKILL)

threading.Thread(target=kill, daemon=True).start()
main()
"""
TOGETHER = """
import os, sys, time
from pathlib import Path
from mien.cli import main
from mien.studies.ledger import Ledger

claim, meeting = Ledger.claim, Path(sys.argv.pop(1))

def claim_together(*arguments):
    # Both have a run before either goes on, however late a busy machine starts the second.
    run = claim(*arguments)
    (meeting / str(os.getpid())).touch()
    until = time.monotonic() + 120
    while len(list(meeting.iterdir())) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    return run

Ledger.claim = claim_together
main()
"""


@pytest.mark.slow
def test_killed_in_the_middle_and_started_again_it_ends_with_the_same_table(
    write_study_file, faces, tmp_path
):
    path, folder = write_study_file(), tmp_path / "killed"
    recipe = path.with_name("base.toml")
    recipe.write_text(recipe.read_text() + "checkpoint_minutes = 0.002\n")  # within epochs too
    words = ["-c", KILLED, str(folder), *command(path, folder)[3:]]
    killed = subprocess.run(
        [sys.executable, *words], env=ENVIRONMENT, check=False, capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, "the study ended before it could be killed"
    watcher = Silent()
    again = run_study(path, faces, folder, watcher)
    assert 1 <= len(watcher.ended) <= 2
    assert again == run_study(path, faces, tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["journal", "postgres"])
def test_two_processes_share_the_runs_and_do_none_twice(write_study_file, tmp_path, kind, request):
    storage = "" if kind == "journal" else request.getfixturevalue("postgres_url")
    path = write_study_file()
    path.write_text(path.read_text().replace("[0, 1]", "[0, 1, 2, 3, 4]"))
    environment = ENVIRONMENT | {"MIEN_STUDY_STORAGE": storage}
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    words = ["-c", TOGETHER, str(meeting), *command(path, tmp_path / "study")[3:]]
    both = [
        subprocess.Popen(
            [sys.executable, *words],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    outputs = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    done = [re.findall(r"^(\w+, seed \d): \d+ epochs", text, re.M) for _, text in outputs]
    assert Counter(done[0] + done[1]) == Counter(
        f"{value}, seed {seed}" for value in ("relu", "tanh") for seed in range(5)
    )
    assert done[0], "one process did all: they did not share"
    assert done[1], "one process did all: they did not share"
    for words, _ in outputs:
        assert "are still to be done" not in words


TEN_COLUMNS = """
[data]
source = "synthetic:240"
size = 24
[model]
name = "mlp"
options = { depth = 1, width = 16, activation = "relu" }
[[heads]]
labels = "ferplus-votes"
mode = "argmax"
[train]
epochs = 2
batch_size = 16
precision = "fp32"
"""


@pytest.mark.slow
def test_a_run_on_all_ten_columns_is_scored_both_ways_like_mien_evaluate(
    write_study_file, faces, tmp_path
):
    summary = run_study(write_study_file(recipe=TEN_COLUMNS), faces, tmp_path)
    run = summary.points[0].runs[0]
    opened = open_scored_model(str(tmp_path / "runs" / "0000-seed0"))
    strict, columns = evaluate(opened.predict, opened.info, faces, "valid")
    ours = {name: rate.value for name, rate in strict.scores.rates.items()}
    assert (summary.protocol, dict(run.scores)) == (strict.protocol, pytest.approx(ours))
    assert columns.protocol == "ferplus-argmax10-valid"
    theirs = {name: rate.value for name, rate in columns.scores.rates.items()}
    assert run.beside[columns.protocol] == pytest.approx({"n": len(columns.rows), **theirs})


def test_a_study_that_is_summed_up_elsewhere_names_the_machine_that_trained_it(
    write_study_file, faces, tmp_path
):
    path = write_study_file()
    run_study(path, faces, tmp_path)
    ledger = open_ledger(load_design(path), faces.content_hash, tmp_path)
    runs = ledger.runs()
    ledger.close()
    notes = sorted(tmp_path.glob("runs/*/run.json"))
    assert len(notes) == len(runs) == 4
    for note in notes[:3]:
        there = {"commit": "abc", "machine": {"cpu": "another", "cores": 64}}
        note.write_text(json.dumps(json.loads(note.read_text()) | there))
    assert where_trained(tmp_path, runs) == there
    here = json.loads(notes[3].read_text())
    assert here["machine"] == machine()
    for note, broken in zip(notes[:3], ("", "{}", "[1"), strict=True):
        note.write_text(broken)
    assert where_trained(tmp_path, runs) == {key: here[key] for key in ("commit", "machine")}
    taken = [dataclasses.replace(run, result={**run.result, "taken_from": "x"}) for run in runs]
    for others in (where_trained(tmp_path, taken), where_trained(tmp_path / "none", runs)):
        assert others == {"commit": commit(), "machine": machine()}
