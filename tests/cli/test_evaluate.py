"""`mien evaluate` from the outside: what it prints, writes and refuses."""

import dataclasses
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from typer.testing import CliRunner

from mien.cli import app
from mien.errors import ConfigError, DataError, InputError, MienError, UnknownNameError
from mien.labels import FER2013, FERPLUS
from mien.modelfile import Head, ModelInfo
from mien.models.weights import load_network, save_network
from mien.models.zoo import build_network
from mien.preprocess import InputSpec

OPTIONS = {"widths": [8], "depths": [1]}


@pytest.fixture
def run_folder(tmp_path, monkeypatch):
    """A run folder with an untrained network of two heads."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    folder = tmp_path / "runs" / "a"
    folder.mkdir(parents=True)
    info = ModelInfo(
        name="untrained",
        heads=(
            Head(name="fer2013", labels=FER2013.labels),
            Head(name="ferplus", labels=FERPLUS.labels),
        ),
        input=InputSpec(size=16),
        architecture="mien_net",
        options=OPTIONS,
        provenance={"seed": 0},
    )
    network = build_network("mien_net", num_classes=15, seed=0, widths=(8,), depths=(1,))
    save_network(folder / "weights.safetensors", network, info)
    return folder


@pytest.fixture
def data(tmp_path):
    """A parquet data set of grey noise with labels and votes: 14 faces to train, 14 valid, 14 test."""
    import cv2

    rng = np.random.default_rng(0)
    rows = 42
    png = [
        cv2.imencode(".png", rng.integers(0, 256, (48, 48), dtype=np.uint8))[1].tobytes()
        for _ in range(rows)
    ]
    votes = {name: np.zeros(rows, np.uint8) for name in (*FERPLUS.labels, "unknown", "NF")}
    votes["anger"][:] = 8
    table = {
        "png": png,
        "emotion": np.arange(rows) % 7,
        "usage": np.repeat(["Training", "PublicTest", "PrivateTest"], 14),
        **votes,
    }
    path = tmp_path / "faces.parquet"
    pq.write_table(pa.table(table), path)
    return path


def invoke(*arguments):
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


@pytest.mark.usefixtures("run_folder")
def test_both_protocols_are_printed_with_intervals_and_n(data):
    result = invoke("runs/a", "--data", data, "--split", "valid", "--views", "flip")
    assert result.exit_code == 0, result.output
    assert "untrained on labels-valid · 14 faces · views: flip" in result.output
    assert "untrained on ferplus-majority-valid · 14 faces · views: flip" in result.output
    assert "without copies of training" in result.output
    assert any(line.split()[:2] == ["happy", "2"] for line in result.output.splitlines())
    assert "KL to the votes" in result.output
    assert "final test" not in result.output


@pytest.mark.usefixtures("run_folder")
@pytest.mark.parametrize(
    ("option", "place"),
    [
        ("--json", "faces.parquet"),
        ("--json", "runs/a/weights.safetensors"),
        ("--json", "runs/a/run.json"),
        ("--predictions", "set/fer2013.csv"),
    ],
)
def test_what_is_read_is_not_written_over(data, tmp_path, option, place):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "fer2013.csv").write_text("emotion,pixels,Usage\n")
    (tmp_path / "runs" / "a" / "run.json").write_text("{}")
    before = (tmp_path / place).read_bytes()
    given = "set" if place.startswith("set") else data
    result = invoke("runs/a", "--data", given, option, tmp_path / place)
    assert isinstance(result.exception, InputError)
    assert "is a file that is read. Name another one" in str(result.exception)
    assert (tmp_path / place).read_bytes() == before


@pytest.mark.usefixtures("run_folder")
@pytest.mark.parametrize(
    ("given", "option"), [("--columns", "--predictions"), ("--clean", "--json")]
)
def test_lists_that_are_read_are_not_written_over(data, tmp_path, given, option):
    (tmp_path / "list.csv").write_text("row,side\n")
    arguments = (given, tmp_path / "list.csv", option, tmp_path / "list.csv")
    result = invoke("runs/a", "--data", data, *arguments)
    assert "is a file that is read. Name another one" in str(result.exception)
    assert (tmp_path / "list.csv").read_text() == "row,side\n"


@pytest.mark.usefixtures("run_folder")
def test_rows_and_predictions_are_not_one_file(data, tmp_path):
    both = tmp_path / "both.csv"
    result = invoke("runs/a", "--data", data, "--json", both, "--predictions", both)
    assert str(result.exception) == f"--json and --predictions are both {both}. Name two files."
    assert not both.exists()


@pytest.mark.usefixtures("run_folder")
def test_rows_are_printed_alone(data, tmp_path):
    result = invoke("runs/a", "--data", data, "--json", "-")
    assert result.exit_code == 0, result.output
    assert [row["protocol"] for row in json.loads(result.stdout)] == [
        "labels-valid",
        "ferplus-majority-valid",
    ]
    assert "untrained on labels-valid" in result.stderr
    assert not (tmp_path / "-").exists()


def test_a_screen_that_takes_no_more_costs_no_result_of_a_final_test(
    run_folder, data, tmp_path, monkeypatch
):
    def full(*_, **__):
        raise BrokenPipeError

    monkeypatch.setattr("mien.cli.result_tables.show_result", full)
    row_file, answers = tmp_path / "row.json", tmp_path / "answers.npz"
    files = ("--json", row_file, "--predictions", answers)
    result = invoke(run_folder, "--data", data, "--split", "test", *files)
    assert result.exit_code != 0
    assert [row["test_runs"] for row in json.loads(row_file.read_text())] == [1, 1]
    assert answers.exists()


@pytest.mark.usefixtures("run_folder")
def test_rows_are_written(data, tmp_path):
    row_file = tmp_path / "new" / "row.json"
    result = invoke("runs/a", "--data", data, "--json", row_file, "--batch-size", 5)
    assert result.exit_code == 0, result.output
    seven, eight = json.loads(row_file.read_text())
    assert (seven["protocol"], eight["protocol"]) == ("labels-valid", "ferplus-majority-valid")
    assert (
        seven["command"] == "mien evaluate runs/a --data faces.parquet --split valid --views none"
    )
    assert seven["model"]["name"] == "untrained"
    assert seven["model"]["format"] == "safetensors"
    assert seven["model"]["parameters"] > 1000
    assert seven["model"]["macs"] > 10_000
    assert seven["test_runs"] is None
    assert seven["scores"]["clean"]["n"] == 14


@pytest.mark.slow
@pytest.mark.usefixtures("run_folder")
def test_a_report_is_written(data, tmp_path):
    report = tmp_path / "report"
    result = invoke("runs/a", "--data", data, "--report", report, "--limit", 3)
    assert result.exit_code == 0, result.output
    assert (report / "report.md").is_file()
    assert (report / "ferplus" / "faces.png").is_file()
    from mien.evaluation.predictions import read_predictions

    # Row numbers are those of the data that was given: `mien errors` and `mien compare` find the pictures there.
    invoke("runs/a", "--data", data, "--limit", 3, "--predictions", tmp_path / "p.npz")
    for kept, one in zip(
        read_predictions(report), read_predictions(tmp_path / "p.npz"), strict=True
    ):
        assert kept.rows.tolist() == one.rows.tolist()


def test_the_final_test_is_said_and_counted_in_the_run_folder(run_folder, data, tmp_path):
    invoke("runs/a", "--data", data, "--split", "test")
    result = invoke("runs/a", "--data", data, "--split", "test", "--json", tmp_path / "row.json")
    assert "This is the final test (run 2 of this model on it)" in result.output
    assert [row["test_runs"] for row in json.loads((tmp_path / "row.json").read_text())] == [2, 2]
    assert len((run_folder / "test_runs.jsonl").read_text().splitlines()) == 4


def test_collapse_is_said_in_words(run_folder, data):
    from mien.models.weights import load_network

    network, info = load_network(run_folder)
    network.head.bias.data[4] = 1e3
    save_network(run_folder / "weights.safetensors", network, info)
    result = invoke(run_folder / "weights.safetensors", "--data", data)
    assert "Collapsed to one class: nearly every face is called sad" in result.output


@pytest.mark.usefixtures("run_folder")
def test_a_limit_scores_a_sample_and_stands_in_the_command(data, tmp_path):
    result = invoke("runs/a", "--data", data, "--limit", 5, "--json", tmp_path / "row.json")
    assert "labels-valid · 5 faces" in result.output
    row = json.loads((tmp_path / "row.json").read_text())[0]
    assert row["command"].endswith("--limit 5")
    assert row["data"]["n"] == 5


@pytest.mark.usefixtures("run_folder")
def test_what_a_user_can_mend_is_one_line(data, tmp_path):
    """`main` prints these on one line and exits with 2."""
    cases = [
        (("resnet81", "--data", data), UnknownNameError, "No model is called 'resnet81'"),
        (
            ("runs/missing.onnx", "--data", data),
            MienError,
            "There is no model file runs/missing.onnx",
        ),
        (("runs/a", "--data", data, "--json", tmp_path), ConfigError, "is a folder. Name a file."),
        (("runs/no", "--data", data, "--json", f"{data}/a.json"), ConfigError, "cannot be written"),
        (("runs/a", "--data", data, "--report", data), InputError, "--report names a file"),
        (("runs/a", "--data", tmp_path / "no"), DataError, "no"),
    ]
    for arguments, kind, message in cases:
        error = invoke(*arguments).exception
        assert isinstance(error, kind), (arguments, error)
        assert message in str(error)
        assert "\n" not in str(error)


@pytest.mark.usefixtures("run_folder")
@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_gpu_that_is_not_there_is_refused(data):
    error = invoke("runs/a", "--data", data, "--device", "cuda").exception
    assert isinstance(error, ConfigError)
    assert "choose --device cpu" in str(error)


def test_a_device_is_for_trained_weights(data):
    error = invoke("mien-s", "--data", data, "--device", "cuda").exception
    assert isinstance(error, InputError)
    assert "mien-s is a model file" in str(error)


@pytest.mark.usefixtures("run_folder")
def test_usage_errors_exit_with_2(data):
    for wrong in (("--split", "all"), ("--views", "nine"), ("--batch-size", "0"), ("--limit", "0")):
        assert invoke("runs/a", "--data", data, *wrong).exit_code == 2
    assert invoke("runs/a").exit_code == 2


@pytest.mark.usefixtures("run_folder")
def test_predictions_are_written_for_people_and_for_comparing(data, tmp_path):
    from mien.evaluation.predictions import read_predictions

    for name in ("p.npz", "p.csv"):
        result = invoke("runs/a", "--data", data, "--predictions", tmp_path / name)
        assert result.exit_code == 0, result.output
    seven, eight = read_predictions(tmp_path / "p.npz")
    assert (seven.protocol, eight.protocol) == ("labels-valid", "ferplus-majority-valid")
    assert seven.rows.tolist() == list(range(14, 28))
    assert seven.model_sha256 is not None
    lines = (tmp_path / "p.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 * 14
    assert lines[1].startswith("labels-valid,14,angry,")


@pytest.mark.usefixtures("run_folder")
def test_slices_are_shown_in_full_with_columns_of_one_s_own(data, tmp_path):
    (tmp_path / "c.csv").write_text(
        "row,side\n" + "".join(f"{i},{'lr'[i % 2]}\n" for i in range(42))
    )
    row_file = tmp_path / "row.json"
    arguments = ("--columns", tmp_path / "c.csv", "--min-group", 5, "--json", row_file)
    result = invoke("runs/a", "--data", data, *arguments)
    assert result.exit_code == 0, result.output
    shown = " ".join(result.output.split())
    assert "by chance: how often groups of these sizes, drawn at random, differ as widely" in shown
    assert "brightness: " in shown  # pictures in groups that are too small
    groups = json.loads(row_file.read_text())[0]["slices"]["side"]["groups"]
    assert {name: group["n"] for name, group in groups.items()} == {"l": 7, "r": 7}
    in_short = invoke("runs/a", "--data", data, "--min-group", 4)
    assert "accuracy by brightness, %: dark " in in_short.output
    assert "by chance" not in in_short.output


@pytest.mark.usefixtures("run_folder")
def test_columns_that_make_no_slice_are_named(data, tmp_path):
    lines = [f"{i},{i // 3},same" for i in range(42)]
    (tmp_path / "c.csv").write_text("\n".join(["row,triple,constant", *lines]))
    result = invoke("runs/a", "--data", data, "--columns", tmp_path / "c.csv", "--min-group", 5)
    shown = " ".join(result.output.split())
    assert "note: 'triple' is no slice of labels-valid: it has no two groups of 5 pictures" in shown
    assert "note: 'constant' is no slice" in shown


@pytest.mark.usefixtures("run_folder")
def test_a_column_called_as_a_slice_of_mien_s_own_is_refused(data, tmp_path):
    lines = [f"{i},{'ab'[i % 2]}" for i in range(42)]
    (tmp_path / "c.csv").write_text("\n".join(["row,brightness", *lines]))
    result = invoke("runs/a", "--data", data, "--columns", tmp_path / "c.csv")
    assert "The column 'brightness' is called as a slice that mien makes itself" in str(
        result.exception
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,side\na.png,l\n", "says nothing about 14"),
        ("brightness\n" + 14 * "a\n", "mien makes"),
    ],
)
def test_columns_are_read_before_the_scoring(run_folder, data, tmp_path, text, words):
    network, info = load_network(run_folder)
    next(network.parameters()).data.fill_(3e38)
    save_network(run_folder / "weights.safetensors", network, info)
    (tmp_path / "c.csv").write_text(text)
    assert "NaN" in str(invoke("runs/a", "--data", data).exception)
    result = invoke("runs/a", "--data", data, "--columns", tmp_path / "c.csv")
    assert words in str(result.exception)


@pytest.mark.usefixtures("run_folder")
def test_slices_without_groups_that_are_large_enough_say_so(data):
    shown = " ".join(invoke("runs/a", "--data", data, "--slices").output.split())
    assert "none has two groups that are large enough. Lower --min-group" in shown
    assert "by chance" not in shown
    assert "(–––)" not in shown  # the interval of a class without faces


def test_the_default_of_small_groups_is_that_of_slices():
    import inspect

    from mien.cli.evaluate import evaluate
    from mien.evaluation.slices import MIN_GROUP

    assert inspect.signature(evaluate).parameters["min_group"].default == MIN_GROUP


@pytest.mark.usefixtures("run_folder")
def test_clean_lists_leave_copies_out_under_a_name_of_their_own(data, tmp_path):
    from mien.data.catalog import open_dataset
    from mien.data.clean import CleanLists, write_clean

    opened = open_dataset(data, size=16)
    lists = CleanLists(
        content_hash=opened.content_hash,
        num_rows=42,
        left_out={"copy": np.array([14, 15, 0]), "blank": np.array([20])},
    )
    write_clean(lists, tmp_path / "lists.json")
    arguments = ("--clean", tmp_path / "lists.json", "--json", tmp_path / "row.json")
    result = invoke("runs/a", "--data", data, *arguments)
    assert result.exit_code == 0, result.output
    rows = json.loads((tmp_path / "row.json").read_text())
    assert [row["protocol"] for row in rows] == [
        "labels-valid-clean",
        "ferplus-majority-valid-clean",
    ]
    assert rows[0]["data"]["n"] == 12  # of 14; the blank one is no copy and stays
    assert rows[0]["command"].endswith("--clean lists.json")
    limited = invoke("runs/a", "--data", data, "--limit", 14, *arguments)
    assert "labels-valid-clean · 12 faces" in limited.output


@pytest.mark.usefixtures("run_folder")
def test_clean_lists_that_leave_nothing_are_refused(data, tmp_path):
    from mien.data.catalog import open_dataset
    from mien.data.clean import CleanLists, write_clean

    opened = open_dataset(data, size=16)
    everything = {"copy": np.arange(42)}
    lists = CleanLists(content_hash=opened.content_hash, num_rows=42, left_out=everything)
    write_clean(lists, tmp_path / "lists.json")
    error = invoke("runs/a", "--data", data, "--clean", tmp_path / "lists.json").exception
    assert "The clean lists leave nothing of the valid split; make them anew" in str(error)


@pytest.mark.usefixtures("run_folder")
def test_predictions_that_could_not_be_written_are_refused_at_once(data, tmp_path):
    (tmp_path / "folder.npz").mkdir()
    for place, message in (
        (tmp_path / "folder.npz", "folder.npz is a folder"),
        ("p.txt", "p.txt ends in '.txt'; expected .npz or .csv"),
    ):
        error = invoke("runs/a", "--data", data, "--predictions", place).exception
        assert message in str(error)


def test_the_uniform_prior_stands_in_heading_command_and_row(run_folder, data, tmp_path):
    from mien.models.weights import load_network

    refused = invoke("runs/a", "--data", data, "--prior", "uniform")
    assert "does not say how frequent its labels were" in str(refused.exception)
    network, info = load_network(run_folder)
    heads = tuple(
        dataclasses.replace(
            head, prior=(0.3, *[0.7 / (len(head.labels) - 1)] * (len(head.labels) - 1))
        )
        for head in info.heads
    )
    info = dataclasses.replace(info, heads=heads)
    save_network(run_folder / "weights.safetensors", network, info)
    command = ("runs/a", "--data", data, "--prior", "uniform", "--json", tmp_path / "row.json")
    result = invoke(*command)
    assert "untrained, uniform prior on labels-valid" in result.output
    row = json.loads((tmp_path / "row.json").read_text())[0]
    assert row["prior"] == "uniform"
    assert row["command"].endswith("--views none --prior uniform")
    invoke("runs/a", "--data", data, "--json", tmp_path / "plain.json")
    plain = json.loads((tmp_path / "plain.json").read_text())[0]
    assert plain["prior"] == "training"
    angry = [sum(line[0] for line in one["scores"]["confusion"]) for one in (plain, row)]
    assert angry[1] <= angry[0]  # the frequent label is answered no more often than before
    assert row["scores"]["calibrated"]["nll"] != plain["scores"]["calibrated"]["nll"]
    from mien.evaluation.predictions import read_predictions

    invoke(*command[:-2], "--predictions", tmp_path / "p.npz")
    assert read_predictions(tmp_path / "p.npz")[0].model == "untrained, uniform prior"


@pytest.mark.usefixtures("run_folder")
def test_rows_of_a_sample_keep_their_numbers(data, tmp_path):
    """So that a column, or a sheet of mistakes, is about the same pictures with --limit and without it."""
    from mien.evaluation.predictions import read_predictions

    groups = "".join(f"{i},{i}\n" for i in range(42))
    (tmp_path / "c.csv").write_text("row,number\n" + groups.replace(",1", ",x1"))
    arguments = ("--limit", 5, "--predictions", tmp_path / "p.npz", "--columns", tmp_path / "c.csv")
    result = invoke("runs/a", "--data", data, *arguments)
    assert result.exit_code == 0, result.output
    sampled = read_predictions(tmp_path / "p.npz")[0]
    invoke("runs/a", "--data", data, "--predictions", tmp_path / "all.npz")
    whole = read_predictions(tmp_path / "all.npz")[0]
    assert set(sampled.rows) < set(whole.rows)
    assert sampled.rows.max() > 18  # the first five would end there
    at = np.searchsorted(whole.rows, sampled.rows)
    np.testing.assert_allclose(sampled.logits, whole.logits[at], atol=1e-4)
