"""Environment variables: those that seem to be meant for us, and change nothing because nobody reads them."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable

from mien.errors import ConfigError

__all__ = ["refuse_unknown_variables"]

_OURS = "MIEN"
_ALIKE = 0.9
"""``MIEN_SERVE_PORT`` is that close to ``MIEN_SERVICE_PORT``; variables of other parts of mien are not."""


def refuse_unknown_variables(prefix: str, names: Iterable[str], document: str) -> None:
    """Refuse variables that are misspelt: they would be passed over in silence, and something unsafe might stay as it is.

    Args:
        prefix: What the variables of one program begin with.
        names: What may follow it, in any case.
        document: Where they are listed.

    Raises:
        ConfigError: If a variable with the prefix is none of them, or one without it is almost one of them.
    """
    known = [name.upper() for name in names]
    for variable in sorted(os.environ):
        name = variable.upper()
        if name.startswith(prefix):
            # Without the prefix, which all of them share and which would make them alike.
            rest = name.removeprefix(prefix)
            meant = [prefix + one for one in _closest(rest, known, 0.6)]
            is_unknown = rest not in known
        else:
            meant = _closest(name, [prefix + one for one in known], _ALIKE)
            is_unknown = name.startswith(_OURS) and bool(meant)
        if is_unknown:
            hint = f" Did you mean {meant[0]}?" if meant else ""
            raise ConfigError(f"{variable} is no setting.{hint} They are listed in {document}.")


def _closest(name: str, known: list[str], cutoff: float) -> list[str]:
    return difflib.get_close_matches(name, known, n=1, cutoff=cutoff)
