"""What a model answered for each picture, kept in a file: what comparing two results and finding errors need.

One ``.npz`` holds one set of answers a protocol. It holds no picture and nothing pickled.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from mien.csv_rows import CsvRows
from mien.data.dataset import Dataset
from mien.errors import DataError, InputError
from mien.evaluation.evaluate import Result
from mien.replacing import whole_file, write_whole
from mien.softmax import softmax
from mien.tables import parse_json

__all__ = [
    "PREDICTIONS_NAME",
    "Predictions",
    "check_same_pictures",
    "find_protocol",
    "keep_predictions",
    "read_predictions",
    "write_predictions",
    "write_predictions_csv",
]

PREDICTIONS_NAME = "predictions.npz"
"""What the file is called in a report's or a run's folder."""

_VERSION = 1
_ARRAYS = {"rows": np.int64, "targets": np.int64, "logits": np.float32}


@dataclass(frozen=True, eq=False, kw_only=True)
class Predictions:
    """The answers of one head on one protocol, and on which pictures they were given."""

    protocol: str
    """For example ``"fer2013-publictest"``."""
    model: str
    """The model's name."""
    model_sha256: str | None
    """Of the file with its weights; None if there was no file."""
    split: str
    views: str
    data_hash: str
    """Content hash of the whole data set, at ``image_size``."""
    pictures_hash: str
    """SHA-256 of the pixels of the scored pictures, in order, at ``image_size``."""
    image_size: int
    """Height and width of the pictures when they were hashed, px."""
    labels: tuple[str, ...]
    """What the C classes are called."""
    temperature: float
    """What the logits are divided by so that probabilities are calibrated."""
    rows: NDArray[np.int64] = field(repr=False)
    """(n,) row numbers in the data set."""
    targets: NDArray[np.int64] = field(repr=False)
    """(n,) true classes in [0, C)."""
    logits: NDArray[np.float32] = field(repr=False)
    """(n, C), averaged over the views."""

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(n,) predicted classes."""
        return np.asarray(self.logits.argmax(axis=1))

    @property
    def probs(self) -> NDArray[np.float64]:
        """(n, C) calibrated probabilities."""
        return softmax(self.logits, self.temperature)


def keep_predictions(result: Result, dataset: Dataset, model: Mapping[str, Any]) -> Predictions:
    """Return what is worth keeping of a result.

    Args:
        result: From `evaluate.evaluate`.
        dataset: The data that was scored.
        model: From `row.model_facts`; ``name`` and ``sha256`` are read.
    """
    pictures = np.ascontiguousarray(dataset.images[result.rows])
    return Predictions(
        protocol=result.protocol,
        model=model["name"],
        model_sha256=model.get("sha256"),
        split=result.split,
        views=result.views,
        data_hash=result.data["hash"],
        pictures_hash=hashlib.sha256(pictures.data).hexdigest(),
        image_size=dataset.images.shape[1],
        labels=tuple(result.head.labels),
        temperature=result.head.temperature,
        rows=result.rows.astype(np.int64),
        targets=result.targets,
        logits=result.logits,
    )


def write_predictions(predictions: Sequence[Predictions], path: Path) -> None:
    """Write the answers on one or more protocols into one ``.npz``; an older file stays whole until the new one is.

    Raises:
        InputError: If the file cannot be written.
    """
    arrays: dict[str, NDArray[Any]] = {}
    facts = []
    for index, one in enumerate(predictions):
        values = {item.name: getattr(one, item.name) for item in fields(one)}
        arrays |= {f"{name}_{index}": values.pop(name) for name in _ARRAYS}
        facts.append(values)
    record = json.dumps({"version": _VERSION, "predictions": facts}, ensure_ascii=False)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, record=np.array(record), **arrays)  # type: ignore[arg-type]
    with whole_file(path) as partial:
        partial.write_bytes(buffer.getvalue())


def read_predictions(path: Path) -> tuple[Predictions, ...]:
    """Read what `write_predictions` wrote.

    Args:
        path: The file, or a folder with a `PREDICTIONS_NAME` in it.

    Raises:
        DataError: If there is no such file, or it is damaged.
    """
    file = path / PREDICTIONS_NAME if path.is_dir() else path
    if not file.is_file():
        raise DataError(
            f"There are no predictions in {file}. Make them with: mien evaluate MODEL --data PATH "
            f"--predictions {file}"
        )
    try:
        # Not np.load: to what is no archive it says how to read it unsafely.
        with file.open("rb") as stream, NpzFile(stream) as archive:
            record = parse_json(str(archive["record"]))
            if record["version"] != _VERSION:
                raise ValueError(f"version {record['version']}, expected {_VERSION}")
            found = tuple(
                _checked(facts, {name: archive[f"{name}_{index}"] for name in _ARRAYS})
                for index, facts in enumerate(record["predictions"])
            )
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        EOFError,
        RuntimeError,  # of zipfile, for a cipher or a compression that it does not know
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise DataError(
            f"{file} holds no predictions of mien ({error}). Make them again with: mien evaluate MODEL "
            f"--data PATH --predictions {file}"
        ) from None
    return found


def write_predictions_csv(predictions: Sequence[Predictions], path: Path) -> None:
    """Write the answers as a table for people: one row a picture and protocol, for spreadsheets; it is not read back.

    Columns: protocol, row, true, predicted, confidence, and ``p_<label>`` for the probability of every label.

    Raises:
        InputError: If the file cannot be written.
    """
    labels = list(dict.fromkeys(label for one in predictions for label in one.labels))
    text = io.StringIO(newline="")
    writer = CsvRows(text)
    writer.writerow(
        ["protocol", "row", "true", "predicted", "confidence", *(f"p_{label}" for label in labels)]
    )
    for one in predictions:
        places = [one.labels.index(label) if label in one.labels else None for label in labels]
        for row, target, guess, probs in zip(
            one.rows.tolist(), one.targets, one.predicted, one.probs, strict=True
        ):
            shares = ["" if place is None else f"{probs[place]:.6f}" for place in places]
            names = (one.labels[target], one.labels[guess])
            writer.writerow([one.protocol, row, *names, f"{probs[guess]:.6f}", *shares])
    write_whole(path, text.getvalue())


def find_protocol(predictions: Sequence[Predictions], protocol: str | None) -> Predictions:
    """Return the answers on one protocol.

    Args:
        predictions: At least one.
        protocol: Its name, or how it begins where that is enough; None takes the only one, or the first.

    Raises:
        InputError: If there is no such protocol among them, or more than one.
    """
    found = [one for one in predictions if one.protocol == protocol] or [
        one for one in predictions if protocol is None or one.protocol.startswith(protocol)
    ]
    if not found or (len(found) > 1 and protocol is not None):
        names = ", ".join(one.protocol for one in predictions)
        raise InputError(
            f"The protocol '{protocol}' is {'ambiguous' if found else 'not among the predictions'}; "
            f"expected one of {names}."
        )
    return found[0]


def check_same_pictures(a: Predictions, b: Predictions) -> None:
    """Refuse two sets of answers that were not given to the same questions.

    Pixels are compared where both were read at one size; models with inputs of different sizes are compared by
    row number and truth.

    Raises:
        InputError: If protocol, labels, truth or pictures differ.
    """
    if a.protocol != b.protocol or a.labels != b.labels:
        what = f"their protocols are {a.protocol} and {b.protocol}"
        if a.protocol == b.protocol:
            what = f"their labels are {', '.join(a.labels)} and {', '.join(b.labels)}"
    elif len(a.targets) != len(b.targets):
        what = f"they are {len(a.targets):,} and {len(b.targets):,} pictures"
    elif not np.array_equal(a.targets, b.targets):
        what = "the true labels differ"
    elif a.image_size == b.image_size and a.pictures_hash != b.pictures_hash:
        what = "the pixels differ"
    elif a.image_size != b.image_size and not np.array_equal(a.rows, b.rows):
        what = "the rows differ"
    else:
        return
    raise InputError(
        f"{a.model} and {b.model} were not scored on the same pictures: {what}. Evaluate both with the same "
        "--data, --split, --limit and --clean."
    )


def _checked(facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Predictions:
    """Build the answers, once their arrays fit together."""
    values: dict[str, Any] = {**facts, "labels": tuple(facts["labels"])}
    for name, array in arrays.items():
        values[name] = array.astype(_ARRAYS[name], copy=False)
    one = Predictions(**values)
    n, num_classes = len(one.rows), len(one.labels)
    wanted = (n,), (n,), (n, num_classes)
    if n < 1 or (one.rows.shape, one.targets.shape, one.logits.shape) != wanted:
        raise ValueError(
            f"rows {one.rows.shape}, targets {one.targets.shape} and logits {one.logits.shape} do not fit together"
        )
    if one.targets.min() < 0 or one.targets.max() >= num_classes:
        raise ValueError(f"true classes lie outside 0…{num_classes - 1}")
    if not np.isfinite(one.logits).all() or not one.temperature > 0:
        raise ValueError("logits or temperature are no finite numbers")
    return one
