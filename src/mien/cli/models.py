"""`mien models`: what ships, and what can be trained."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

__all__ = ["models"]

_NEEDS_TORCH = (
    "Training them, and seeing their options and cost, needs an extra: pip install 'mien[train]'"
)


def models(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON: sizes in bytes, counts as whole numbers.")
    ] = False,
) -> None:
    """List the models that ship with mien, and the architectures that it can train."""
    shipped = _shipped()
    architectures, note = _architectures()
    if as_json:
        listed = {"shipped": shipped, "architectures": architectures, "note": note}
        typer.echo(json.dumps(listed, ensure_ascii=False, indent=2))
    else:
        _print_tables(shipped, architectures, note)


def _shipped() -> list[dict[str, Any]]:
    from mien.modelfile import list_models, load_model

    records = []
    for name in list_models():
        model = load_model(name)
        info = model.info
        records.append(
            {
                "name": name,
                "bytes": model.path.stat().st_size,
                "architecture": info.architecture,
                "heads": {head.name: list(head.labels) for head in info.heads},
                "scores": dict(info.scores),
                "licence": info.licence,
            }
        )
    return records


def _architectures() -> tuple[list[dict[str, Any]], str | None]:
    """Return what is known of each architecture, and what is missing to know more (None if nothing)."""
    from mien.models import ARCHITECTURES

    try:
        from mien.models.zoo import MODELS
    except ImportError as error:
        if error.name != "torch":
            raise
        return [{"name": name} for name in ARCHITECTURES], _NEEDS_TORCH
    records = []
    for spec in MODELS:
        arguments = inspect.signature(spec.build).parameters
        records.append(
            {
                "name": spec.name,
                "summary": spec.summary,
                "parameters": spec.num_parameters,
                "macs": spec.num_macs,
                "input_size": spec.input_size,
                "options": {option: arguments[option].default for option in spec.options},
                "imagenet": spec.imagenet,
                "paper": spec.paper,
                "licence": spec.licence,
            }
        )
    return records, None


def _print_tables(
    shipped: list[dict[str, Any]], architectures: list[dict[str, Any]], note: str | None
) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if shipped:
        table = Table("Model", "MB", "Labels", "Scores", title="Ready to use", box=box.SIMPLE_HEAD)
        for row in shipped:
            heads = "\n".join(f"{name} ({len(labels)})" for name, labels in row["heads"].items())
            table.add_row(row["name"], f"{row['bytes'] / 1e6:.1f}", heads, _scores(row["scores"]))
        console.print(table)
    else:
        console.print("No model ships with this installation.")
    if note:
        names = ", ".join(row["name"] for row in architectures)
        console.print(f"Architectures: {names}.\n{note}", markup=False)
        return
    table = Table(title="Architectures: 7 classes, grey input", box=box.SIMPLE_HEAD)
    table.add_column("Name", no_wrap=True)
    for heading in ("Parameters", "MMACs", "px"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("Options", overflow="fold")
    table.add_column("Paper", overflow="fold", max_width=16)
    for row in architectures:
        table.add_row(
            row["name"],
            f"{row['parameters']:,}",
            f"{row['macs'] / 1e6:,.1f}",
            str(row["input_size"]),
            "\n".join(f"{key}={_plain(value)}" for key, value in row["options"].items()),
            row["paper"].removeprefix("https://").replace("arxiv.org/abs/", "arXiv:"),
        )
    console.print(table)


def _plain(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _scores(scores: Mapping[str, Any]) -> str:
    """One line a protocol: its accuracy where it has one, else all of its figures."""
    lines = []
    for protocol, figures in scores.items():
        shown = figures.get("accuracy", figures) if isinstance(figures, Mapping) else figures
        lines.append(
            f"{protocol} {shown:.4g}" if isinstance(shown, float) else f"{protocol} {shown}"
        )
    return "\n".join(lines) or "-"
