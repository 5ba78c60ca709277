"""Results that other studies have already: the same recipe and seed on the same faces make the same run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.errors import ConfigError
from mien.recipe import Recipe, recipe_from_dict
from mien.studies.design import recipe_tables, with_settings
from mien.studies.storage import read_journal

if TYPE_CHECKING:
    import optuna

__all__ = ["known_results", "run_key"]

_SAME_ANYWHERE = ("finished", "collapsed", "diverged")
"""How a run ends by itself; a pruner looks at other runs, and memory is a matter of the machine."""


def run_key(recipe: Recipe, data_hash: str, behind: Mapping[str, str]) -> str:
    """Return what two runs have in common when they are the same training, whatever their studies are called.

    Args:
        recipe: Of the run, with its seed.
        data_hash: Of the data set; see `Dataset.content_hash`.
        behind: Checksums of the weights that it began with and learnt from; see `mien.training.start.weights_behind`.
    """
    tables = recipe.as_dict() | {"name": "", "data set": data_hash}
    # The hash says which faces, wherever they lie.
    tables["data"] = {**tables["data"], "source": ""}
    # As do checksums which weights. Runs from before they were written down have their paths here, and are like no other.
    tables["init"] = behind.get("init", recipe.init)
    teacher = behind.get("teacher", recipe.distill.teacher)
    tables["distill"] = {**tables["distill"], "teacher": teacher}
    return hashlib.sha256(json.dumps(tables, sort_keys=True).encode()).hexdigest()


def known_results(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the results of a study's folder by `run_key`, each with its study's name as ``taken_from``.

    Raises:
        ConfigError: If there is no study in the folder, or none with a result.
        MissingExtraError: If Optuna is not installed.
    """
    storage = read_journal(folder)
    import optuna

    results = {}
    for name in optuna.get_all_study_names(storage):
        for key, result in _results(optuna.load_study(study_name=name, storage=storage)):
            results[key] = {**result, "taken_from": result.get("taken_from") or name}
    if not results:
        raise ConfigError(f"The study in {folder} has no result yet that could be taken over.")
    return results


def _results(study: optuna.Study) -> Iterator[tuple[str, Mapping[str, Any]]]:
    frozen = study.user_attrs.get("frozen")
    if frozen is None:  # it was never begun
        return
    base = recipe_from_dict({**recipe_tables(frozen), "name": "base"}, "the study's storage")
    for trial in study.get_trials(deepcopy=False):
        result = trial.user_attrs.get("result")
        if result is None or result["state"] not in _SAME_ANYWHERE:
            continue
        settings, seed = trial.user_attrs["point"]["settings"], trial.user_attrs["seed"]
        recipe = with_settings(base, settings, seed, "", "the study's storage")
        yield run_key(recipe, frozen["data set"], result.get("behind", {})), result
