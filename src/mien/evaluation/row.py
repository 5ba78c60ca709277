"""A result row: one score with everything that one must know to believe it. Rows in `results/` are such files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.checksums import sha256_of
from mien.errors import InputError
from mien.evaluation.evaluate import Result
from mien.modelfile import ENSEMBLE, ModelInfo
from mien.replacing import replacing
from mien.runtime import commit, machine
from mien.utf8 import write_text

if TYPE_CHECKING:
    import torch

__all__ = ["count_test_run", "model_facts", "result_row", "rows_text", "write_rows"]


def model_facts(
    info: ModelInfo, file: Path, parameters: int | None = None, macs: int | None = None
) -> dict[str, Any]:
    """Return what a row says of the model.

    Args:
        info: Its record; what training was is read from its provenance. ``shortened`` says how many faces and epochs there
            were if training, or validating it, was limited to a part of the faces.
        file: The file that holds its weights.
        parameters: Counted on the network itself; None takes the record's word.
        macs: Multiply-accumulates for one face; None takes the record's word.
    """
    provenance = info.provenance
    return {
        "name": info.name,
        "architecture": info.architecture,
        "format": file.suffix.removeprefix("."),
        "sha256": sha256_of(file),
        "bytes": file.stat().st_size,
        "parameters": provenance.get("parameters") if parameters is None else parameters,
        "macs": provenance.get("macs") if macs is None else macs,
        "licence": info.licence,
        "seed": provenance.get("seed"),
        "commit": provenance.get("commit"),
        "trained_on": provenance.get("data_hash"),
        "shortened": _shortened(info),
        "external_data": info.from_imagenet,
    }


def _shortened(info: ModelInfo) -> str | None:
    """Of an ensemble, what its members say, each once."""
    members = info.options.get("members", ()) if info.architecture == ENSEMBLE else ()
    runs = [info.provenance, *(one.get("provenance", {}) for one in members)]
    told = dict.fromkeys(filter(None, map(_shortened_run, runs)))
    return "; ".join(told) or None


def _shortened_run(provenance: Mapping[str, Any]) -> str | None:
    data = provenance.get("recipe", {}).get("data", {})
    if not (data.get("limit") or data.get("valid_limit")):
        return None
    faces = f"{data['limit']:,}" if data.get("limit") else "all"
    epochs = provenance.get("epochs")
    return f"{faces} faces, {epochs} epoch{'' if epochs == 1 else 's'}"


def result_row(
    result: Result,
    model: Mapping[str, Any],
    command: str,
    test_runs: int | None = None,
    device: torch.device | None = None,
) -> dict[str, Any]:
    """Return one row, ready for JSON.

    Args:
        result: From `evaluate.evaluate`.
        model: From `model_facts`.
        command: The command line that gave the score.
        test_runs: How often this model has been scored on a final test, this time included; None on other splits.
        device: Where a network computed; None for the processor.
    """
    return {
        "protocol": result.protocol,
        "model": dict(model),
        "head": result.head.name,
        "data": {**result.data, "split": result.split, "n": result.scores.n},
        "views": result.views,
        "scores": result.scores.as_dict(),
        "slices": {one.name: one.as_dict() for one in result.slices},
        "test_runs": test_runs,
        "command": command,
        "commit": commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(device),
    }


def rows_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as a JSON list, with a line end."""
    return json.dumps(list(rows), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_rows(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows as a JSON list; an older file stays whole until the new one is.

    Raises:
        InputError: If the file cannot be written.
    """
    text = rows_text(rows)
    try:
        with replacing(path, flush=True) as partial:
            write_text(partial, text)
    except OSError as error:
        raise InputError(
            f"Cannot write {path}: {error.strerror}. Is its folder writable and the disk not full?"
        ) from None


def count_test_run(ledger: Path, model: Mapping[str, Any], result: Result) -> int:
    """Note that a model was scored on a final test, and return how often that has happened.

    A test set that is looked at many times has become a validation set, so the number belongs to the score.

    Args:
        ledger: A JSON-lines file; it is made when it is not there, and only ever added to.
        model: From `model_facts`.
        result: The score on the test split.

    Raises:
        InputError: If the file cannot be read or written.
    """
    line = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": model["name"],
        "sha256": model["sha256"],
        "data": result.data["hash"],
        "protocol": result.protocol,
        "views": result.views,
        "accuracy": result.scores.rates["accuracy"].value,
    }
    try:
        ledger.parent.mkdir(parents=True, exist_ok=True)
        text = ledger.read_text(encoding="utf-8") if ledger.exists() else ""
        earlier = [dict(json.loads(one)) for one in text.splitlines()]
        with ledger.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    except (OSError, ValueError, TypeError) as error:  # TypeError: a line that is no object
        raise InputError(
            f"Cannot note the test run in {ledger}: {error}. Mend the file, or move it away."
        ) from None
    same = ("sha256", "data", "protocol")
    return 1 + sum(all(old.get(key) == line[key] for key in same) for old in earlier)
