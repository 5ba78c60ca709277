import io
import json
import re

import pytest
from typer.testing import CliRunner

from mien.cli import app
from mien.errors import ConfigError

RECIPE = """
[data]
source = "synthetic:200"
size = 24
valid_fraction = 0.25
[model]
name = "mlp"
options = { width = 8, activation = "relu" }
[optimizer]
name = "adam"
lr = 0.003
[train]
epochs = 1
batch_size = 32
precision = "fp32"
"""

STUDY = """
# mien study small.toml
question = "Which activation is best?"
base = "base.toml"
design = "one_at_a_time"
seeds = [0, 1]
[[factors]]
name = "activation"
setting = "model.options.activation"
values = ["relu", "tanh"]
"""


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.toml").write_text(RECIPE)
    path = tmp_path / "small.toml"
    path.write_text(STUDY)
    return path


def invoke(*words):
    return CliRunner().invoke(app, ["study", *map(str, words)], catch_exceptions=False)


def fails(*words):
    result = CliRunner().invoke(app, ["study", *map(str, words)])
    assert result.exception is not None
    raise result.exception


@pytest.mark.slow
def test_a_study_ends_with_its_page_and_says_what_holds(study, tmp_path):
    only = invoke(study, "--only", "activation=tanh", "--only", "seed=0")
    assert "tanh, seed 0: 1 epoch, " in only.output
    assert "3 runs of this study are still to be done" in only.output
    result = invoke(study)
    assert result.exit_code == 0
    assert "still to be done" not in result.output
    folder = tmp_path / "runs/studies/small"
    assert f"The study is shown in {(folder / 'study.html').relative_to(tmp_path)}" in result.output
    row = json.loads((folder / "summary.json").read_text())
    assert row["command"] == "mien study small.toml --data PATH"
    assert str(tmp_path) not in json.dumps(row)
    assert [len(point["runs"]) for point in row["points"]] == [2, 2]
    mean = 100 * row["points"][0]["scores"]["macro_f1"]["mean"]
    assert re.search(rf"relu +{mean:.1f} ± [\d.]+ .* (base|collapsed)", result.output)
    assert len(list((folder / "runs").iterdir())) == 4


def test_a_number_is_named_as_it_stands_in_the_file(study):
    from mien.cli.study import _chosen
    from mien.studies.ledger import Run
    from mien.studies.reading import load_design

    text = STUDY.replace("model.options.activation", "optimizer.weight_decay")
    study.write_text(text.replace('["relu", "tanh"]', "[0.0, 1e9]"))
    design = load_design(study)
    wanted = _chosen(design, ["activation=1e9"])
    state = {"seed": 0, "state": "waiting", "epochs": 0, "result": None}
    runs = [Run(number=i, point=point, **state) for i, point in enumerate(design.points())]
    assert [wanted(run) for run in runs] == [False, True]


def test_any_of_the_values_of_one_name_and_all_names(study):
    from mien.cli.study import _chosen
    from mien.studies.ledger import Run
    from mien.studies.reading import load_design

    design = load_design(study)
    wanted = _chosen(design, ["seed=0", "seed=1", "activation=tanh"])
    state = {"number": 0, "state": "waiting", "epochs": 0, "result": None}
    runs = [Run(point=p, seed=seed, **state) for p in design.points() for seed in (0, 1)]
    assert [wanted(run) for run in runs] == [False, False, True, True]


@pytest.mark.parametrize("is_in_environment", [False, True])
def test_how_to_go_on_mentions_a_storage_without_its_password(
    study, postgres_url, monkeypatch, is_in_environment
):
    from mien.training.stop import SignalStop, StopRequested

    def stop(_):
        raise StopRequested

    monkeypatch.setattr(SignalStop, "check", stop)
    if is_in_environment:
        monkeypatch.setenv("MIEN_STUDY_STORAGE", postgres_url)
        result = invoke(study)
    else:
        result = invoke(study, "--storage", postgres_url)
    assert result.exit_code == 130
    assert "Go on with: mien study" in result.output
    assert ("--storage … (left out here" in result.output) is not is_in_environment
    assert postgres_url not in result.output


def test_only_what_the_study_has(study):
    with pytest.raises(ConfigError, match=r"--only depth=3 names no run .* activation=relu\|tanh"):
        fails(study, "--only", "depth=3")
    with pytest.raises(ConfigError, match=r"--only activation=elu names no run"):
        fails(study, "--only", "activation=elu")


def test_without_data_it_says_how_to_name_some(study):
    with pytest.raises(ConfigError, match=r"Which data.* --data PATH"):
        fails(study, "-o", "data.source=")


def test_another_base_in_the_same_folder_is_refused(study, tmp_path):
    out = tmp_path / "out"
    invoke(study, "--out", out, "--only", "seed=0", "--only", "activation=relu")
    with pytest.raises(
        ConfigError,
        match=r"out holds the study 'small', begun with another train\.epochs \(1, now 2\)\. Frozen",
    ):
        fails(study, "--out", out, "-o", "train.epochs=2")


def test_figures_stay_whole_on_a_narrow_terminal():
    from pathlib import Path

    from rich.console import Console

    from mien.cli.study_table import result_table
    from mien.studies.conclusion import spread_text
    from mien.studies.summary import summary_from_dict

    row = Path(__file__).parents[2] / "results/studies/kdt5-integrated.json"
    summary = summary_from_dict(json.loads(row.read_text()))
    written = io.StringIO()
    Console(width=80, file=written).print(result_table(summary))
    assert "…" not in written.getvalue()
    for point in summary.points:
        scores = (spread_text(point, "macro_f1"), spread_text(point, "accuracy"))
        assert all(score in written.getvalue() for score in scores)
