"""A folder as the Hugging Face Hub expects it: weights, ONNX files, what they are, and the model card."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx

from mien.checksums import sha256_of
from mien.data.dataset import Dataset
from mien.errors import ConfigError, DataError, ModelFileError
from mien.evaluation.protocols import is_chosen_on
from mien.exporting.card import card_sections
from mien.exporting.card_facts import CardFacts, card_facts
from mien.exporting.export import export_model, training_faces
from mien.exporting.onnx import write_model
from mien.exporting.restore import restore_weights
from mien.labels import FERPLUS
from mien.modelfile import HUB_CONFIG, Model, ModelInfo, list_models, load_model
from mien.models.weights import HUB_WEIGHTS, load_network, weights_file
from mien.paths import weights_dir
from mien.replacing import check_new_folder, whole_folder
from mien.utf8 import write_text

__all__ = ["input_size", "write_hub_folder"]

_FP32, _INT8 = "onnx/model.onnx", "onnx/model_int8.onnx"
"""Where other tools look for ONNX files on the Hub."""


def write_hub_folder(
    source: str,
    folder: Path,
    *,
    data: Dataset | None = None,
    int8: bool = False,
    name: str = "",
    results: Path | None = None,
) -> Model:
    """Write a folder that can be uploaded to the Hub as it is, and that `load_model` reads.

    It holds ``model.safetensors`` (trainable), ``onnx/model.onnx`` (fp32) and, if there is one,
    ``onnx/model_int8.onnx``, ``config.json`` (labels, checksums), ``preprocessor_config.json`` and ``README.md`` (the
    model card). Nothing in it is pickled.

    Args:
        source: A run folder or a safetensors file, from which all is made; or a model that ships, or an ``.onnx`` file,
            which is taken as it is, with the ``.safetensors`` beside it or else with what `restore_weights` makes of it.
        folder: Where to write; it appears whole or not at all.
        data: What to calibrate on; without, the fp32 file has the calibration of the int8 one, if any. Restoring needs it.
        int8: Make an int8 file too; needs data. A model that ships, or an ``.onnx`` file in int8, is its own.
        name: What the model is called; as in its record by default, and always where an ONNX file is taken as it is.
        results: The folder of result rows for the card; None takes the record's scores.

    Returns:
        The model that `load_model` opens in this folder: int8 where there is one.

    Raises:
        InputError: If the folder holds something, or cannot be written.
        ModelFileError: If weights are missing, damaged or another network's, or a parity gate does not pass.
        DataError: If int8 is asked for without data, or weights are to be restored without.
        ConfigError: If another name is asked for where there is an ONNX file.
    """
    check_new_folder(folder)
    weights, ready = _sources(source)
    _check_name(name, ready)
    if int8 and data is None and not _is_int8(ready):
        raise DataError("int8 needs faces to take its ranges from: --calibrate PATH of a data set.")
    if ready is not None and weights is None and data is None:
        raise DataError(
            f"{source} has no trainable weights beside it, and a Hub folder holds them. Give the run folder that it came from, "
            "or --calibrate PATH of the data it was trained on, and they are taken out of the file."
        )
    with whole_folder(folder) as partial:
        (partial / "onnx").mkdir()
        if weights is not None:
            shutil.copyfile(weights, partial / HUB_WEIGHTS)
        elif ready is not None and data is not None:
            model = load_model(ready)
            restore_weights(model, partial / HUB_WEIGHTS, training_faces(data, model.info.input))
        main = _write_onnx(partial / HUB_WEIGHTS, ready, partial, data=data, int8=int8, name=name)
        facts = card_facts(main, results)
        _write_json(partial / HUB_CONFIG, _config(main, partial))
        _write_json(partial / "preprocessor_config.json", _preprocessing(main.info))
        write_text(partial / "README.md", _readme(facts, folder.name))
    return load_model(folder)


def input_size(source: str) -> int:
    """Return the side of the faces that a source of `write_hub_folder` takes, px.

    Raises:
        ModelFileError: If weights are missing or damaged.
    """
    weights, ready = _sources(source)
    info = load_network(weights)[1] if weights else load_model(ready or source).info
    return info.input.size


def _sources(source: str) -> tuple[Path | None, Path | None]:
    """Return the trainable weights and the ONNX file that goes with them; None for what is not there, never both."""
    path = weights_dir() / f"{source}.onnx" if source in list_models() else Path(source)
    if path.suffix == ".onnx":
        weights = path.with_suffix(".safetensors")
        if not weights.is_file():
            return None, path
        _check_same_network(load_network(weights)[1], load_model(path).info, weights)
        return weights, path
    file = weights_file(path)
    if not file.is_file():
        raise ModelFileError(
            f"There are no weights at {file}. Expected a run folder, a .safetensors file, or a model of: mien models"
        )
    return file, None


def _is_int8(ready: Path | None) -> bool:
    if ready is None:
        return False
    return bool(load_model(ready).info.provenance.get("export", {}).get("precision") == "int8")


def _check_name(name: str, ready: Path | None) -> None:
    """Refuse another name than a file's own: it stands in the file, which results are told by to the byte."""
    if name and ready is not None and name != (own := load_model(ready).info.name):
        raise ConfigError(
            f"{ready} is taken as it is, and is called {own}: leave --name {name} out, or give the run that it came from."
        )


