"""The models of the page: each is loaded once, whoever asks, and each of its heads can be chosen."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mien.demo.texts import say
from mien.errors import InputError, UnknownNameError
from mien.faces import Detector
from mien.modelfile import Model, load_model
from mien.recognition import Recognizer

__all__ = ["Readers"]

_SHOWN = {"fer2013": "FER2013", "ferplus": "FER+"}


class Readers:
    """What reads faces: every head of every model, by a key such as ``"mien-s ferplus"``."""

    def __init__(self, models: Iterable[str | Path], detector: Detector) -> None:
        """Load the models.

        Args:
            models: Names of models that ship with mien, or paths of model files; at least one.
            detector: Finds the faces for all of them.

        Raises:
            InputError: If there is no model, or two have the same name.
            UnknownNameError: If there is no such model.
            ModelFileError: If a file cannot be used.
        """
        self.detector = detector
        self._recognizers: dict[str, Recognizer] = {}
        for model in map(load_model, models):
            self._add(model)
        if not self._recognizers:
            raise InputError(
                "The page has no model. Name one, such as mien-s; list them with: mien models"
            )

    def __getitem__(self, key: str) -> Recognizer:
        try:
            return self._recognizers[key]
        except KeyError:
            raise UnknownNameError("model", key, self._recognizers, "mien models") from None

    def keys(self) -> list[str]:
        """Return what can be chosen, the first model first, its preferred head before the others."""
        return list(self._recognizers)

    def pair(self) -> tuple[str, str]:
        """Return two keys to set side by side: the preferred heads of two models, else two heads of the only one."""
        first, *others = self.keys()
        model = self[first].model
        rival = next((key for key in others if self[key].model is not model), None)
        return first, rival or next(iter(others), first)

    def choices(self, lang: str) -> list[tuple[str, str]]:
        """Return (what people read, key) for each."""
        return [(self.name(key, lang), key) for key in self._recognizers]

    def name(self, key: str, lang: str) -> str:
        """Return what people read: model, data set of its labels, how many."""
        recognizer = self[key]
        head = recognizer.head
        shown = _SHOWN.get(head.name, head.name)
        model = recognizer.model.info.name
        return say("reader.choice", lang, model=model, labels=shown, count=len(head.labels))

    def _add(self, model: Model) -> None:
        preferred = Recognizer(model, detector=self.detector)
        others = [head.name for head in model.info.heads if head != preferred.head]
        for recognizer in (preferred, *(Recognizer(model, h, self.detector) for h in others)):
            key = f"{model.info.name} {recognizer.head.name}"
            if key in self._recognizers:
                raise InputError(
                    f"Two models are called '{model.info.name}', and the page could not tell them apart. Leave one out."
                )
            self._recognizers[key] = recognizer
