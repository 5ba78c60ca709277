"""A study's summary becomes one line: its best value, how many seeds, and what failed."""

import json

import pytest

from mien.errors import DataError
from mien.evaluation.leaderboard_document import leaderboard_document
from mien.evaluation.leaderboard_page import leaderboard_html
from mien.evaluation.leaderboard_studies import read_studies, study_text
from mien.evaluation.published import Seed


def point(label, rank, accuracy, state="finished"):
    scores = {name: {"mean": accuracy, "sd": 0.004} for name in ("accuracy", "macro_f1")}
    runs = [{"seed": seed} for seed in range(3)]
    return {"label": label, "rank": rank, "state": state, "scores": scores, "runs": runs}


@pytest.fixture
def folder(tmp_path):
    summary = {
        "name": "kdt5-activation",
        "protocol": "fer2013-publictest",
        "n": 3589,
        "seeds": [0, 1, 2],
        "changes": [],
        "points": [
            point("relu", 2, 0.41),
            point("tanh", 1, 0.4235),
            point("sigmoid <5>", None, 0.25, "collapsed"),
        ],
    }
    (tmp_path / "a.json").write_text(json.dumps(summary))
    return tmp_path


def test_a_study_is_one_line(folder):
    (study,) = read_studies(folder)
    assert study_text(study) == (
        "kdt5-activation: best is tanh with 42.35 ± 0.40, macro-F1 42.35 on fer2013-publictest, 3 seeds; "
        "failed: sigmoid <5> (collapsed)"
    )


def test_other_protocols_of_the_best_value_stand_beside_where_all_its_runs_have_them(folder):
    summary = json.loads((folder / "a.json").read_text())
    rates = [{"argmax10": {"accuracy": rate}, "half": {"accuracy": 0.5}} for rate in (0.7, 0.72)]
    summary["points"][1]["runs"] = [
        {"seed": seed, "beside": rate} for seed, rate in enumerate(rates)
    ]
    del rates[0]["half"]
    (folder / "a.json").write_text(json.dumps(summary))
    assert study_text(read_studies(folder)[0]) == (
        "kdt5-activation: best is tanh with 42.35 ± 0.40, macro-F1 42.35 on fer2013-publictest, 2 seeds; "
        "71.00 on argmax10; failed: sigmoid <5> (collapsed)"
    )


def test_a_value_whose_runs_are_still_to_be_done_has_not_failed(folder):
    summary = json.loads((folder / "a.json").read_text())
    summary["points"][2]["state"] = "incomplete"
    (folder / "a.json").write_text(json.dumps(summary))
    assert "failed" not in study_text(read_studies(folder)[0])


def test_where_seeds_are_missing_the_highest_is_named_without_a_rank(folder):
    summary = json.loads((folder / "a.json").read_text())
    summary["points"] = [
        point("relu", None, 0.41, "incomplete"),
        point("tanh", None, 0.4235, "incomplete"),
        point("elu", None, 0.99, "incomplete") | {"runs": []},
        point("step", None, 0.5, "collapsed"),
    ]
    (folder / "a.json").write_text(json.dumps(summary))
    assert study_text(read_studies(folder)[0]) == (
        "kdt5-activation: no value has a rank yet, the highest is tanh with 42.35 ± 0.40, macro-F1 42.35 on "
        "fer2013-publictest, 3 seeds; failed: step (collapsed)"
    )


def test_the_highest_is_that_of_the_score_by_which_the_study_ranks(folder):
    summary = json.loads((folder / "a.json").read_text()) | {"score": "macro_f1"}
    summary["points"] = [
        point("relu", None, 0.41, "incomplete"),
        point("tanh", None, 0.42, "incomplete"),
    ]
    summary["points"][0]["scores"]["macro_f1"]["mean"] = 0.43
    (folder / "a.json").write_text(json.dumps(summary))
    assert "the highest is relu with 41.00" in study_text(read_studies(folder)[0])


def test_a_study_without_a_rank_says_so(folder):
    summary = json.loads((folder / "a.json").read_text())
    summary["points"] = [point("x", None, 0.25, "diverged")]
    summary["points"][0]["runs"] = [{"seed": 0}]
    (folder / "a.json").write_text(json.dumps(summary))
    assert study_text(read_studies(folder)[0]) == (
        "kdt5-activation: no value has a rank on fer2013-publictest, 1 seed; failed: x (diverged)"
    )


def test_a_shortened_study_says_what_was_changed_for_it(folder):
    summary = json.loads((folder / "a.json").read_text())
    summary["changes"] = ["data.limit=1000", "train.epochs=2"]
    (folder / "a.json").write_text(json.dumps(summary))
    assert study_text(read_studies(folder)[0]).endswith("; with data.limit=1000, train.epochs=2")


def test_a_seed_s_line_names_its_studies(folder):
    seed = Seed(name="s", protocol="p", checked="text", number=2, ours=("kdt5",), how="so")
    other = Seed(name="t", protocol="p", checked="text", number=3, ours=("vgg",), how="so")
    studies = read_studies(folder)
    document = leaderboard_document([], [], [seed, other], studies)
    assert "| 2. s | no figure given on p | kdt5-activation: best is tanh" in document
    assert "| 3. t | no figure given on p | not run at full length yet |" in document
    assert "failed: sigmoid &lt;5&gt; (collapsed)" in leaderboard_html([], [seed], studies)


def test_without_a_folder_there_are_none_and_other_files_are_refused(tmp_path):
    assert read_studies(tmp_path / "no") == ()
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(DataError, match=r"x\.json holds no summary of a study .*; copy it again"):
        read_studies(tmp_path)