def _check_same_network(weights: ModelInfo, ready: ModelInfo, file: Path) -> None:
    """Refuse weights that are not those of the file beside them, as far as their records tell."""
    for what in ("architecture", "options", "input"):
        ours, theirs = getattr(weights, what), getattr(ready, what)
        if ours != theirs:
            raise ModelFileError(
                f"{file} is another network than the ONNX file beside it: {what} is {ours}, there {theirs}. Put the weights "
                "there that it came from, or none."
            )
    for what in ("date", "refit"):
        ours, theirs = weights.provenance.get(what), ready.provenance.get(what)
        if ours != theirs:
            raise ModelFileError(
                f"{file} was trained or fitted otherwise than the ONNX file beside it: {what} is {ours}, there {theirs}. Put the "
                "weights there that it came from, or none."
            )
    if [head.labels for head in weights.heads] != [head.labels for head in ready.heads]:
        raise ModelFileError(
            f"{file} has other labels than the ONNX file beside it. Put the weights there that it came from, or none."
        )


def _write_onnx(
    weights: Path,
    ready: Path | None,
    folder: Path,
    *,
    data: Dataset | None,
    int8: bool,
    name: str,
) -> Model:
    """Write the ONNX files; return the one to use."""
    if ready is None:
        exact = export_model(weights, folder / _FP32, data=data, name=name)
        if not int8:
            return exact
        return export_model(weights, folder / _INT8, data=data, int8=True, name=name)
    info = load_model(ready).info
    if not _is_int8(ready):
        shutil.copyfile(ready, folder / _FP32)
        if int8:
            return export_model(weights, folder / _INT8, data=data, int8=True, name=info.name)
        return load_model(folder / _FP32)
    shutil.copyfile(ready, folder / _INT8)
    exact = export_model(weights, folder / _FP32, data=data, name=info.name)
    if data is None:
        # The same network: its temperatures serve. Its scores do not: they were measured on the int8 file.
        info = dataclasses.replace(exact.info, heads=info.heads, scores={})
        write_model(onnx.load(exact.path), info, exact.path)
    return load_model(folder / _INT8)


