"""The whole way from a run to a file that ships: export, quantise, calibrate, score, write down."""

from __future__ import annotations

import dataclasses
import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from mien.data.dataset import SPLITS, Dataset
from mien.data.splits import with_validation
from mien.errors import DataError
from mien.evaluation.calibration import fit_temperature
from mien.evaluation.evaluate import Result, evaluate
from mien.evaluation.selective import coverage_points, fit_thresholds
from mien.exporting.onnx import export_onnx, write_model
from mien.exporting.priors import with_priors
from mien.exporting.quantize import Parity, quantise
from mien.modelfile import Model, ModelInfo, load_model
from mien.models.weights import load_network, save_network
from mien.preprocess import InputSpec, fit

__all__ = [
    "NUM_CALIBRATION_FACES",
    "calibrated",
    "export_model",
    "export_weights",
    "training_faces",
]

NUM_CALIBRATION_FACES = 1024
"""Training faces from which int8 ranges, and what a melted BN saw, are taken."""


def export_model(
    weights: Path, path: Path, *, data: Dataset | None = None, int8: bool = False, name: str = ""
) -> Model:
    """Turn trained weights into a model file.

    With data, int8 ranges come from its training faces, and temperatures, the confidence below which a head is
    unsure, and the scores in the record from its validation faces, in this order: all are of the file that ships.
    If it is what the network was trained on, the heads say how frequent their labels were, for ``prior="uniform"``.

    Args:
        weights: A run folder or a safetensors file.
        path: The ``.onnx`` file to write.
        data: Labelled faces with training and validation splits, or those of which the run itself held validation faces
            out; without, temperatures stay 1.
        int8: Quantise; needs data.
        name: What the model is called; the run's name by default.

    Raises:
        ModelFileError: If the weights cannot be read, or a parity gate does not pass.
        DataError: If int8 is asked for without data, or the data has no validation faces.
    """
    network, info = load_network(weights)
    info = dataclasses.replace(info, name=name or info.name)
    if int8 and data is None:
        raise DataError("int8 needs faces to take its ranges from: --calibrate PATH of a data set.")
    divided = None if data is None else _divided(data, info)
    with tempfile.TemporaryDirectory() as folder:
        model = export_onnx(network, info, Path(folder) / "fp32.onnx")
        notes: dict[str, Any] = {"precision": "fp32"}
        if int8 and divided is not None:
            calibration = functools.partial(training_faces, divided, info.input)
            check = _fitted(divided, divided.rows("valid"), info.input)
            model, parity = quantise(model, Path(folder) / "int8.onnx", calibration, check)
            notes = {"precision": "int8", **_parity_note(parity)}
        info = dataclasses.replace(info, provenance={**info.provenance, "export": notes})
        if data is not None and divided is not None:
            info = calibrated(model, with_priors(info, data), divided)
        write_model(onnx.load(model.path), info, path)
    return load_model(path)


def _divided(data: Dataset, info: ModelInfo) -> Dataset:
    """Return the data with validation faces: its own, or else those that the run held out of this very data."""
    if (data.split == SPLITS.index("valid")).any():
        return data
    fraction = info.provenance.get("recipe", {}).get("data", {}).get("valid_fraction")
    if not fraction:
        raise DataError(
            "This data has no validation faces, on which confidences are fitted. Put some of each label into valid/, apart "
            "from those that were trained on."
        )
    if info.provenance.get("data_hash") != data.content_hash:
        raise DataError(
            f"This data has no validation faces of its own, and those that {info.name} held out cannot be told: it was "
            "trained on other data, or on this before something of it was changed."
        )
    return with_validation(data, fraction, info.provenance["seed"])


def export_weights(weights: Path, path: Path, *, name: str = "") -> ModelInfo:
    """Write trained weights at half precision: half the size, for whoever trains on from them (`recipe.Recipe.init`).

    Args:
        weights: A run folder or a safetensors file.
        path: The ``.safetensors`` file to write; its folder exists.
        name: What the model is called; the run's name by default.

    Raises:
        ModelFileError: If the weights cannot be read, or the disk does not take the file.
    """
    network, info = load_network(weights)
    provenance = {**info.provenance, "export": {"precision": "fp16"}}
    info = dataclasses.replace(info, name=name or info.name, provenance=provenance)
    save_network(path, network, info, half=True)
    return info


def training_faces(data: Dataset, spec: InputSpec, draw: int = 0) -> NDArray[np.uint8]:
    """Return (N, S, S[, 3]) training faces, at most `NUM_CALIBRATION_FACES`, the same at every call with the same draw."""
    rows = data.rows("train")
    if len(rows) > NUM_CALIBRATION_FACES:
        chosen = np.random.default_rng(draw).choice(rows, NUM_CALIBRATION_FACES, replace=False)
        rows = np.sort(chosen)
    return _fitted(data, rows, spec)


def _fitted(data: Dataset, rows: NDArray[np.intp], spec: InputSpec) -> NDArray[np.uint8]:
    return np.stack([fit(image, spec) for image in data.images[rows]])


def _parity_note(parity: Parity) -> dict[str, Any]:
    first = {"first_block": "fp32"} if parity.keeps_first else {}
    draw = {"calibration_draw": parity.draw} if parity.draw else {}
    return {
        **first,
        **draw,
        "same_answer_as_fp32": {name: round(part, 4) for name, part in parity.agreement.items()},
        "compared_on": f"{parity.num_faces} {SPLITS[1]} faces",
    }


def calibrated(model: Model, info: ModelInfo, data: Dataset) -> ModelInfo:
    """Return the record with each head's temperature, then its threshold, fitted on the validation split, and the scores there.

    Args:
        model: Whose logits they are.
        info: Its record, as it will be written.
        data: Labelled faces with a validation split.
    """
    results = evaluate(model.logits, info, data, "valid")
    fitted = {r.head.name: fit_temperature(r.logits, r.targets) for r in results}
    heads = tuple(
        dataclasses.replace(head, temperature=fitted.get(head.name, head.temperature))
        for head in info.heads
    )
    info = dataclasses.replace(info, heads=heads)
    results = evaluate(model.logits, info, data, "valid")
    thresholds = {
        r.head.name: fit_thresholds(*_answers(r), num_labels=len(r.head.labels)) for r in results
    }
    heads = tuple(
        dataclasses.replace(head, unsure_below=thresholds.get(head.name)) for head in info.heads
    )
    scores = {r.protocol: _score_note(r, thresholds[r.head.name]) for r in results}
    return dataclasses.replace(info, heads=heads, scores=scores)


def _answers(
    result: Result,
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.bool_]]:
    """Return (n,) how sure each answer is, (n,) which label it is, and (n,) whether it is right."""
    return result.probs.max(axis=1), result.predictions, result.predictions == result.targets


def _score_note(result: Result, thresholds: tuple[float, ...]) -> dict[str, Any]:
    scores = result.scores
    confidence, answers, correct = _answers(result)
    is_answered = confidence >= np.array(thresholds)[answers]
    return {
        "n": scores.n,
        "views": result.views,
        "accuracy": round(scores.rates["accuracy"].value, 4),
        "macro_f1": round(scores.rates["macro_f1"].value, 4),
        "ece_15": round(scores.calibrated.ece, 4),
        "unsure": {
            "below": {
                label: round(threshold, 4)
                for label, threshold in zip(result.head.labels, thresholds, strict=True)
            },
            "coverage": round(float(is_answered.mean()), 4),
            "accuracy": round(float(correct[is_answered].mean()), 4),
        },
        "risk_coverage": coverage_points(confidence, correct),
    }
