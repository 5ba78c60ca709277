"""TOML and JSON files become plain tables."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mien.errors import ConfigError

__all__ = ["parse_json", "parse_toml", "read_json", "read_toml"]

_ToObject = Callable[[dict[str, Any]], dict[str, Any]]

_TOO_DEEP = "it is nested too deeply"


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Read a TOML file in UTF-8, with or without a byte order mark.

    Args:
        path: The file.
        what: What it is called in messages, such as ``"recipe"``.

    Raises:
        ConfigError: If it is missing, cannot be read, or is no TOML.
    """
    try:
        return parse_toml(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"There is no {what} {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The {what} {path} cannot be read: {error}.") from None
    except ValueError as error:
        raise ConfigError(f"The {what} {path} is not valid TOML: {error}.") from None


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML.

    Raises:
        ValueError: If it is none, is nested more deeply or holds a longer number than Python reads.
    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def read_json(path: Path, to_object: _ToObject = dict) -> Any:
    """Read a JSON file in UTF-8, with or without a byte order mark; ``to_object`` is what makes each of its objects.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is none in UTF-8; see `parse_json`.
    """
    return parse_json(path.read_text(encoding="utf-8-sig"), to_object)


def parse_json(text: str | bytes, to_object: _ToObject = dict) -> Any:
    """Parse JSON; ``to_object`` is what makes each of its objects.

    Raises:
        ValueError: If it is none, is nested more deeply or holds a longer number than Python reads.
    """
    try:
        return json.loads(text, object_hook=to_object)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
