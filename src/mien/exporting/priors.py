"""How frequent each label was in training: what the uniform prior takes back."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
from numpy.typing import NDArray

from mien.data.dataset import Dataset
from mien.evaluation.protocols import protocols
from mien.modelfile import ModelInfo
from mien.recipe import recipe_from_dict
from mien.training.run import prepare
from mien.training.targets import make_targets

__all__ = ["with_priors"]

logger = logging.getLogger(__name__)


def with_priors(info: ModelInfo, data: Dataset) -> ModelInfo:
    """Return a record whose heads say how frequent each label was in training.

    The record's own recipe decides which faces and which votes counted; a head that learned from shares of votes
    gets the mean shares, one that was fitted again (`refit`) those of the labels that it was fitted on. Nothing is added
    if the record has no recipe, if this is other data than the network was trained on, or if a label never occurred: it
    is then said in the log.

    Args:
        info: A record that `training` wrote.
        data: What the network was trained on, all splits.
    """
    if "recipe" not in info.provenance:
        logger.warning(
            "%s has no recipe in its record, so how frequent its labels were is not known.",
            info.name,
        )
        return info
    if info.provenance.get("data_hash") != data.content_hash:
        logger.warning(
            "%s was trained on other data than was given (%s here), so how frequent its labels were is not known.",
            info.name,
            data.content_hash[:12],
        )
        return info
    recipe = recipe_from_dict(info.provenance["recipe"], f"the record of {info.name}")
    training, _ = prepare(recipe.data, recipe.seed, data)
    # Luck only matters to the mode that draws one vote; over all faces its mean is that of the votes.
    chances = np.random.default_rng(recipe.seed).random(len(training))
    again = _labels_of_refit(info, data)
    heads = []
    for head, options in zip(info.heads, recipe.heads, strict=True):
        if head.name in again:
            total = again[head.name]
        else:
            targets = make_targets(options, training, chances)
            shares = targets.probs / np.maximum(targets.probs.sum(axis=1, keepdims=True), 1)
            total = (shares * targets.counts[:, None]).sum(axis=0, dtype=np.float64)  # (C,)
        if not (total > 0).all():
            logger.warning("Of the head %s some label never occurred in training.", head.name)
            heads.append(dataclasses.replace(head, prior=None) if head.name in again else head)
            continue
        prior = tuple(float(f"{share:.6g}") for share in total / total.sum())
        heads.append(dataclasses.replace(head, prior=prior))
    return dataclasses.replace(info, heads=tuple(heads))


def _labels_of_refit(info: ModelInfo, data: Dataset) -> dict[str, NDArray[np.float64]]:
    """Return for each head that was fitted again (C,) how many training faces had which label then."""
    heads = [head for head in info.heads if head.name in info.provenance.get("refit", {})]
    if not heads:
        return {}
    found = {one.head: one.targets for one in reversed(protocols(info.heads, data, "train"))}
    return {
        head.name: np.bincount(found[head.name], minlength=len(head.labels)).astype(np.float64)
        for head in heads
    }
