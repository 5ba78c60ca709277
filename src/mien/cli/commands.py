"""The commands by name; only the one that is called is imported, so that `mien --help` is there at once."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, MutableMapping
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

__all__ = ["COMMANDS", "Commands"]

COMMANDS = {
    "Recognise": {
        "predict": "Find the faces in pictures and name their expressions.",
        "watch": "Follow the faces of a recording or a camera and say who showed which expression for how long.",
        "timeline": "Draw who showed which expression when: one row a track, one colour an expression.",
    },
    "Show and serve": {
        "demo": "Open a page to try mien: photo, webcam, recording, two models side by side, results. Ctrl-C ends it.",
        "serve": "Answer over HTTP: POST a picture to /v1/predict, read /openapi.json for the rest.",
        "keys": "API keys of the service: make, list, revoke. Only their hashes are kept.",
        "classroom": "The live class: a monitor for an online lesson that shows signals, never a diagnosis.",
    },
    "Train": {
        "data": "Look at data sets, audit and write them.",
        "train": "Train a network as a recipe says, into a folder that holds all that happened.",
        "study": "Answer a question by many runs: do what is missing, go on with what was cut off, sum up.",
        "ensemble": "Put trained networks side by side: their probabilities are averaged.",
        "ask": "Write what a teacher answers to every face as a recipe changes it, epoch by epoch.",
        "refit": "Fit the last layer of a trained network again, on the labels that it is scored by.",
        "export": "Write a model file for ONNX Runtime: network, labels, input, calibration, scores and provenance in one.",
    },
    "Measure": {
        "evaluate": "Score a model on labelled faces: accuracy, macro-F1, calibration, each class, with 95 % intervals.",
        "compare": "Compare two results on the same pictures: paired bootstrap, McNemar's test, recall of each class.",
        "errors": "Show the most confident mistakes, and which of them may be the label's mistake instead.",
        "robustness": "Score a model on the validation faces made darker, brighter, blurred, compressed, turned, shifted, small, covered.",
        "leaderboard": "Show our results and published figures with what is known of them; tables of two protocols never mix.",
        "card": "Write the model card: uses, data, training, every figure in the results, weak points, cost, licence.",
    },
    "Look after": {
        "models": "List the models that ship with mien, and the architectures that it can train.",
        "fetch": "Fetch a file once and keep it in mien's cache; only a file with the expected SHA-256 is kept.",
        "bench": "Time the detectors, the network, and both together on drawn pictures and a drawn recording.",
        "doctor": "Show versions, detectors, model files, cameras, video codecs, the cache and fonts.",
    },
}
"""Panel of the help -> command -> its line there: the first of the docstring in the module of that name."""


class Commands(TyperGroup):
    """The group behind ``mien``: it knows the lines of all commands and imports the one that is called."""

    def __init__(self, **attributes: Any) -> None:
        """Be what Typer builds from an application without commands of its own."""
        super().__init__(**attributes)
        self.commands = _Imported()

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names; Typer's own way looks at every command, and so would import it."""
        del ctx
        return list(self.commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command as the list in the help needs it: its name, line and panel."""
        del ctx
        for panel, lines in COMMANDS.items():
            if cmd_name in lines:
                line = lines[cmd_name]
                return TyperCommand(name=cmd_name, help=line, rich_help_panel=panel)
        return None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is called, imported, with the words that are left."""
        name, command, left = super().resolve_command(ctx, args)
        return name, None if name is None else self.commands[name], left if command else args


class _Imported(MutableMapping[str, Any]):
    """Name -> command, imported when it is asked for."""

    def __init__(self) -> None:
        self._names = [name for lines in COMMANDS.values() for name in lines]
        self._known: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._known:
            self._known[name] = _build(name)
        return self._known[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._known[name] = command
        if name not in self._names:
            self._names.append(name)

    def __delitem__(self, name: str) -> None:
        self._names.remove(name)
        self._known.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _build(name: str) -> Any:
    module = importlib.import_module(f"mien.cli.{name}")
    one = getattr(module, "app", None)
    if one is None:
        one = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        one.command(name)(getattr(module, name))
    command = get_command(one)
    command.name = name
    return command
