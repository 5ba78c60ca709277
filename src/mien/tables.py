"""A TOML file becomes plain tables."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from mien.errors import ConfigError

__all__ = ["read_toml"]


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Read a TOML file in UTF-8, with or without a byte order mark.

    Args:
        path: The file.
        what: What it is called in messages, such as ``"recipe"``.

    Raises:
        ConfigError: If it is missing, cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"There is no {what} {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The {what} {path} cannot be read: {error}.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"The {what} {path} is not valid TOML: {error}.") from None
