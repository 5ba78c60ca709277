"""What is looked at before the runs of a study, so that no hours are spent on what could not be used.

Networks and teachers of all runs before the first one; before each, whether its weights are those that the others had.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from torch import nn

from mien.data.dataset import Dataset
from mien.errors import ConfigError, MienError, ModelFileError
from mien.labels import FER2013, FERPLUS, FERPLUS_VOTES
from mien.models.shapes import shapes_only
from mien.models.zoo import build_network
from mien.recipe import Recipe
from mien.studies.design import Design
from mien.studies.ledger import Run
from mien.training.answers_file import is_answers_file
from mien.training.distillation import open_network
from mien.training.seen_faces import check_sizes, sizes_shown
from mien.training.start import input_spec, network_options, weights_behind, with_model_of_init
from mien.training.targets import head_labels

__all__ = ["check_networks", "check_teachers", "check_weights", "outline"]


def check_networks(design: Design) -> None:
    """Build the network of every point, or of the ends of what is drawn, without memory: a typo is found before the first run.

    Raises:
        ConfigError: If an architecture, or an option of one, is not there or impossible, or faces are too small for it.
    """
    for point in (*design.points(), *design.extremes()):
        try:
            recipe = design.recipe(point.settings, 0, design.name)
            network, channels = outline(recipe), recipe.model.channels
            check_sizes(network, sizes_shown(recipe), channels, recipe.model.name)
        except (MienError, TypeError) as error:
            raise ConfigError(
                f"{design.source}: the value '{point.label}' cannot be trained: {error}"
            ) from None


def check_teachers(design: Design, data: Dataset) -> None:
    """Look at the teacher of every point before the first run; that one is gone is said by a run that still needs it.

    Raises:
        ConfigError: If the teacher of several seeds is a file of answers, which are to the faces of one; or if a network that
            sees what its student sees cannot read that, or has other heads.
    """
    looked: set[str] = set()
    for point in (*design.points(), *design.extremes()):
        recipe = design.recipe(point.settings, 0, design.name)
        told = repr((recipe.distill, recipe.heads, recipe.model, sizes_shown(recipe)))
        if not recipe.distill.teacher or told in looked:
            continue
        looked.add(told)
        if not is_answers_file(Path(recipe.distill.teacher)):
            _check_network_of_teacher(recipe, data, f"{design.source}: the value '{point.label}'")
        elif len(design.seeds) > 1:
            raise ConfigError(
                f"{design.source}: distill.teacher: {recipe.distill.teacher} holds answers to the faces of one seed, and the "
                f"study has {len(design.seeds)}. Give the network that answered, or leave one seed."
            )


def _check_network_of_teacher(recipe: Recipe, data: Dataset, who: str) -> None:
    if recipe.distill.sees == "original":
        return  # asked about the faces as they are, whatever the student is shown
    with contextlib.suppress(ModelFileError):
        recipe = with_model_of_init(recipe)
        labels = [head_labels(head, data) for head in recipe.heads]
        try:
            open_network(recipe.distill, labels, input_spec(recipe), sizes_shown(recipe))
        except ConfigError as error:
            raise ConfigError(f"{who} cannot be trained: {error}") from None


def check_weights(recipe: Recipe, design: Design, runs: Iterable[Run]) -> None:
    """Compare the weights behind a run with those that its study's runs before it had under the same name.

    Raises:
        ConfigError: If they were replaced: a seed more would be of another value, and the study would not know.
        ModelFileError: If they are gone.
    """
    behind = weights_behind(recipe)
    paths = {"init": recipe.init, "teacher": recipe.distill.teacher}
    for run in runs if behind else ():
        before = (run.result or {}).get("behind", {})
        other = design.recipe(run.point.settings, run.seed, recipe.name)
        same = {"init": other.init, "teacher": other.distill.teacher}
        for what, checksum in behind.items():
            if same[what] == paths[what] and before.get(what, checksum) != checksum:
                raise ConfigError(
                    f"{paths[what]} ({what}) was replaced since {run.name} of this study: its SHA-256 is {checksum[:12]}…, "
                    f"and was {before[what][:12]}…. Put it back, or choose another --out."
                )


def outline(recipe: Recipe) -> nn.Module:
    """Build without memory; a head of the data's own labels is taken for one of seven."""
    named = {known.name: len(known) for known in (FER2013, FERPLUS, FERPLUS_VOTES)}
    with shapes_only():
        return build_network(
            recipe.model.name,
            num_classes=sum(named.get(head.labels, len(FER2013)) for head in recipe.heads),
            in_channels=recipe.model.channels,
            **network_options(recipe),
        )
