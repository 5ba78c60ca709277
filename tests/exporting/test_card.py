"""The model card: up to date, complete, and honest about what it lacks."""

import functools
import json
import operator
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mien.cli.card import CARD_COMMAND
from mien.data.dataset import Dataset
from mien.errors import DataError
from mien.evaluation.evaluate import evaluate
from mien.evaluation.robustness import robustness, robustness_row
from mien.evaluation.row import model_facts, result_row, write_rows
from mien.exporting.card import model_card
from mien.exporting.card_facts import card_facts, cost
from mien.labels import FER2013
from mien.modelfile import list_models, load_model

ROOT = Path(__file__).parents[2]


def test_the_card_of_this_repository_is_up_to_date():
    facts = [card_facts(load_model(name), ROOT / "results") for name in list_models()]
    card = (ROOT / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert model_card(facts, CARD_COMMAND) == card, "run: mien card"


def test_every_refused_use_and_every_section_is_in_the_card_of_this_repository():
    card = (ROOT / "MODEL_CARD.md").read_text(encoding="utf-8")
    refused = card.partition("**Refused**")[2].partition("## ")[0].lower()
    for word in ("grading", "hiring", "policing", "diagnosis", "education", "workplace", "union"):
        assert word in refused
    for part in (
        "## Data",
        "**Licence of the data.**",
        "## Training",
        "**Calibration**",
        "**Unsure**",
        "true ↓ answered →",
        "**Slices**",
        "**Balanced mode**",
        "**Worse pictures**",
        "## Known weak points",
        "## Cost",
        "## Licence",
    ):
        assert part in card


def test_the_card_says_what_a_run_began_with_and_who_taught_it():
    facts = card_facts(load_model("mien-s"), ROOT / "results")
    record = dict(facts.info.provenance)
    distill = {"teacher": "two.safetensors", "temperature": 3.0, "weight": 0.5}
    of_run, of_imagenet = "Begun with the weights of the run", "Begun with torchvision's weights"
    before_that = "Before that, ImageNet's pictures were learned from"
    for told, imagenet, said in (
        ({"init": "first"}, False, f"{of_run} first. Heads: "),
        ({"init": "first"}, True, f"{of_run} first. {before_that}. Heads: "),
        ({"init": "imagenet"}, True, f"{of_imagenet} from ImageNet. Heads: "),
        ({"init": "imagenet"}, False, f"{of_run} imagenet. Heads: "),
        (
            {"distill": distill},
            False,
            "  Taught by two.safetensors (temperature 3, weight 0.5). Heads: ",
        ),
        (
            {"distill": distill},
            True,
            f"  Taught by two.safetensors (temperature 3, weight 0.5). {before_that}. Heads: ",
        ),
        ({}, False, "  Heads: "),
    ):
        recipe = {**record["recipe"], "init": "", "distill": {"teacher": ""}, **told}
        provenance = {**record, "recipe": recipe, "imagenet": imagenet}
        info = replace(facts.info, provenance=provenance)
        card = model_card([replace(facts, info=info)], "mien card")
        assert f"{said}fer2013" in card
        assert ("- Nothing else: no other faces, and no weights" in card) != imagenet
        assert ("- **ImageNet's pictures**, in the weights behind mien-s" in card) == imagenet


def test_the_card_says_how_a_run_was_to_end_and_what_was_not_changed():
    facts = card_facts(load_model("mien-s"), None)
    recipe = facts.info.provenance["recipe"]
    train = {**recipe["train"], "stop_patience": 3}
    augment = {key: value and type(value)() for key, value in recipe["augment"].items()}
    recipe = {**recipe, "train": train, "augment": augment}
    info = replace(facts.info, provenance={**facts.info.provenance, "recipe": recipe})
    card = model_card([replace(facts, info=info)], "mien card")
    until = "At most 40 epochs, until 3 brought no gain on validation faces; weights kept: last."
    assert f"Augmentation: none. {until}" in card
    assert "fixed beforehand" not in card


def test_what_was_only_scored_on_fer2013_was_not_trained_on_it():
    facts = card_facts(load_model("mien-s"), ROOT / "results")
    record = {**facts.info.provenance, "data_hash": "0" * 64}
    heads = tuple(replace(head, prior=None) for head in facts.info.heads)
    info = replace(facts.info, provenance=record, heads=heads)
    card = model_card([replace(facts, info=info)], "mien card")
    assert "Nothing else: no other faces" not in card
    assert "Data of its maker's own" in card
    # Without rows the record's own frequencies of labels tell whose faces the scores are of.
    for told, is_fer2013 in ((facts.info, True), (info, False)):
        card = model_card([replace(facts, info=told, rows=[])], "mien card")
        assert ("28,709 are for training" in card) is is_fer2013


def test_the_card_says_on_which_faces_the_confidence_was_chosen():
    facts = card_facts(load_model("mien-s"), None)
    assert "a confidence that was chosen on PublicTest;" in model_card([facts], "mien card")
    own = {"labels-valid": facts.info.scores["fer2013-publictest"]}
    card = model_card([replace(facts, info=replace(facts.info, scores=own))], "mien card")
    assert "a confidence that was chosen on these validation faces;" in card
    assert "PublicTest" not in card


@pytest.fixture(scope="module")
def results(tiny_model_path, tmp_path_factory):
    """A results folder of the brightness model on 42 grey faces: rows, balanced rows, robustness."""
    model = load_model(tiny_model_path)
    # Black is sad and white is happy; every third white one is labelled neutral.
    labels = np.tile([4, 3, 4, 3, 4, 6], 7)
    images = np.where(labels == 4, 0, 255)[:, None, None] * np.ones((1, 48, 48))
    data = Dataset(
        images=images.astype(np.uint8),
        labels=labels.astype(np.int64),
        label_names=FER2013.labels,
        split=np.ones(42, np.uint8),
    )
    folder = tmp_path_factory.mktemp("results")
    facts = model_facts(model.info, model.path)
    rows = [
        result_row(result, facts, "mien evaluate tiny")
        for result in evaluate(model.logits, model.info, data, "valid")
    ]
    write_rows(rows, folder / "tiny.json")
    write_rows([{**row, "prior": "uniform"} for row in rows], folder / "balanced" / "tiny.json")
    scores = robustness(model.logits, model.info, data)
    row = robustness_row(
        scores, facts, data, split="valid", views="none", seed=0, command="mien robustness tiny"
    )
    write_rows([row], folder / "robustness" / "tiny.json")
    return folder


def lines_of(card, start):
    return [line for line in card.splitlines() if line.startswith(start)]


@pytest.mark.slow
def test_figures_are_those_of_the_rows(results, tiny_model_path):
    card = model_card([card_facts(load_model(tiny_model_path), results)], "mien card")
    (scores,) = lines_of(card, "| labels-valid | none | 42 |")
    assert "| 83.3 (" in scores  # 35 of 42
    assert lines_of(card, "| sad | 21 | 100.0 (84.5–100.0) |")  # Wilson's interval of 21 of 21
    assert lines_of(card, "| neutral | 0 | 0 | 0 | 7 | 0 | 0 | 0 | 7 |")
    assert "Its commonest mistake: neutral called happy, 7 times." in card
    # A third of the light leaves white faces grey: 255 · 0.3 is called sad, 14 happy ones are lost.
    assert "light × 0.3: 50.0" in lines_of(card, "| darker |")[0]
    assert "drop 33.3 (" in lines_of(card, "| darker |")[0]
    assert lines_of(card, "| accuracy % | 42 | 83.3")[0].endswith("| +0.0 |")
    assert "FER2013" not in card.partition("## Data")[2].partition("## Training")[0]


@pytest.mark.slow
def test_an_earlier_model_stands_beside_what_it_lost(results, tiny_model_path, tmp_path):
    rows = json.loads((results / "robustness" / "tiny.json").read_text(encoding="utf-8"))
    write_rows(rows, tmp_path / "robustness" / "tiny.json")
    write_rows(rows, tmp_path / "robustness" / "before" / "tiny.json")
    model = load_model(tiny_model_path)
    assert "model before" not in model_card([card_facts(model, tmp_path)], "mien card")
    for row in rows:
        row["model"]["sha256"], row["clean"] = "0" * 64, 0.125
        row["corruptions"][1]["accuracy"]["value"] = 0.0625
    write_rows(rows, tmp_path / "robustness" / "before" / "tiny.json")
    card = model_card([card_facts(model, tmp_path)], "mien card")
    assert "model before 12.5 %:" in card
    assert lines_of(card, "| darker |")[0].split("|")[5].startswith(" light × 0.5: 6.2 (")


@pytest.mark.slow
def test_rows_of_an_earlier_file_make_no_card(results, tiny_model_path, tmp_path):
    for place in ("tiny.json", "balanced/tiny.json", "robustness/tiny.json"):
        rows = json.loads((results / place).read_text(encoding="utf-8"))
        for row in rows:
            row["model"] = {**row["model"], "sha256": "0" * 64}
        folder = tmp_path / place.replace("/", "-")
        write_rows(rows, folder / place)
        with pytest.raises(
            DataError,
            match=r"holds a row of another tiny .*SHA-256 000000000000; .*it again: mien (ev|ro)",
        ):
            card_facts(load_model(tiny_model_path), folder)


def test_damaged_rows_are_named(tiny_model_path, tmp_path):
    (tmp_path / "robustness").mkdir()
    (tmp_path / "robustness" / "x.json").write_text("[{")
    with pytest.raises(DataError, match=r"x.json cannot be read as JSON"):
        card_facts(load_model(tiny_model_path), tmp_path)


@pytest.mark.parametrize(
    ("place", "fields"),
    [
        ("mien-s-publictest.json", ("scores", "calibrated", "nll")),
        ("mien-s-publictest.json", ("slices", "contrast", "groups", "flat", "accuracy", "low")),
        ("balanced/mien-s-publictest.json", ("views",)),
        ("robustness/mien-s-publictest.json", ("model",)),
        ("robustness/mien-s-publictest.json", ("clean",)),
    ],
)
def test_what_a_row_lacks_is_named_with_its_file(tmp_path, place, fields):
    shutil.copytree(ROOT / "results", tmp_path, dirs_exist_ok=True)
    rows = json.loads((tmp_path / place).read_text(encoding="utf-8"))
    *way, last = fields
    del functools.reduce(operator.getitem, way, rows[0])[last]
    write_rows(rows, tmp_path / place)
    with pytest.raises(DataError, match=f"{place} has a result row without {last}. Measure it"):
        model_card([card_facts(load_model("mien-s"), tmp_path)], "mien card")


def test_without_rows_the_card_says_so(tiny_model_path):
    card = model_card([card_facts(load_model(tiny_model_path), None)], "mien card")
    assert "From the model file's own record; no further rows were given." in card
    assert "**To be added by whoever passes the model on**" in card
    assert "| tiny | not recorded | – | – | – |" in card


def test_cost_is_time_and_power(tiny_model_path):
    info = load_model(tiny_model_path).info
    run = {"train_seconds": 7200, "machine": {"cores": 4}}
    spent = cost(replace(info, provenance=run))
    assert spent.hours == 2
    assert spent.kwh == pytest.approx(2 * 4 * 0.010 * 1.2)  # hours, cores, kW, overhead
    assert spent.kg_co2 == pytest.approx(spent.kwh * 0.48)
    run["machine"]["gpu"] = "H200"
    assert cost(replace(info, provenance=run)).kwh == pytest.approx(2 * 0.740 * 1.2)
    facts = replace(card_facts(load_model(tiny_model_path), None), info=info)
    for seconds, shown in ((80, "1.3 min"), (360_000, "6,000 min")):
        facts = replace(facts, info=replace(info, provenance={**run, "train_seconds": seconds}))
        (line,) = lines_of(model_card([facts], "mien card"), f"| {info.name} | {shown} | 4 cores")
    assert line.endswith("| 89 kWh | 43,000 g |")
