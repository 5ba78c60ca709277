import dataclasses
import json

import numpy as np
import pytest

from mien.labels import FERPLUS
from mien.studies.conclusion import can_be_concluded, cannot_be_concluded
from mien.studies.design import NOT_COMPARED, Point
from mien.studies.document import studies_document
from mien.studies.packing import pack
from mien.studies.page import write_study
from mien.studies.reading import load_design
from mien.studies.summary import summarise, summary_from_dict

FACTS = {
    "command": "mien study studies/x.toml --data PATH",
    "commit": "abc",
    "date": "2026-01-02T03:04:05+00:00",
    "machine": {"cpu": "a processor", "cores": 2},
}

THREE = """
question = "Which rate is best?"
base = "base.toml"
design = "one_at_a_time"
score = "accuracy"
seeds = [0, 1, 2]
note = "Shortened to 3 epochs."
[[factors]]
name = "rate"
setting = "optimizer.lr"
values = [0.003, 0.01, 0.03, 0.1]
[[published]]
label = "0.1"
accuracy = 0.373
said = "the share of neutral"
source = "theirs"
"""


@pytest.fixture
def rates(write_study_file):
    return load_design(write_study_file(THREE))


@pytest.fixture
def runs(rates, make_run):
    """0.01 is clearly better, 0.03 is as good as the base, 0.1 collapsed once."""
    made = []
    shares = {"0.003": (0.50, 0.51, 0.49), "0.01": (0.70, 0.71, 0.69), "0.03": (0.51, 0.49, 0.50)}
    for point in rates.points():
        for seed in rates.seeds:
            share = shares.get(point.label, (0.6, 0.6, 0.6))[seed]
            failed = point.label == "0.1" and seed == 1
            how = {"state": "collapsed", "detail": "happy"} if failed else {}
            made.append(make_run(point, seed, share, number=len(made), n=1400, **how))
    return made


@pytest.fixture
def summary(rates, runs):
    return summarise(rates, runs, "d" * 64, "f" * 12)


def by_label(summary):
    return {point.label: point for point in summary.points}


def test_ranks_go_to_values_whose_runs_all_finished(summary):
    points = by_label(summary)
    assert points["0.01"].rank == 1
    assert {points["0.003"].rank, points["0.03"].rank} == {2, 3}
    assert points["0.1"].rank is None
    assert points["0.1"].state == "collapsed"
    assert points["0.1"].verdict == "collapsed"


def test_means_and_spreads_are_those_of_the_runs(summary, runs):
    scores = [run.result["scores"]["accuracy"] for run in runs[3:6]]
    spread = by_label(summary)["0.01"].scores["accuracy"]
    mean = sum(scores) / 3
    assert spread.mean == pytest.approx(mean)
    assert spread.sd == pytest.approx((sum((s - mean) ** 2 for s in scores) / 2) ** 0.5)
    assert (spread.lowest, spread.highest) == (min(scores), max(scores))


def test_a_clear_difference_is_found_and_a_small_one_is_not(summary):
    points = by_label(summary)
    assert points["0.01"].verdict == "better"
    assert points["0.01"].difference.value == pytest.approx(0.2, abs=0.04)
    assert points["0.01"].difference.seeds_above == 3
    assert points["0.03"].verdict == "not told apart"
    assert points["0.003"].verdict == "base"
    assert points["0.003"].to_best.high < 0


def test_nothing_is_compared_with_a_base_that_failed(rates, runs, make_run):
    base = rates.points()[0]
    failed = make_run(base, 0, 0.5, number=0, n=1400, state="collapsed", detail="happy")
    points = by_label(summarise(rates, [failed, *runs[1:]], "d" * 64, "f" * 12))
    assert points["0.003"].verdict == "collapsed"
    assert points["0.01"].difference is None
    assert points["0.01"].verdict == "not compared"
    assert points["0.01"].rank == 1
    cannot = " ".join(cannot_be_concluded(summarise(rates, [failed, *runs[1:]], "", "")))
    assert "0.003 is what others are to be compared with, and it failed" in cannot


def test_the_seeds_named_are_those_that_ran(rates, runs, summary):
    assert summary.seeds_text == "0, 1, 2"
    of_one_seed = [run for run in runs if run.seed == 0]
    text = summarise(rates, of_one_seed, "d" * 64, "f" * 12).seeds_text
    assert text == "0 (2 more not run)"


def test_seeds_that_differ_too_much_get_no_number_of_points(write_study_file, make_run):
    design = load_design(write_study_file(THREE.replace("[0, 1, 2]", "[0, 1]")))
    shares = {"0.003": (0.2, 0.7), "0.01": (0.7, 0.2)}
    runs = [
        make_run(p, s, shares.get(p.label, (0.3, 0.6))[s], number=2 * i + s)
        for i, p in enumerate(design.points())
        for s in design.seeds
    ]
    cannot = " ".join(cannot_be_concluded(summarise(design, runs, "", "")))
    assert "With 2 seeds and 400 pictures, seeds differ too much for any difference" in cannot
    assert "points of accuracy is not seen" not in cannot


