"""Result rows hold what one must know, and are written whole or not at all."""

import dataclasses
import json
import os
from datetime import UTC, datetime

import numpy as np
import pytest

from mien.errors import InputError
from mien.evaluation import row as rows
from mien.evaluation.evaluate import Result
from mien.evaluation.scores import score
from mien.labels import FER2013
from mien.modelfile import Head, ModelInfo
from mien.preprocess import InputSpec

INFO = ModelInfo(
    name="mien-s",
    heads=(Head(name="fer2013", labels=FER2013.labels),),
    input=InputSpec(),
    architecture="mien_net",
    provenance={"parameters": 7, "macs": 9, "seed": 3, "commit": "abc", "data_hash": "d0"},
)


@pytest.fixture
def result():
    """Three pictures of which two are right; only two of seven classes occur."""
    targets = np.array([0, 0, 3])
    logits = np.eye(7, dtype=np.float32)[[0, 3, 3]]
    return Result(
        protocol="labels-test",
        head=INFO.heads[0],
        split="test",
        views="none",
        data={"hash": "d1", "layout": "memory"},
        rows=np.arange(3),
        targets=targets,
        logits=logits,
        scores=score(logits, targets, FER2013.labels),
        slices=(),
    )


@pytest.fixture
def facts(tmp_path):
    file = tmp_path / "model.onnx"
    file.write_bytes(b"weights")
    return rows.model_facts(INFO, file)


def test_a_row_holds_everything_that_a_score_needs(result, facts):
    row = json.loads(
        json.dumps(
            rows.result_row(result, facts, "mien evaluate mien-s", test_runs=1), allow_nan=False
        )
    )
    assert row["protocol"] == "labels-test"
    assert row["data"] == {"hash": "d1", "layout": "memory", "split": "test", "n": 3}
    assert (row["views"], row["command"], row["test_runs"]) == ("none", "mien evaluate mien-s", 1)
    assert row["scores"]["accuracy"]["value"] == pytest.approx(2 / 3)
    assert row["scores"]["classes"]["angry"]["recall"] == 0.5
    assert row["scores"]["classes"]["sad"] == {
        "n": 0,
        "recall": None,
        "recall_interval": None,
        "precision": None,
        "f1": None,
    }
    assert row["machine"]["cores"] >= 1
    assert "numpy" in row["machine"]["versions"]
    assert row["commit"]
    assert abs((datetime.now(UTC) - datetime.fromisoformat(row["date"])).total_seconds()) < 60


def test_model_facts_come_from_the_record_or_the_network(facts, tmp_path):
    expected = {
        "name": "mien-s",
        "format": "onnx",
        "bytes": 7,
        "parameters": 7,
        "macs": 9,
        "seed": 3,
        "commit": "abc",
    }
    assert facts.items() >= expected.items()
    # sha256 of the word "weights", by coreutils' sha256sum
    # printf weights | sha256sum
    assert facts["sha256"] == "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c"
    counted = rows.model_facts(INFO, tmp_path / "model.onnx", parameters=70, macs=90)
    assert (counted["parameters"], counted["macs"]) == (70, 90)


@pytest.mark.parametrize(
    ("data", "epochs", "expected"),
    [
        ({"limit": 1500}, 4, "1,500 faces, 4 epochs"),
        ({"limit": 0, "valid_limit": 500}, 1, "all faces, 1 epoch"),
        ({"limit": 0, "valid_limit": 0}, 1, None),
    ],
)
def test_model_facts_say_that_training_was_shortened(facts, tmp_path, data, epochs, expected):
    assert facts["shortened"] is None
    provenance = {**INFO.provenance, "epochs": epochs, "recipe": {"data": data}}
    info = dataclasses.replace(INFO, provenance=provenance)
    shortened = rows.model_facts(info, tmp_path / "model.onnx")["shortened"]
    assert shortened == expected


@pytest.mark.usefixtures("facts")
def test_an_ensemble_of_shortened_runs_was_shortened_too(tmp_path):
    short = {"epochs": 4, "recipe": {"data": {"limit": 1500}}}
    members = [{"provenance": short}, {"provenance": {}}, {"provenance": {**short}}]
    info = dataclasses.replace(INFO, architecture="ensemble", options={"members": members})
    told = rows.model_facts(info, tmp_path / "model.onnx")["shortened"]
    assert told == "1,500 faces, 4 epochs"


def test_model_facts_say_that_imagenet_was_trained_on(facts, tmp_path):
    assert facts["external_data"] is False
    info = dataclasses.replace(INFO, provenance={**INFO.provenance, "imagenet": True})
    assert rows.model_facts(info, tmp_path / "model.onnx")["external_data"] is True


def test_rows_are_written_as_a_list_and_nothing_else_stays(tmp_path):
    path = tmp_path / "new" / "row.json"
    rows.write_rows([{"a": 1}], path)
    rows.write_rows([{"a": 2}, {"b": "é"}], path)
    assert json.loads(path.read_text(encoding="utf-8")) == [{"a": 2}, {"b": "é"}]
    assert [file.name for file in path.parent.iterdir()] == ["row.json"]


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"Cannot write .*row\.json: .*Is its folder writable"):
        rows.write_rows([], tmp_path / "file" / "row.json")


def test_a_full_disk_leaves_the_older_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "row.json"
    rows.write_rows([{"a": 1}], path)

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device"):
        rows.write_rows([{"a": 2}], path)
    assert json.loads(path.read_text()) == [{"a": 1}]
    assert len(list(tmp_path.iterdir())) == 1


def test_test_runs_of_one_model_on_one_data_set_are_counted(tmp_path, result, facts):
    ledger = tmp_path / "deep" / "test_runs.jsonl"
    other = {**facts, "sha256": "0"}
    counts = [rows.count_test_run(ledger, model, result) for model in (facts, facts, other, facts)]
    assert counts == [1, 2, 1, 3]
    first = json.loads(ledger.read_text().splitlines()[0])
    assert (first["model"], first["protocol"], first["data"]) == ("mien-s", "labels-test", "d1")


@pytest.mark.parametrize("line", ["{broken", "3", '["a"]', "null"])
def test_a_damaged_ledger_is_named(tmp_path, result, facts, line):
    ledger = tmp_path / "test_runs.jsonl"
    ledger.write_text(f"{line}\n")
    with pytest.raises(InputError, match=r"Cannot note the test run in .*test_runs\.jsonl"):
        rows.count_test_run(ledger, facts, result)
    assert ledger.read_text() == f"{line}\n"
