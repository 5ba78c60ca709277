"""Which part of the page says what, so that one switch changes the language of all of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mien.demo.texts import say
from mien.labels import LANGUAGES

__all__ = ["Say", "Wording"]

Say = str | Callable[[str], Any]
"""A key of `texts.TEXTS`, or what makes the value from the language."""


class Wording:
    """The components of a page that hold words. They are built in the first language."""

    def __init__(self) -> None:
        """Start without components."""
        self.components: list[Any] = []
        """In the order of `updates`."""
        self._says: list[Mapping[str, Say]] = []

    def make(self, kind: Callable[..., Any], says: Mapping[str, Say], **options: Any) -> Any:
        """Build a component and remember what it says.

        Args:
            kind: Its class in Gradio.
            says: Name of an argument such as ``"label"`` -> what stands there.
            options: Its other arguments.
        """
        component = kind(**_spoken(says, LANGUAGES[0]), **options)
        self.add(component, says)
        return component

    def add(self, component: Any, says: Mapping[str, Say]) -> None:
        """Remember what a component says that was built elsewhere."""
        self.components.append(component)
        self._says.append(says)

    def updates(self, lang: str) -> list[dict[str, Any]]:
        """Return what each component is to change to."""
        return [_spoken(says, lang) for says in self._says]


def _spoken(says: Mapping[str, Say], lang: str) -> dict[str, Any]:
    return {
        name: say(what, lang) if isinstance(what, str) else what(lang)
        for name, what in says.items()
    }
