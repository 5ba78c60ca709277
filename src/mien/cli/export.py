"""`mien export`: a trained network becomes a file that runs without PyTorch."""

from __future__ import annotations

from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from mien.errors import MissingExtraError

__all__ = ["export"]


class _Target(StrEnum):
    onnx = "onnx"


def export(
    run: Annotated[Path, typer.Argument(help="A run folder, or its weights.safetensors.")],
    to: Annotated[_Target, typer.Option(help="The form to write.")] = _Target.onnx,
    int8: Annotated[
        bool, typer.Option("--int8", help="Quantise: a quarter of the size, faster on a CPU.")
    ] = False,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            help="A data set for int8 ranges (train) and temperatures and scores (valid)."
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="What the model is called; default: as its run.")] = "",
    out: Annotated[
        Path | None, typer.Option(help="The file to write; default NAME.onnx in the run folder.")
    ] = None,
) -> None:
    """Write a model file for ONNX Runtime: network, labels, input, calibration, scores and provenance in one."""
    assert to is _Target.onnx  # the one form so far; others join the enumeration
    if find_spec("torch") is None or find_spec("onnxscript") is None:
        raise MissingExtraError("train", "Exporting")
    from mien.data import open_dataset
    from mien.exporting.export import export_model
    from mien.models.weights import load_network

    _, info = load_network(run)
    name = name or info.name
    folder = run if run.is_dir() else run.parent
    path = out or folder / f"{name}.onnx"
    data = None if calibrate is None else open_dataset(calibrate, size=info.input.size)
    model = export_model(run, path, data=data, int8=int8, name=name)
    typer.echo(f"{path}: {path.stat().st_size / 1e6:.2f} MB, {'int8' if int8 else 'fp32'}")
    for head in model.info.heads:
        typer.echo(f"  {head.name}: {len(head.labels)} labels, temperature {head.temperature:.3f}")
    for protocol, scores in model.info.scores.items():
        typer.echo(
            f"  {protocol}: accuracy {scores['accuracy']:.2%}, macro-F1 {scores['macro_f1']:.3f}, "
            f"ECE-15 {scores['ece_15']:.3f} (n={scores['n']:,}, no views)"
        )
        unsure = scores["unsure"]
        typer.echo(
            f"    unsure below {unsure['below']:.3f}: answers {unsure['coverage']:.0%}, "
            f"of these right {unsure['accuracy']:.1%}"
        )
    if calibrate is None:
        typer.echo(
            "  not calibrated: give --calibrate PATH for confidences that mean something", err=True
        )
