"""The results table from rows that are written out by hand."""

import json

import pytest

from mien.errors import DataError, InputError
from mien.evaluation.leaderboard import MARKERS, NO_RESULTS, insert_table, results_table


def row(protocol, name, accuracy, clean=None):
    def estimate(value):
        return {"value": value, "low": value - 0.0145, "high": value + 0.0145}

    return {
        "protocol": protocol,
        "model": {"name": name, "format": "onnx", "bytes": 6_234_000},
        "data": {"split": "valid", "n": 3589},
        "views": "flip",
        "scores": {
            "n": 3589,
            "accuracy": estimate(accuracy),
            "macro_f1": estimate(0.6602),
            "clean": None if clean is None else {"n": 3290, "accuracy": estimate(clean)},
            "calibrated": {"ece": 0.0123},
        },
    }


def test_rows_become_a_table_with_the_best_model_of_each_protocol_first(tmp_path):
    first = [row("fer2013-publictest", "small", 0.6931, clean=0.6702)]
    second = [
        row("fer2013-publictest", "large", 0.7112),
        row("ferplus-majority-publictest", "large", 0.88),
    ]
    (tmp_path / "a.json").write_text(json.dumps(first))
    (tmp_path / "b.json").write_text(json.dumps(second))
    lines = results_table(tmp_path).splitlines()
    assert lines[0].startswith("| protocol | model |")
    assert [line.split(" | ")[:2] for line in lines[2:]] == [
        ["| fer2013-publictest", "large"],
        ["| fer2013-publictest", "small"],
        ["| ferplus-majority-publictest", "large"],
    ]
    assert lines[3] == (
        "| fer2013-publictest | small | onnx, 6.2 MB | 3,589 | flip | 69.31 (67.9–70.8) "
        "| 67.02 (65.6–68.5) | 66.02 (64.6–67.5) | 1.2 |"
    )
    assert " | – | " in lines[2]
    assert len({line.count("|") for line in lines}) == 1


def test_runs_that_were_shortened_are_left_to_the_leaderboard(tmp_path):
    short = row("fer2013-publictest", "short", 0.22)
    short["model"]["shortened"] = "1,500 faces, 4 epochs"
    (tmp_path / "a.json").write_text(json.dumps([short]))
    assert results_table(tmp_path) == NO_RESULTS


def test_another_prior_is_another_table(tmp_path):
    rows = [row("fer2013-publictest", "a", 0.7), row("fer2013-publictest", "a", 0.71)]
    rows[0]["prior"], rows[1]["prior"] = "uniform", "training"
    (tmp_path / "a.json").write_text(json.dumps(rows))
    lines = results_table(tmp_path).splitlines()[2:]
    assert [line.split(" | ")[0] for line in lines] == [
        "| fer2013-publictest",
        "| fer2013-publictest-uniform-prior",
    ]


def test_an_empty_folder_says_that_there_is_nothing(tmp_path):
    assert results_table(tmp_path) == NO_RESULTS
    assert results_table(tmp_path / "missing") == NO_RESULTS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"r\.json cannot be read as JSON"),
        ('{"protocol": 1}', r"r\.json holds no list of result rows; write it with: mien evaluate"),
        (
            '[{"protocol": "x", "views": "none"}]',
            r"r\.json has a result row without model, data, scores",
        ),
    ],
)
def test_a_file_that_holds_no_rows_is_named(tmp_path, text, message):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(DataError, match=message):
        results_table(tmp_path)


def test_what_a_row_lacks_is_named_with_its_file(tmp_path):
    one = row("fer2013-publictest", "mien-s", 0.7)
    del one["scores"]["calibrated"]
    (tmp_path / "r.json").write_text(json.dumps([one]))
    with pytest.raises(DataError, match=r"r\.json has a result row without calibrated\. Measure"):
        results_table(tmp_path)


@pytest.mark.parametrize("figure", ["0.7", None])
def test_a_rate_that_is_no_number_is_named(tmp_path, figure):
    one = row("fer2013-publictest", "mien-s", 0.7)
    one["scores"]["accuracy"]["value"] = figure
    (tmp_path / "r.json").write_text(json.dumps([one]))
    with pytest.raises(
        DataError, match=r"r\.json has a result row whose accuracy is .*; expected a value"
    ):
        results_table(tmp_path)


def test_a_table_takes_the_place_of_the_one_before():
    start, end = MARKERS
    document = f"# mien\n{start}\n| old |\n{end}\nafter\n"
    assert insert_table(document, "| new |") == f"# mien\n{start}\n| new |\n{end}\nafter\n"
    assert insert_table(insert_table(document, "a"), "| old |") == document


def test_a_document_without_a_place_for_the_table_is_refused():
    with pytest.raises(InputError, match="no place for results: expected the lines <!-- results"):
        insert_table("# mien\n", "| new |")