def _config(main: Model, folder: Path) -> dict[str, Any]:
    info = main.info
    # The head that `Recognizer` takes, in the words of the Hub's own tools; all heads follow.
    heads = sorted(info.heads, key=lambda head: head.name != FERPLUS.name)
    return {
        "model_type": "mien",
        "architectures": [info.architecture],
        "library_name": "mien",
        "licence": info.licence,
        "id2label": dict(enumerate(heads[0].labels)),
        "label2id": {label: index for index, label in enumerate(heads[0].labels)},
        "heads": [dataclasses.asdict(head) for head in info.heads],
        "input": info.input.as_dict(),
        "options": dict(info.options),
        "onnx_file": main.path.relative_to(folder).as_posix(),
        "files": {
            path.relative_to(folder).as_posix(): {
                "sha256": sha256_of(path),
                "bytes": path.stat().st_size,
            }
            for path in sorted((folder / HUB_WEIGHTS, *folder.glob("onnx/*.onnx")))
        },
    }


def _preprocessing(info: ModelInfo) -> dict[str, Any]:
    """The steps of `mien.preprocess` under the names that image processors on the Hub have."""
    spec = info.input
    return {
        "do_convert_grayscale": spec.channels == 1,
        "do_resize": True,
        "size": {"height": spec.size, "width": spec.size},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [spec.mean] * spec.channels,
        "image_std": [spec.std] * spec.channels,
    }


def _readme(facts: CardFacts, folder_name: str) -> str:
    """The model card under the Hub's metadata."""
    info = facts.info
    head = [
        # JSON is YAML: each value on its line, and no package to write it with.
        f"{key}: {json.dumps(value, ensure_ascii=False)}"
        for key, value in _metadata(facts).items()
    ]
    usage = [
        "## How to use",
        "",
        "```python",
        "from mien import Recognizer",
        "",
        f'recognizer = Recognizer("OWNER/{folder_name}")  # or the path of this folder',
        'faces = recognizer.predict("photo.jpg")',
        "answers = [(face.expression, face.confidence, face.box) for face in faces]",
        "```",
        "",
        "`pip install 'mien[hub]'`. Nothing in this folder is pickled; the ONNX file is checked against `config.json`.",
    ]
    lines = ["---", *head, "---", "", f"# {info.name}", "", *usage, "", "## Model", ""]
    return "\n".join([*lines, *card_sections([facts]), ""])


def _metadata(facts: CardFacts) -> dict[str, Any]:
    info = facts.info
    return {
        "license": info.licence.lower(),
        "library_name": "mien",
        "pipeline_tag": "image-classification",
        "tags": ["facial-expression-recognition", "onnx", info.architecture],
        "model-index": [{"name": info.name, "results": list(_index(facts))}],
    }


def _index(facts: CardFacts) -> Iterator[dict[str, Any]]:
    """Yield the Hub's form of each score: those of the rows, else those of the record."""
    if facts.rows:
        for row in facts.rows:
            scores = row["scores"]
            figures = {name: scores[name]["value"] for name in ("accuracy", "macro_f1")}
            figures["ece_15"] = scores["calibrated"]["ece"]
            yield _entry(row["protocol"], row["views"], scores["n"], figures)
        return
    for protocol, one in facts.info.scores.items():
        yield _entry(protocol, one["views"], one["n"], one)


def _entry(protocol: str, views: str, n: int, figures: dict[str, Any]) -> dict[str, Any]:
    told = f"views: {views}, n {n:,}"
    return {
        "task": {"type": "image-classification", "name": "Facial expression recognition"},
        "dataset": {
            "type": protocol.partition("-")[0],
            "name": protocol,
            "split": "validation" if is_chosen_on(protocol) else "test",
        },
        "metrics": [
            {"type": kind, "name": f"{title} ({told})", "value": round(100 * figures[key], 2)}
            for kind, key, title in (
                ("accuracy", "accuracy", "Accuracy %"),
                ("f1", "macro_f1", "Macro-F1 %"),
                ("ece", "ece_15", "ECE-15 %"),
            )
        ],
    }


def _write_json(path: Path, fields: dict[str, Any]) -> None:
    write_text(path, json.dumps(fields, indent=2, ensure_ascii=False) + "\n")
