import shutil

import pytest
from study_calls import Silent, run_study

from mien.errors import ConfigError
from mien.studies.conclusion import cannot_be_concluded
from mien.studies.ledger import open_ledger
from mien.studies.reading import load_design
from mien.studies.taking_over import known_results, run_key

OTHER = """
question = "Which width is best?"
base = "base.toml"
design = "one_at_a_time"
seeds = [0, 1]
[[factors]]
name = "width"
setting = "model.options.width"
values = [16, 32]
"""


def finished(ledger, make_run):
    """Enter made-up results for all runs of a study."""
    while (run := ledger.claim(lambda _: True)) is not None:
        ledger.finish(run, make_run(run.point, run.seed, 0.5 + 0.1 * run.number).result)
    ledger.close()


@pytest.fixture
def other_folder(write_study_file, faces, make_run, tmp_path):
    other = load_design(write_study_file(OTHER, name="width.toml"))
    finished(open_ledger(other, faces.content_hash, tmp_path / "other"), make_run)
    return tmp_path / "other"


@pytest.mark.slow
def test_the_same_runs_are_taken_over_and_the_others_done(
    write_study_file, faces, other_folder, tmp_path
):
    watcher = Silent()
    summary = run_study(
        write_study_file(), faces, tmp_path / "ours", watcher, known=known_results(other_folder)
    )
    assert watcher.begun == [("tanh", 0), ("tanh", 1)]
    taken = {point.label: [run.taken_from for run in point.runs] for point in summary.points}
    assert taken == {"relu": ["width", "width"], "tanh": ["", ""]}
    sentence = "Taken over from the study width, whose recipe, seed and faces were the same: relu (seed 0); relu (seed 1)."
    assert sentence in cannot_be_concluded(summary)
    # Who takes over what was taken over names who did it.
    assert {r["taken_from"] for r in known_results(tmp_path / "ours").values()} == {
        "width",
        "small",
    }


def test_another_seed_recipe_or_data_set_is_another_run(write_study_file, faces, other_folder):
    known, design = known_results(other_folder), load_design(write_study_file())
    relu, tanh = design.points()
    same = design.recipe(relu.settings, 1, "whatever it is called")
    assert run_key(same, faces.content_hash, {}) in known
    assert run_key(same, "other faces", {}) not in known
    assert run_key(design.recipe(relu.settings, 2, ""), faces.content_hash, {}) not in known
    assert run_key(design.recipe(tanh.settings, 1, ""), faces.content_hash, {}) not in known


FROM_WEIGHTS = """
question = "Which rate is best?"
base = "base.toml"
design = "one_at_a_time"
seeds = [0]
[[factors]]
name = "rate"
setting = "optimizer.lr"
values = [0.003]
"""


@pytest.mark.slow
@pytest.mark.parametrize("key", ["init", "distill.teacher"])
def test_a_run_on_weights_that_were_replaced_is_another_run(write_study_file, faces, tmp_path, key):
    runs = tmp_path / "weights" / "runs"
    run_study(write_study_file(), faces, runs.parent)
    path, start = write_study_file(FROM_WEIGHTS), tmp_path / "start.safetensors"
    options = [f"{key}={start}"]
    shutil.copyfile(runs / "0000-seed0/weights.safetensors", start)
    run_study(path, faces, tmp_path / "other", options=options)
    known = known_results(tmp_path / "other")

    again = run_study(path, faces, tmp_path / "again", options=options, known=known)
    assert again.points[0].runs[0].taken_from == "small"
    shutil.copyfile(runs / "0001-seed0/weights.safetensors", start)
    watcher = Silent()
    run_study(path, faces, tmp_path / "replaced", watcher, options=options, known=known)
    assert watcher.begun == [("0.003", 0)]

    # Nor may it be one seed more of the study that began with others.
    more = write_study_file(FROM_WEIGHTS.replace("[0]", "[0, 1]"))
    with pytest.raises(ConfigError, match=r"start.safetensors .* replaced since 0000-seed0"):
        run_study(more, faces, tmp_path / "other", options=options)
    shutil.copyfile(runs / "0000-seed0/weights.safetensors", start)
    watcher = Silent()
    run_study(more, faces, tmp_path / "other", watcher, options=options)
    assert watcher.begun == [("0.003", 1)]


@pytest.mark.parametrize(
    ("state", "is_taken"), [("diverged", True), ("pruned", False), ("out of memory", False)]
)
def test_what_depends_on_other_runs_or_the_machine_is_not_taken_over(
    state, is_taken, design, faces, make_run, tmp_path
):
    ledger = open_ledger(design, faces.content_hash, tmp_path / "study")
    run = ledger.claim(lambda _: True)
    ledger.finish(run, make_run(run.point, run.seed, 0.5, state=state).result)
    ledger.close()
    if is_taken:
        assert len(known_results(tmp_path / "study")) == 1
    else:
        with pytest.raises(ConfigError, match="no result yet"):
            known_results(tmp_path / "study")


def test_a_folder_without_a_study_or_a_result_is_named(design, faces, tmp_path):
    with pytest.raises(
        ConfigError, match=r"nothing holds no journal of a study; expected a folder that"
    ):
        known_results(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
    open_ledger(design, faces.content_hash, tmp_path / "begun").close()
    with pytest.raises(ConfigError, match=r"begun has no result yet"):
        known_results(tmp_path / "begun")


def test_nothing_is_written_to_the_other_study(other_folder):
    before = {path: path.stat().st_mtime_ns for path in other_folder.rglob("*")}
    assert known_results(other_folder)
    assert {path: path.stat().st_mtime_ns for path in other_folder.rglob("*")} == before
