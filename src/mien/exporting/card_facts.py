"""What a model card is made from: the model's own record, and the result rows that are of this very file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mien.errors import DataError
from mien.evaluation.leaderboard import read_file, read_rows
from mien.evaluation.row import model_facts
from mien.modelfile import Model, ModelInfo

__all__ = ["BALANCED", "BEFORE", "ROBUSTNESS", "CardFacts", "Cost", "card_facts", "cost"]

BALANCED, ROBUSTNESS = "balanced", "robustness"
"""Folders in the results: rows of `mien evaluate --prior uniform`, and of `mien robustness`."""

BEFORE = "before"
"""Folder beside the robustness rows with those of an earlier model of the same name, to compare with."""

WATTS_A_CORE = 10.0
"""A server's core at full load with its share of memory, disks and fans; assumed."""
WATTS_A_GPU = 700.0
"""The most that an H100 or H200 draws, as its maker's data sheet says; taken throughout."""
OVERHEAD = 1.2
"""What cooling and supply add to a machine's own power (PUE); assumed."""
KG_A_KWH = 0.48
"""CO2 for a kWh, mean of the world in 2023: Ember, Global Electricity Review 2024."""


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """One model of a card."""

    info: ModelInfo
    file: dict[str, Any] = field(repr=False)
    """From `row.model_facts`: sha256, bytes, parameters, MACs."""
    rows: list[dict[str, Any]] = field(repr=False)
    """Of `mien evaluate` under the training prior, PublicTest first."""
    balanced: list[dict[str, Any]] = field(repr=False)
    robustness: list[dict[str, Any]] = field(repr=False)
    before: list[dict[str, Any]] = field(repr=False)
    """Robustness of an earlier file under this name."""

    def plain(self, protocol: str) -> dict[str, Any] | None:
        """Return a protocol's row without views, as recognising answers; None if there is none."""
        found = (row for row in self.rows if row["protocol"] == protocol and row["views"] == "none")
        return next(found, None)

    @property
    def protocols(self) -> list[str]:
        """The protocols that were scored, each once."""
        return list(dict.fromkeys(row["protocol"] for row in self.rows))


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one training run took, by the assumptions above."""

    hours: float
    cores: int
    gpu: str | None
    kwh: float
    kg_co2: float


def card_facts(model: Model, results: Path | None) -> CardFacts:
    """Gather what is known of a model.

    Args:
        model: The file that the card is about.
        results: The folder of result rows; None takes the model's own record only.

    Raises:
        DataError: If rows cannot be read, or those under this model's name are of another file: the card would be stale.
    """
    file = model_facts(model.info, model.path)
    rows = [] if results is None else _own(read_rows(results), file, results)
    balanced, robustness = (
        [] if results is None else _own(_rows(results / name), file, results / name)
        for name in (BALANCED, ROBUSTNESS)
    )
    earlier = [] if results is None else _rows(results / ROBUSTNESS / BEFORE)
    before = [
        row
        for row in earlier
        if row["model"]["name"] == file["name"] and row["model"]["sha256"] != file["sha256"]
    ]
    rows.sort(key=lambda row: (row["protocol"], row["views"] != "none", row["views"]))
    return CardFacts(
        info=model.info,
        file=file,
        rows=rows,
        balanced=balanced,
        robustness=robustness,
        before=before,
    )


def cost(info: ModelInfo) -> Cost | None:
    """Return what training took; None if the record does not say how long it was."""
    seconds, machine = info.provenance.get("train_seconds"), info.provenance.get("machine", {})
    if not seconds or not machine.get("cores"):
        return None
    cores, gpu = int(machine["cores"]), machine.get("gpu")
    watts = cores * WATTS_A_CORE + (WATTS_A_GPU if gpu else 0)
    kwh = seconds / 3600 * watts * OVERHEAD / 1000
    return Cost(hours=seconds / 3600, cores=cores, gpu=gpu, kwh=kwh, kg_co2=kwh * KG_A_KWH)


def _rows(folder: Path) -> list[dict[str, Any]]:
    return [row for file in sorted(folder.glob("*.json")) for row in read_file(file)]


def _own(
    rows: Sequence[dict[str, Any]], file: dict[str, Any], folder: Path
) -> list[dict[str, Any]]:
    """Return the rows of this very file; rows of an earlier one under its name are an error."""
    named = [
        row
        for row in rows
        if row["model"]["name"] == file["name"] and row["model"]["format"] == file["format"]
    ]
    for row in named:
        if row["model"]["sha256"] != file["sha256"]:
            raise DataError(
                f"{folder} holds a row of another {file['name']} ({row['protocol']}, SHA-256 "
                f"{row['model']['sha256'][:12]}; the file is {file['sha256'][:12]}). Measure it again: {row['command']}"
            )
    return named
