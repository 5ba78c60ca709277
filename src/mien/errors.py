"""The errors that mien raises. Every message says what happened, what was expected, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DataError",
    "DivergedError",
    "DownloadError",
    "ImageError",
    "InputError",
    "MienError",
    "MissingExtraError",
    "ModelFileError",
    "PictureSizeError",
    "TrainingError",
    "UnknownNameError",
    "VideoError",
    "suggestion",
]


class MienError(Exception):
    """Anything that a user can mend. The command line prints it on one line and exits with 2."""


class InputError(MienError, ValueError):
    """An argument is out of its range, or arrays do not fit together."""


class ImageError(MienError):
    """A picture cannot be read: missing, empty, damaged, too large, or no picture at all."""


class PictureSizeError(ImageError):
    """A picture has more pixels than are decoded, or than there is memory for."""


class VideoError(MienError):
    """A recording or a camera cannot be opened, or stopped before its end; the message says where."""


class DataError(MienError):
    """A data set is not what its layout promises; the message names the file and the row."""


class ConfigError(MienError):
    """A recipe, an option or an environment variable cannot be used."""


class ModelFileError(MienError):
    """A model file is missing, damaged, or lacks what recognising needs."""


class DownloadError(MienError):
    """A file cannot be fetched, or is not the one that was expected."""


class TrainingError(MienError):
    """A run cannot start, cannot be resumed, or has diverged."""


class CheckpointError(TrainingError):
    """A run's folder holds no state to go on from, or none that is whole: only a new start can mend that."""


class DivergedError(TrainingError):
    """A run's numbers are no longer finite: what it was told does not train."""


class UnknownNameError(MienError, LookupError):
    """A name is in no registry; the message suggests the closest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str], where: str) -> None:
        """Say that no `kind` is called `name`.

        Args:
            kind: What was looked for, for example ``"model"``.
            name: The name that was given.
            known: The names that exist.
            where: How to list them, for example ``"mien models"``.
        """
        hint = suggestion(name, known)
        super().__init__(f"No {kind} is called '{name}'.{hint} List them with: {where}")


class MissingExtraError(MienError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, extra: str, purpose: str) -> None:
        """Say which extra to install.

        Args:
            extra: Name of the extra in pyproject.toml, for example ``"train"``.
            purpose: What needs it, as the start of a sentence: ``"Training"``.
        """
        super().__init__(f"{purpose} needs an extra: pip install 'mien[{extra}]'")


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean X or Y?`` for the known names closest to ``name``, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(close)}?" if close else ""
