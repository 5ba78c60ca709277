"""What was found in many pictures, written one picture at a time as JSON, JSON lines or CSV.

The writers take any iterable, so that a long row of pictures never stands in memory as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from mien.csv_rows import CsvRows
from mien.types import Face

__all__ = ["PictureResult", "write_csv", "write_json", "write_jsonl"]


@dataclass(frozen=True, kw_only=True)
class PictureResult:
    """One picture: its faces, or why it could not be read."""

    path: str
    """As it was given."""
    width: int | None = None
    """Of the upright picture, px; None if it could not be read."""
    height: int | None = None
    faces: Sequence[Face] = ()
    error: str | None = None
    """Why it could not be read; None if it was."""

    def as_dict(self) -> dict[str, Any]:
        """Return the record that JSON holds."""
        return {
            "path": self.path,
            "width": self.width,
            "height": self.height,
            "faces": [face.as_dict() for face in self.faces],
            "error": self.error,
        }


def write_json(results: Iterable[PictureResult], stream: TextIO) -> None:
    """Write one list with a record a picture."""
    separator = "[\n"
    for result in results:
        stream.write(separator + json.dumps(result.as_dict(), ensure_ascii=False))
        separator = ",\n"
    stream.write("[]\n" if separator == "[\n" else "\n]\n")


def write_jsonl(results: Iterable[PictureResult], stream: TextIO) -> None:
    """Write one record a line."""
    for result in results:
        stream.write(json.dumps(result.as_dict(), ensure_ascii=False) + "\n")


def write_csv(results: Iterable[PictureResult], stream: TextIO, labels: Sequence[str]) -> None:
    """Write one row a face; a picture without faces has one row with empty fields.

    ``unsure`` is 0 or 1; ``flags`` names what is wrong with the face's picture, ``+`` between.

    Args:
        results: The pictures.
        stream: Opened with ``newline=""``.
        labels: The expressions, in the order of their columns ``p_…``.
    """
    head = [
        "path",
        "width",
        "height",
        "face",
        "x",
        "y",
        "w",
        "h",
        "score",
        "expression",
        "confidence",
    ]
    probs = [f"p_{label}" for label in labels]
    rows = CsvRows(stream)
    rows.writerow([*head, *probs, "error", "unsure", "flags"])
    for result in results:
        picture = [_inert(result.path), result.width, result.height]
        if not result.faces:
            empty = [None] * (len(head) - len(picture) + len(probs))
            rows.writerow([*picture, *empty, _inert(result.error or ""), None, None])
        for number, face in enumerate(result.faces, start=1):
            box = face.box.as_list() if face.box else [None] * 4
            answer = [
                face.score,
                face.expression,
                face.confidence,
                *(face.probabilities[label] for label in labels),
            ]
            flags = "+".join(face.quality.flags) if face.quality else None
            rows.writerow([*picture, number, *box, *answer, None, int(face.is_unsure), flags])


def _inert(text: str) -> str:
    """Keep a spreadsheet from running a file name such as ``=cmd|…!A1.jpg`` as a formula.

    Only relative paths can start so, and ``./`` before one names the same file. Messages start with the path.
    """
    return f"./{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text
