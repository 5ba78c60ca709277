"""Clean lists: which rows of a data set an audit would leave out, and why. A JSON file that `mien evaluate` reads.

The file names the content of the data that it was made for, so that its row numbers can never be taken for another's::

    {"format": "mien clean lists 1", "content_hash": "9f…", "rows": 32298,
     "left_out": {"copy": [28711, 28719], "near_copy": [], …}}

Rows are counted from 0, in the order in which `open_dataset` gives them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.data.dataset import Dataset
from mien.errors import DataError, UnknownNameError
from mien.replacing import write_whole
from mien.tables import read_json

__all__ = ["LEAKS", "REASONS", "CleanLists", "read_clean", "write_clean"]

_FORMAT = "mien clean lists 1"

REASONS: Mapping[str, str] = {
    "copy": "valid or test pictures that are identical, to the pixel, with a training picture",
    "near_copy": "valid or test pictures that are nearly the same as a training picture",
    "altered_copy": "valid or test pictures that are a training picture, mirrored or turned",
    "repeat": "pictures that stand, to the pixel, earlier in the same split",
    "conflict": "pictures that have a copy with another label",
    "blank": "pictures whose pixels are all the same",
    "not_a_face": "pictures that at least half of FER+'s voters call no face (NF)",
}
"""Why a row may be left out, and what each reason means."""

LEAKS = ("copy", "near_copy", "altered_copy")
"""What a clean score leaves out: pictures that training has seen. The other reasons are for cleaning training data;
a score without blank or disputed pictures would not be comparable with anybody's."""


@dataclass(frozen=True, eq=False, kw_only=True)
class CleanLists:
    """The rows of one data set that stand under each of `REASONS`."""

    content_hash: str
    """`Dataset.content_hash` of the data."""
    num_rows: int
    """How many rows it has."""
    left_out: Mapping[str, NDArray[np.intp]]
    """Row numbers by reason, in order; a row may stand under several."""

    def kept(self, reasons: Sequence[str] = LEAKS) -> NDArray[np.bool_]:
        """Return (num_rows,) which rows stay when those under the reasons are left out.

        Raises:
            UnknownNameError: If there is no such reason.
        """
        keep = np.ones(self.num_rows, bool)
        for reason in reasons:
            if reason not in REASONS:
                raise UnknownNameError("reason", reason, REASONS, "mien.data.clean.REASONS")
            keep[self.left_out.get(reason, np.zeros(0, np.intp))] = False
        return keep


def write_clean(lists: CleanLists, file: Path) -> None:
    """Write clean lists as JSON, whole or not at all.

    Raises:
        InputError: If the file cannot be written.
    """
    fields = {
        "format": _FORMAT,
        "content_hash": lists.content_hash,
        "rows": lists.num_rows,
        "left_out": {reason: rows.tolist() for reason, rows in lists.left_out.items()},
    }
    write_whole(file, json.dumps(fields) + "\n")


def read_clean(file: Path, dataset: Dataset) -> CleanLists:
    """Read clean lists and check that they belong to the data.

    Args:
        file: From ``mien data audit PATH --write-clean FILE``.
        dataset: The whole data as `open_dataset` gives it, before rows are taken out or drawn.

    Raises:
        DataError: If the file is missing or no such file, or was made for other data.
    """
    lists = _parse(file, _read_json(file))
    if lists.content_hash != dataset.content_hash:
        raise DataError(
            f"{file} was made for other data ({lists.num_rows:,} rows, content {lists.content_hash[:12]}) than this "
            f"({len(dataset):,} rows, content {dataset.content_hash[:12]}). Make it anew for this data, at the same "
            f"--size: mien data audit PATH --write-clean {file}"
        )
    return lists


def _read_json(file: Path) -> Any:
    try:
        return read_json(file)
    except FileNotFoundError:
        raise DataError(
            f"There is no {file}. Make it with: mien data audit PATH --write-clean {file}"
        ) from None
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}.") from None
    except ValueError:  # neither JSON nor UTF-8
        raise DataError(f"{file} holds no clean lists: it is not JSON. {_HOW}") from None


_HOW = "Expected a file that mien data audit PATH --write-clean has written."


def _parse(file: Path, fields: Any) -> CleanLists:
    if not isinstance(fields, dict) or fields.get("format") != _FORMAT:
        raise DataError(f"{file} holds no clean lists. {_HOW}")
    try:
        num_rows = int(fields["rows"])
        left_out = {
            str(reason): np.array(rows, np.int64).reshape(-1).astype(np.intp)
            for reason, rows in fields["left_out"].items()
        }
        content_hash = str(fields["content_hash"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise DataError(f"{file} is damaged: its fields cannot be read. {_HOW}") from None
    for reason, rows in left_out.items():
        if reason not in REASONS:
            raise DataError(
                f"{file} gives the reason '{reason}', which is none of {', '.join(REASONS)}. {_HOW}"
            )
        outside = rows[(rows < 0) | (rows >= num_rows)]
        if len(outside):
            raise DataError(
                f"{file}: row {outside[0]} under {reason} is not among {num_rows:,} rows. {_HOW}"
            )
    return CleanLists(content_hash=content_hash, num_rows=num_rows, left_out=left_out)
