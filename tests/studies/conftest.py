"""Studies without training: a design file, and runs whose predictions are made up."""

import sys
from pathlib import Path

import numpy as np
import pytest

from mien.data import open_dataset
from mien.evaluation.metrics import accuracy, balanced_accuracy, confusion_matrix, macro_f1
from mien.labels import FER2013
from mien.studies.ledger import Run
from mien.studies.packing import pack
from mien.studies.reading import load_design

# Tests are imported by path, so a module beside them is not found.
sys.path.insert(0, str(Path(__file__).parent))

RECIPE = """
[data]
source = "synthetic:240"
size = 24
valid_fraction = 0.25
[model]
name = "mlp"
options = { depth = 1, width = 16, activation = "relu" }
[optimizer]
name = "adam"
lr = 0.003
[train]
epochs = 3
batch_size = 16
precision = "fp32"
"""

STUDY = """
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
def write_study_file(tmp_path):
    """Return a function that writes a study, and the recipe that it starts from, and gives the study's path."""

    def write(study: str = STUDY, recipe: str = RECIPE, name: str = "small.toml") -> Path:
        (tmp_path / "base.toml").write_text(recipe)
        path = tmp_path / name
        path.write_text(study)
        return path

    return write


@pytest.fixture
def design(write_study_file):
    return load_design(write_study_file())


def made_up_run(point, seed, share_right, *, n=400, number=0, state="finished", detail=""):
    """A run that is right on so many pictures; all else, down to the curve, follows from its arguments."""
    rng = np.random.default_rng([seed, round(1000 * share_right)])
    targets = np.arange(n) % 7
    right = rng.random(n) < share_right
    predictions = np.where(right, targets, (targets + 1) % 7)
    if state == "collapsed":
        predictions = np.full(n, 3)
    scored = state in ("finished", "collapsed")
    confusion = confusion_matrix(targets, predictions, 7)
    rates = {"accuracy": accuracy, "macro_f1": macro_f1, "balanced_accuracy": balanced_accuracy}
    scores = {name: float(rate(confusion)) for name, rate in rates.items()}
    result = {
        "state": state,
        "detail": detail,
        "scores": scores if scored else None,
        "validation": {"loss": 1.0, **scores} if scored else None,
        "protocol": "fer2013-publictest",
        "labels": list(FER2013.labels),
        "n": n,
        "predictions": pack(predictions) if scored else None,
        "targets": pack(targets) if scored else None,
        "curve": [
            {
                "epoch": epoch,
                "train_loss": 2.0 - share_right * epoch / 4,
                "valid_loss": 2.0 - share_right * epoch / 5,
                "train_accuracy": share_right * epoch / 6,
                "valid_accuracy": share_right * epoch / 7,
                "valid_macro_f1": share_right * epoch / 8 + 0.01 * seed,
                "lr": 0.001,
            }
            for epoch in range(1, 6 + seed)
        ],
        "epochs": 5 + seed,
        "seconds": 12.3,
        "parameters": 1000,
    }
    return Run(number=number, point=point, seed=seed, state="ended", epochs=5 + seed, result=result)


@pytest.fixture
def make_run():
    return made_up_run


@pytest.fixture(scope="module")
def faces():
    return open_dataset(Path("synthetic:240"), size=24)
