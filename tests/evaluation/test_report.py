"""The report folder holds the numbers, the pictures, and arrays to count again."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mien.data.dataset import Dataset
from mien.errors import InputError
from mien.evaluation.evaluate import evaluate
from mien.evaluation.predictions import keep_predictions, read_predictions
from mien.evaluation.report import write_report
from mien.evaluation.row import model_facts, result_row
from mien.labels import FER2013, FERPLUS, FERPLUS_VOTES
from mien.modelfile import Head, ModelInfo
from mien.preprocess import InputSpec

INFO = ModelInfo(
    name="tiny",
    heads=(
        Head(name="fer2013", labels=FER2013.labels, temperature=1.4),
        Head(name="ferplus", labels=FERPLUS.labels),
    ),
    input=InputSpec(size=8),
    architecture="none",
)


def brightness(faces):
    """Bright faces are happy in both heads, dark ones sad in the one and neutral in the other."""
    bright = faces.mean(axis=(1, 2), dtype=np.float32) / 64
    seven, eight = (np.zeros((len(faces), n), np.float32) for n in (7, 8))
    seven[:, 3], seven[:, 4], eight[:, 1] = bright, 4 - bright, bright - 2
    return {"fer2013": seven, "ferplus": eight}


@pytest.fixture
def scored(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (30, 1, 1)).repeat(8, 1).repeat(8, 2).astype(np.uint8)
    votes = np.zeros((30, 10), np.uint8)
    votes[:, 1], votes[:, 0] = 7, 3
    data = Dataset(
        images=images,
        labels=np.tile([3, 4, 6], 10),
        label_names=FER2013.labels,
        split=np.repeat(np.array([0, 1], np.uint8), 15),
        votes=votes,
    )
    weights = tmp_path / "w.onnx"
    weights.write_bytes(b"")
    results = evaluate(brightness, INFO, data, "valid")
    rows = [
        result_row(result, model_facts(INFO, weights), "mien evaluate tiny") for result in results
    ]
    answers = [keep_predictions(result, data, rows[0]["model"]) for result in results]
    return results, rows, answers, data


def test_the_folder_holds_numbers_pictures_and_predictions(scored, tmp_path):
    results, rows, answers, data = scored
    folder = tmp_path / "new" / "report"
    (folder / "fer2013").mkdir(parents=True)
    (folder / "report.md").write_text("an earlier one")
    write_report(results, rows, answers, data, folder, num_faces=2)
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*")) == sorted(
        ["predictions.npz", "report.md", "result.json"]
        + [
            f"{head}/{name}"
            for head in ("fer2013", "ferplus")
            for name in (
                "confusion_matrix.png",
                "coverage.png",
                "faces.png",
                "reliability.png",
            )
        ]
    )
    assert json.loads((folder / "result.json").read_text()) == rows


def test_predictions_can_be_counted_again(scored, tmp_path):
    results, rows, answers, data = scored
    write_report(results, rows, answers, data, tmp_path / "report", num_faces=1)
    kept, other = read_predictions(tmp_path / "report")
    assert (kept.protocol, other.protocol) == ("labels-valid", "ferplus-majority-valid")
    assert kept.labels == FER2013.labels
    assert kept.rows.tolist() == list(range(15, 30))
    assert (kept.targets == data.labels[15:]).all()
    share = (kept.probs.argmax(axis=1) == kept.targets).mean()
    assert share == pytest.approx(rows[0]["scores"]["accuracy"]["value"])


def test_the_text_names_both_protocols_n_beside_each_class_and_collapse(scored, tmp_path):
    results, rows, answers, data = scored
    rows[1]["test_runs"] = 2
    answers = [replace(one, model="tiny, uniform prior") for one in answers]
    write_report(results, rows, answers, data, tmp_path / "report", num_faces=1)
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert text.startswith("# tiny, uniform prior on the valid split\n")
    assert "## labels-valid\n" in text
    assert "## ferplus-majority-valid\n" in text
    assert "| happy | 5 | " in text
    assert "| calibrated | 1.40 |" in text
    assert "the predicted class had" in text
    assert "Final test, run 2 of this model on this data." in text
    assert "![confusion matrix](ferplus/confusion_matrix.png)" in text
    assert "fairness between groups of people is not measured" in text
    assert "Collapsed" not in text


@pytest.mark.slow
def test_two_protocols_of_one_head_have_pictures_of_their_own(scored, tmp_path):
    *_, data = scored
    head = Head(name="ten", labels=FERPLUS_VOTES.labels)
    info = replace(INFO, heads=(head,))

    def constant(faces):
        return {"ten": np.eye(10, dtype=np.float32)[np.zeros(len(faces), int)]}

    data.votes[15:20, 8:] = 5  # unknown and NF: no strict majority, and still a most voted column
    results = evaluate(constant, info, data, "valid")
    assert [result.scores.n for result in results] == [10, 15]
    model = {"name": "ten, uniform prior", "sha256": None}
    rows = [result_row(result, model, "mien evaluate ten") for result in results]
    answers = [keep_predictions(result, data, model) for result in results]
    write_report(results, rows, answers, data, tmp_path / "report", num_faces=1)
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    for name in ("ferplus-majority-valid", "ferplus-argmax10-valid"):
        assert f"![faces]({name}/faces.png)" in text
        assert (tmp_path / "report" / name / "faces.png").is_file()


def test_a_collapsed_network_is_named_in_the_text(scored, tmp_path):
    _, rows, answers, data = scored

    def constant(faces):
        answers = brightness(faces)
        answers["fer2013"][:, 0] = 99
        return answers

    results = evaluate(constant, INFO, data, "valid")
    write_report(results, rows, answers, data, tmp_path / "report", num_faces=1)
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "**Collapsed to one class: nearly every picture is called angry.**" in text


def test_a_place_that_is_no_folder_is_named(scored, tmp_path):
    results, rows, answers, data = scored
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"Cannot write the report to .*file: .*Is it a folder"):
        write_report(results, rows, answers, data, tmp_path / "file")
