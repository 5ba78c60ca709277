"""`mien card`: the model card, made from models and results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.errors import ConfigError
from mien.replacing import check_target, write_whole

__all__ = ["CARD_COMMAND", "card"]

CARD_COMMAND = "mien card"
"""What remakes the card of this repository."""


def card(
    models: Annotated[
        list[str] | None,
        typer.Argument(help="Models, as --model takes them; without, all that ship."),
    ] = None,
    results: Annotated[
        Path, typer.Option(help="The folder of result rows.", exists=True, file_okay=False)
    ] = Path("results"),
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("MODEL_CARD.md"),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if the file is not up to date.")
    ] = False,
) -> None:
    """Write the model card: uses, data, training, every figure in the results, weak points, cost, licence.

    Rows come from `mien evaluate MODEL --json results/X.json`, from `--prior uniform` of the same into results/balanced/,
    and from `mien robustness MODEL --json results/robustness/X.json`. Rows of another file under a model's name are an
    error: the card would be stale.
    """
    from mien.exporting.card import model_card
    from mien.exporting.card_facts import card_facts
    from mien.modelfile import list_models, load_model

    if not check:
        check_target(out, "--out")
    names = models or list_models()
    text = model_card([card_facts(load_model(name), results) for name in names], CARD_COMMAND)
    if check:
        if not out.is_file() or out.read_text(encoding="utf-8") != text:
            raise ConfigError(f"{out} is not up to date. Make it again: {CARD_COMMAND}")
        typer.echo(f"{out} is up to date.")
        return
    write_whole(out, text)
    typer.echo(f"{out}: {len(text.splitlines())} lines on {', '.join(names)}")
