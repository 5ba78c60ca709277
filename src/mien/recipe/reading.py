"""A recipe file becomes records; unknown keys and impossible values are errors."""

from __future__ import annotations

import dataclasses
import json
import math
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from mien.errors import ConfigError, suggestion
from mien.recipe.options import Recipe
from mien.tables import parse_toml, read_toml
from mien.utf8 import in_utf8

__all__ = ["load_recipe", "nameless", "recipe_from_dict"]

_PATHS = ("init", "distill.teacher", "data.source")
"""Settings that may say where the user keeps something."""


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe file and apply ``-o`` options.

    Args:
        path: A TOML file; without a ``name`` it is called after its file.
        overrides: ``"train.epochs=3"`` and the like; the value is TOML, bare words are taken as text.

    Raises:
        ConfigError: If the file is missing or no TOML, or holds an unknown key or an impossible value.
    """
    tables = read_toml(path, "recipe")
    for override in overrides:
        _override(tables, override)
    return recipe_from_dict({"name": in_utf8(path.stem), **tables}, str(path))


def recipe_from_dict(tables: Mapping[str, Any], where: str) -> Recipe:
    """Make a recipe from plain tables; ``where`` names their source in messages.

    Raises:
        ConfigError: If a key is unknown, a value has the wrong type or is out of range.
    """
    try:
        return _build(Recipe, tables, "")
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _override(tables: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(
            f"-o {override} cannot be read; expected key=value, for example train.epochs=3."
        )
    value = _value(text)
    table: Any = tables
    for part in parts[:-1]:
        table = _inside(table, part, override)
    if not isinstance(table, dict):
        raise ConfigError(f"-o {override}: {'.'.join(parts[:-1])} is not a table.")
    table[parts[-1]] = value


def _value(text: str) -> Any:
    """What stands behind the ``=`` of an ``-o`` option: a value of TOML, or else the words as they are."""
    try:
        return parse_toml(f"value = {text}")["value"]
    except ValueError:
        return text.strip()


def _inside(table: Any, part: str, override: str) -> Any:
    """The table called ``part``, or the item of that number in a list of tables."""
    if isinstance(table, dict):
        return table.setdefault(part, {})
    if isinstance(table, list) and part.isdecimal() and int(part) < len(table):
        return table[int(part)]
    raise ConfigError(f"-o {override}: there is no '{part}' to change a setting in.")


def nameless(override: str) -> str:
    """Return an ``-o`` option for records that are given away: of where the user keeps something, the name alone."""
    key, _, text = override.partition("=")
    value = _value(text)
    told = _nameless(key.strip(), value)
    if told == value:
        return override
    return f"{key.strip()}={told if isinstance(told, str) else _inline(told)}"


def _nameless(key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _nameless(f"{key}.{name}", one) for name, one in value.items()}
    is_elsewhere = key in _PATHS and isinstance(value, str) and Path(value).is_absolute()
    return Path(value).name if is_elsewhere else value


def _inline(value: Any) -> str:
    """A value as TOML has it on one line; of texts, numbers and lists of them JSON has the same."""
    if not isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return f"{{{', '.join(f'{key} = {_inline(one)}' for key, one in value.items())}}}"


Record = TypeVar("Record")


def _build(kind: type[Record], tables: Mapping[str, Any], prefix: str) -> Record:
    hints = typing.get_type_hints(kind)
    known = [entry.name for entry in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for key in tables:
        if key not in known:
            raise ConfigError(
                f"'{prefix}{key}' is no setting.{suggestion(key, known)} Known: {', '.join(known)}."
            )
    return kind(**{k: _convert(hints[k], v, f"{prefix}{k}") for k, v in tables.items()})


def _convert(hint: Any, value: Any, key: str) -> Any:  # noqa: C901 - one line a kind of type
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{key} is {value!r}; expected a table.")
        return _build(typing.cast("type[Any]", hint), value, f"{key}.")
    if origin is Literal:
        if value not in arguments:
            choices = ", ".join(map(str, arguments))
            raise ConfigError(
                f"{key} is {value!r}; expected one of {choices}.{suggestion(str(value), arguments)}"
            )
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{key} is {value!r}; expected a list.")
        if arguments[-1] is not Ellipsis and len(value) != len(arguments):
            raise ConfigError(f"{key} is {value!r}; expected {len(arguments)} values.")
        return tuple(_convert(arguments[0], item, key) for item in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    expected = Mapping if origin is not None else hint
    if not isinstance(value, expected) or (isinstance(value, bool) and hint is not bool):
        names = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
        raise ConfigError(f"{key} is {value!r}; expected {names.get(hint, 'a table')}.")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{key} is {value}; expected a finite number.")
    return value
