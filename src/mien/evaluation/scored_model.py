"""A model that somebody names, opened for scoring: one that ships, a model file, or a run folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.errors import MissingExtraError
from mien.evaluation.row import model_facts
from mien.evaluation.views import Predictor
from mien.modelfile import HUB_CONFIG, ModelInfo, list_models, load_model
from mien.paths import cache_dir

if TYPE_CHECKING:
    import torch

__all__ = ["ScoredModel", "open_scored_model"]


@dataclass(frozen=True, eq=False, kw_only=True)
class ScoredModel:
    """What scoring needs of a model."""

    predict: Predictor = field(repr=False)
    info: ModelInfo
    path: Path
    """The file that was read."""
    facts: dict[str, Any] = field(repr=False)
    """From `row.model_facts`."""
    ledger: Path
    """Where its final tests are noted: in the run's own folder, or in mien's cache for a file that has none."""
    device: torch.device | None = None
    """Where a network computes; None for a model for recognising."""


def open_scored_model(name: str, device: str | torch.device = "cpu") -> ScoredModel:
    """Open a model.

    Args:
        name: Of a model that ships, the path of an ``.onnx`` or ``.safetensors`` file, of a run folder or of a
            Hub folder.
        device: Where a network computes, ``"auto"`` for a GPU when there is one; a model for recognising runs on the CPU.

    Raises:
        UnknownNameError: If no model is called so.
        ModelFileError: If the file is missing or damaged.
        MissingExtraError: If it is a network and PyTorch is not installed.
        ConfigError: If a network is to compute on a device that is not there.
    """
    path = Path(name)
    is_run = path.is_dir() and not (path / HUB_CONFIG).is_file()
    if name in list_models() or not (is_run or path.suffix == ".safetensors"):
        opened = load_model(name, threads=0)
        return ScoredModel(
            predict=opened.logits,
            info=opened.info,
            path=opened.path,
            facts=model_facts(opened.info, opened.path),
            ledger=cache_dir() / _LEDGER,
        )
    if find_spec("torch") is None:
        raise MissingExtraError("train", "Evaluating a run folder")
    return _open_network(path, device)


_LEDGER = "test_runs.jsonl"


def _open_network(path: Path, device: str | torch.device) -> ScoredModel:
    from mien.models.macs import count_macs, count_parameters
    from mien.models.predict import network_predictor
    from mien.models.weights import load_network, weights_file
    from mien.runtime import choose_device

    chosen = choose_device(str(device))
    network, info = load_network(path)
    num_macs = count_macs(network, info.input.size, info.input.channels)
    file = weights_file(path)
    return ScoredModel(
        predict=network_predictor(network, info, chosen),
        info=info,
        path=file,
        facts=model_facts(info, file, count_parameters(network), num_macs),
        ledger=(path if path.is_dir() else cache_dir()) / _LEDGER,
        device=chosen,
    )