def test_where_all_failed_nothing_is_called_best(rates, make_run):
    runs = [
        make_run(
            point,
            seed,
            0.5,
            number=3 * i + seed,
            state="collapsed",
            detail=("sad", "happy", "sad")[seed],
        )
        for i, point in enumerate(rates.points())
        for seed in rates.seeds
    ]
    can = " ".join(can_be_concluded(summarise(rates, runs, "", "")))
    assert can.startswith("No value has a rank. 0.003 collapsed to happy or sad in 3 of 3 runs; ")
    assert "highest" not in can


def test_how_many_runs_were_pruned_is_said(write_study_file, make_run):
    design = load_design(write_study_file(THREE.replace("score =", 'pruning = "median"\nscore =')))
    runs = [
        make_run(p, s, 0.5, number=3 * i + s, state="pruned" if i == 2 and s < 2 else "finished")
        for i, p in enumerate(design.points())
        for s in design.seeds
    ]
    cannot = " ".join(cannot_be_concluded(summarise(design, runs, "", "")))
    assert "Pruning was on (median), and ended 2 runs early" in cannot


def test_points_that_a_sampler_has_not_drawn_are_missing_too(write_study_file, make_run):
    text = THREE.replace('"one_at_a_time"', '"random"\nnum_points = 3')
    sampled = load_design(write_study_file(text))
    point = Point(label="learning rate=0.01", values={}, settings={}, reference=NOT_COMPARED)
    summary = summarise(sampled, [make_run(point, seed, 0.5) for seed in (0, 1)], "", "")
    assert summary.missing == 6  # two of three points; the third seed of the first was not entered


def test_a_run_from_another_folder_of_the_study_is_called_so(rates, runs):
    taken = [
        dataclasses.replace(run, result={**run.result, "taken_from": name})
        for run, name in zip(runs[:2], (rates.name, "another"), strict=True)
    ]
    cannot = " ".join(cannot_be_concluded(summarise(rates, [*taken, *runs[2:]], "", "")))
    assert "Taken over from another folder of this study, whose recipe" in cannot
    assert "Taken over from the study another, whose recipe" in cannot


def test_a_missing_run_keeps_its_value_from_a_rank(rates, runs):
    points = by_label(summarise(rates, runs[:5], "d" * 64, "f" * 12))
    assert points["0.01"].state == "incomplete"
    assert points["0.01"].rank is None
    assert points["0.003"].rank == 1


def scored_on_votes(run):
    """The same answers, as a head of other labels is scored."""
    targets = pack((np.arange(400) + 3) % 8)
    other = {"protocol": "ferplus-majority-publictest", "n": 400, "targets": targets}
    return dataclasses.replace(run, result={**run.result, **other, "labels": list(FERPLUS.labels)})


def test_what_was_scored_on_other_pictures_or_labels_has_no_rank(design, make_run):
    relu, tanh = design.points()
    runs = [make_run(relu, seed, 0.5, number=seed) for seed in design.seeds]
    runs += [scored_on_votes(make_run(tanh, seed, 0.8, number=2 + seed)) for seed in design.seeds]
    summary = summarise(design, runs, "d", "f")
    assert [(p.label, p.rank, p.verdict) for p in summary.points] == [
        ("relu", 1, "base"),
        ("tanh", None, "scored otherwise"),
    ]
    assert "has relu: " in can_be_concluded(summary)[0]
    said = "Scored on other pictures or labels than fer2013-publictest, n = 400, so that no score"
    assert any(one.startswith(said) for one in cannot_be_concluded(summary))


def test_the_sentences_say_what_holds_and_what_does_not(summary):
    can = " ".join(can_be_concluded(summary))
    cannot = " ".join(cannot_be_concluded(summary))
    assert "The highest mean accuracy has 0.01: 70." in can
    assert "Better than what it is compared with: 0.01 by +2" in can
    assert "0.1 collapsed to happy in 1 of 3 runs" in can
    assert "the share of one class, not a recognition, so it has no rank" in can
    assert "Shortened to 3 epochs." in cannot
    assert "picked on the same pictures" in cannot


def test_one_seed_calls_nothing_better(write_study_file, make_run):
    one = load_design(write_study_file(THREE.replace("[0, 1, 2]", "[0]")))
    runs = [make_run(p, 0, 0.3 + 0.1 * i, number=i) for i, p in enumerate(one.points())]
    summary = summarise(one, runs, "d" * 64, "f" * 12)
    assert {point.verdict for point in summary.points} == {"base", "one seed"}
    assert "One seed says nothing of other trainings" in " ".join(cannot_be_concluded(summary))


