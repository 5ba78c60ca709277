"""What fine-tuning gives over training from scratch, on few faces of labels of one's own; needs FER2013.

The faces are PublicTest's, which the model that ships was not trained on; its labels are joined to four others: pleased,
troubled, startled, calm. So many of each are drawn for training, of which recipes/finetune.toml holds out a fifth to watch
by; all others are the test. Both runs follow that recipe, on the same faces, with the same network.

    python benchmarks/finetuning.py DATA [--init mien-s] [--faces 20 100] [--seeds 3]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mien.data import open_dataset
from mien.data.dataset import SPLITS, Dataset
from mien.evaluation.evaluate import predict_logits
from mien.evaluation.metrics import accuracy, confusion_matrix, macro_f1
from mien.models.predict import network_predictor
from mien.models.weights import load_network
from mien.recipe import Recipe, load_recipe
from mien.training.loop import Progress, Trainer
from mien.training.run import train
from mien.training.run_folder import RunFolder
from mien.training.start import with_model_of_init

RECIPE = Path(__file__).parents[1] / "recipes" / "finetune.toml"

OWN = {
    "pleased": ("happy",),
    "troubled": ("angry", "disgust", "fear", "sad"),
    "startled": ("surprise",),
    "calm": ("neutral",),
}


class Silent:
    """Hears of everything and says nothing."""

    def teacher(self, num_answered: int, num_faces: int) -> None:
        """A teacher answers first."""

    def begin(self, run: RunFolder, trainer: Trainer) -> None:
        """Training starts."""

    def batch(self, progress: Progress) -> None:
        """A batch is done."""

    def epoch(self, row: Mapping[str, Any]) -> None:
        """An epoch is done."""


def main() -> None:
    """Train both ways and print what each scores."""
    asked = _arguments()
    faces = own_labels(open_dataset(asked.data))
    recipe = replace(load_recipe(RECIPE), init=asked.init)
    ways = {"fine-tuned": recipe, "from scratch": replace(with_model_of_init(recipe), init="")}
    print("faces a label  seed  way           accuracy  macro-F1  test faces  seconds")
    for num in asked.faces:
        for seed in range(asked.seeds):
            slice_ = draw(faces, num, seed)
            for name, how in ways.items():
                started = time.perf_counter()
                scores = score(replace(how, seed=seed, name="own"), slice_)
                print(
                    f"{num:13d}  {seed:4d}  {name:<12}  {scores[0]:7.1%}  {scores[1]:8.3f}  "
                    f"{len(slice_.rows('test')):10,}  {time.perf_counter() - started:7.0f}",
                    flush=True,
                )


def own_labels(dataset: Dataset) -> Dataset:
    """Return PublicTest with the four labels."""
    names = list(OWN)
    of_label = {old: names.index(new) for new, olds in OWN.items() for old in olds}
    places = np.array([of_label[label] for label in dataset.label_names])
    chosen = dataset.take(dataset.rows("valid"))
    return replace(chosen, labels=places[chosen.labels], label_names=tuple(names), votes=None)


def draw(faces: Dataset, num: int, seed: int) -> Dataset:
    """Put ``num`` faces of each label into training and the others into test."""
    rng = np.random.default_rng(seed)
    split = np.full(len(faces), SPLITS.index("test"), np.uint8)
    for label in range(len(OWN)):
        split[rng.permutation(np.flatnonzero(faces.labels == label))[:num]] = SPLITS.index("train")
    return replace(faces, split=split)


def score(recipe: Recipe, faces: Dataset) -> tuple[float, float]:
    """Train, and return accuracy and macro-F1 on the test faces."""
    with tempfile.TemporaryDirectory() as folder:
        train(recipe, faces, RunFolder(Path(folder) / "run"), Silent())
        network, info = load_network(Path(folder) / "run")
    rows = faces.rows("test")
    logits = predict_logits(network_predictor(network, info), faces.images[rows], info.input)
    confusion = confusion_matrix(faces.labels[rows], logits["own"].argmax(axis=1), len(OWN))
    return float(accuracy(confusion)), float(macro_f1(confusion))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="FER2013 in any layout that mien reads")
    parser.add_argument("--init", default="mien-s", help="weights to start from")
    parser.add_argument("--faces", type=int, nargs="+", default=[20, 100], help="a label")
    parser.add_argument("--seeds", type=int, default=3, help="draws of faces and networks")
    return parser.parse_args()


if __name__ == "__main__":
    main()
