"""`mien export`: a trained network becomes a file, or a folder for the Hub, that runs without PyTorch."""

from __future__ import annotations

from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.outputs import check_written_file
from mien.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from mien.data.dataset import Dataset
    from mien.modelfile import Model

__all__ = ["export"]


class _Target(StrEnum):
    onnx = "onnx"
    weights = "weights"
    hub = "hub"


def export(  # noqa: PLR0913 - each option of the command is an argument
    run: Annotated[
        str,
        typer.Argument(
            help="A run folder, or its weights.safetensors; with --to hub or weights also a model that ships, or "
            "an ONNX file."
        ),
    ],
    folder: Annotated[
        Path | None, typer.Argument(help="With --to hub: the new folder to write.")
    ] = None,
    to: Annotated[_Target, typer.Option(help="The form to write.")] = _Target.onnx,
    int8: Annotated[
        bool, typer.Option("--int8", help="Quantise: a quarter of the size, faster on a CPU.")
    ] = False,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            help="A data set for int8 ranges and label frequencies (train), temperatures and scores (valid); "
            "where weights are taken out of a model file, for what its BN saw (train)."
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="What the model is called; default: as its run.")] = "",
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file to write; default NAME.onnx, or NAME.safetensors, in the run folder."
        ),
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="With --to hub: the folder of result rows for its README.")
    ] = None,
) -> None:
    """Write a model file for ONNX Runtime: network, labels, input, calibration, scores and provenance in one.

    With --to weights: the weights to train on from, at half precision; of a model file, as nearly as it tells them. With
    --to hub: a folder for the Hugging Face Hub, with weights, ONNX files, their description and the model card; nothing is
    uploaded.
    """
    if find_spec("torch") is None or find_spec("onnxscript") is None:
        raise MissingExtraError("train", "Exporting")
    if Path(name).name != name:
        raise ConfigError(
            f"--name {name} is a path; expected a name. Say where to write with --out."
        )
    if to is _Target.hub and (folder is None or out is not None):
        raise ConfigError("Name the folder to write: mien export RUN --to hub DIR")
    if to is not _Target.hub and folder is not None:
        raise ConfigError(f"A folder is for --to hub only; name a file with: --out {folder}")
    if to is _Target.weights:
        if int8:
            raise ConfigError("--int8 is for ONNX files; leave it out.")
        _to_weights(run, out, calibrate, name)
        return
    if folder is not None:
        model = _to_hub(run, folder, calibrate, int8=int8, name=name, results=results)
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            typer.echo(f"{path}: {path.stat().st_size / 1e6:.2f} MB")
    else:
        model = _to_onnx(Path(run), out, calibrate, int8=int8, name=name)
        typer.echo(
            f"{model.path}: {model.path.stat().st_size / 1e6:.2f} MB, {'int8' if int8 else 'fp32'}"
        )
    _describe(model)
    if calibrate is None and to is _Target.onnx:
        typer.echo(
            "  not calibrated: give --calibrate PATH for confidences that mean something", err=True
        )


def _to_onnx(
    run: Path, out: Path | None, calibrate: Path | None, *, int8: bool, name: str
) -> Model:
    from mien.exporting.export import export_model
    from mien.models.weights import load_network

    _, info = load_network(run)
    name = name or info.name
    path = out or (run if run.is_dir() else run.parent) / f"{name}.onnx"
    check_written_file(path, ".onnx", [])
    data = _opened(calibrate, info.input.size)
    return export_model(run, path, data=data, int8=int8, name=name)


def _to_weights(run: str, out: Path | None, calibrate: Path | None, name: str) -> None:
    from mien.exporting.export import export_weights
    from mien.modelfile import list_models
    from mien.models.weights import load_network, weights_file

    if run in list_models() or Path(run).suffix == ".onnx":
        _restored(run, out, calibrate, name)
        return
    if calibrate is not None:
        raise ConfigError("A run has its weights already: leave --calibrate out.")
    folder = Path(run)
    _, info = load_network(folder)
    named = f"{name or info.name}.safetensors"
    path = out or (folder if folder.is_dir() else folder.parent) / named
    check_written_file(path, ".safetensors", [weights_file(folder)])
    export_weights(folder, path, name=name)
    _say_weights(path)


def _restored(model_name: str, out: Path | None, calibrate: Path | None, name: str) -> None:
    from mien.data import open_dataset
    from mien.exporting.export import training_faces
    from mien.exporting.restore import restore_weights
    from mien.modelfile import load_model

    if calibrate is None:
        raise ConfigError(
            "A model file does not say what its BN saw: give --calibrate PATH of the data it was trained on."
        )
    model = load_model(model_name)
    path = out or Path(f"{name or model.info.name}.safetensors")
    check_written_file(path, ".safetensors", [])
    data = open_dataset(calibrate, size=model.info.input.size)
    _, same = restore_weights(model, path, training_faces(data, model.info.input), name=name)
    _say_weights(path)
    typer.echo(
        f"  same answer as {model.path.name} on {same:.1%} of the faces that it was calibrated with"
    )


def _say_weights(path: Path) -> None:
    typer.echo(f"{path}: {path.stat().st_size / 1e6:.2f} MB, fp16")
    typer.echo(f"  train on from it: mien train recipes/finetune.toml -o init={path}")


def _to_hub(
    run: str, folder: Path, calibrate: Path | None, *, int8: bool, name: str, results: Path | None
) -> Model:
    from mien.exporting.hub import input_size, write_hub_folder

    if results is not None and not results.is_dir():
        raise ConfigError(
            f"There is no folder {results}; expected one with rows from mien evaluate --json."
        )

    data = None if calibrate is None else _opened(calibrate, input_size(run))
    return write_hub_folder(run, folder, data=data, int8=int8, name=name, results=results)


def _opened(calibrate: Path | None, size: int) -> Dataset | None:
    from mien.data import open_dataset

    return None if calibrate is None else open_dataset(calibrate, size=size)


def _describe(model: Model) -> None:
    for head in model.info.heads:
        typer.echo(f"  {head.name}: {len(head.labels)} labels, temperature {head.temperature:.3f}")
    for protocol, scores in model.info.scores.items():
        typer.echo(
            f"  {protocol}: accuracy {scores['accuracy']:.2%}, macro-F1 {scores['macro_f1']:.3f}, "
            f"ECE-15 {scores['ece_15']:.3f} (n={scores['n']:,}, no views)"
        )
        unsure = scores["unsure"]
        below = ", ".join(f"{label} {value:.2f}" for label, value in unsure["below"].items())
        typer.echo(f"    unsure below {below}")
        typer.echo(
            f"    so it answers {unsure['coverage']:.0%}, of these right {unsure['accuracy']:.1%}"
        )