def test_a_grid_is_compared_within_its_other_factors(write_study_file, make_run):
    grid = load_design(
        write_study_file("""
question = "Which?"
base = "base.toml"
design = "grid"
seeds = [0, 1]
[[factors]]
name = "activation"
setting = "model.options.activation"
values = ["relu", "tanh"]
[[factors]]
name = "depth"
setting = "model.options.depth"
values = [1, 3]
""")
    )
    references = {point.label: point.reference for point in grid.points()}
    assert references == {
        "relu · 1": "",
        "relu · 3": "",
        "tanh · 1": "relu · 1",
        "tanh · 3": "relu · 3",
    }
    shares = {"relu · 1": 0.6, "relu · 3": 0.3, "tanh · 1": 0.5, "tanh · 3": 0.5}
    runs = [make_run(p, s, shares[p.label], n=1400) for p in grid.points() for s in (0, 1)]
    runs = [type(run)(**{**vars(run), "number": i}) for i, run in enumerate(runs)]
    points = by_label(summarise(grid, runs, "d" * 64, "f" * 12))
    assert points["tanh · 1"].difference.value < 0 < points["tanh · 3"].difference.value


def test_a_summary_reads_back_as_itself(summary):
    assert summary_from_dict(json.loads(json.dumps(summary.as_dict()))) == summary


def test_time_is_no_part_of_equality_and_scores_are(rates, runs, summary):
    slower = [type(r)(**{**vars(r), "result": {**r.result, "seconds": 99.0}}) for r in runs]
    assert summarise(rates, slower, "d" * 64, "f" * 12) == summary
    first = {**runs[0].result, "scores": {**runs[0].result["scores"], "accuracy": 0.1}}
    other = [type(runs[0])(**{**vars(runs[0]), "result": first}), *runs[1:]]
    assert summarise(rates, other, "d" * 64, "f" * 12) != summary


@pytest.fixture
def folder(summary, rates, runs, tmp_path):
    write_study(summary, rates, runs, tmp_path / "out", FACTS)
    return tmp_path / "out"


@pytest.mark.slow
def test_the_page_holds_everything_and_needs_nothing_else(folder):
    text = (folder / "study.html").read_text("utf-8")
    assert text.count("data:image/png;base64,") == 4
    assert "http://" not in text
    assert "<b>0.1</b>" in text
    assert "collapsed" in text
    assert "<td>the share of neutral (theirs)</td><td>0.1</td><td>37.30</td>" in text
    values = (folder / "values.csv").read_text().splitlines()
    assert values[0].startswith("value,rank,verdict,runs,failed,macro_f1_mean")
    assert values[2].startswith("0.01,1,better,3,0,")
    assert len((folder / "runs.csv").read_text().splitlines()) == 1 + 12
    for name in ("curves", "loss-and-accuracy", "boxes", "differences"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_document_sets_theirs_beside_ours(folder, summary, tmp_path):
    rows = tmp_path / "rows"
    rows.mkdir()
    (rows / "x.json").write_bytes((folder / "summary.json").read_bytes())
    text = studies_document(rows)
    ours = 100 * by_label(summary)["0.1"].scores["accuracy"].mean
    assert f"| the share of neutral (theirs) | 0.1 | 37.30 | {ours:.1f} ± " in text
    assert "| 1 | 0.01 |" in text
    assert "| – | 0.1 |" in text


def with_beside(run):
    """The same run, scored under another protocol too: a tenth better."""
    scores = {name: value + 0.1 for name, value in run.result["scores"].items()}
    beside = {"ferplus-argmax10-publictest": {"n": 1500, **scores}}
    return type(run)(**{**vars(run), "result": {**run.result, "beside": beside}})


@pytest.mark.slow
def test_scores_under_another_protocol_stand_beside_and_rank_nothing(
    rates, runs, summary, tmp_path
):
    """Theirs may be of that other protocol: then that column of ours is the one to read."""
    both = summarise(rates, [*map(with_beside, runs[:-1]), runs[-1]], "d" * 64, "f" * 12)
    assert [(p.label, p.rank) for p in both.points] == [(p.label, p.rank) for p in summary.points]
    assert summary_from_dict(json.loads(json.dumps(both.as_dict()))) == both
    points = by_label(both)
    own = points["0.01"].scores["accuracy"]
    beside = points["0.01"].accuracy_on("ferplus-argmax10-publictest")
    assert beside.mean == pytest.approx(own.mean + 0.1)
    assert beside.sd == pytest.approx(own.sd)
    assert points["0.1"].accuracy_on("ferplus-argmax10-publictest") is None  # one run lacks it

    write_study(both, rates, runs, tmp_path, FACTS)
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows/x.json").write_bytes((tmp_path / "summary.json").read_bytes())
    text = studies_document(tmp_path / "rows")
    assert "| accuracy %, ferplus-argmax10-publictest |" in text
    assert (
        "| accuracy % | ours %, fer2013-publictest | ours %, ferplus-argmax10-publictest |" in text
    )
    header, *lines = (tmp_path / "values.csv").read_text().splitlines()
    place = header.split(",").index("accuracy_ferplus-argmax10-publictest_mean")
    assert float(lines[1].split(",")[place]) == pytest.approx(beside.mean)


def test_an_empty_folder_makes_an_honest_document(tmp_path):
    assert "No study has been recorded yet." in studies_document(tmp_path)


def test_a_file_that_is_no_summary_is_named(tmp_path):
    from mien.errors import DataError

    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(DataError, match=r"x.json holds no summary of a study"):
        studies_document(tmp_path)
