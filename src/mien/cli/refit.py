"""`mien refit`: the last layer of a trained network, fitted again on the labels that it is scored by."""

from __future__ import annotations

import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.options import DeviceOption, check_device
from mien.cli.outputs import check_written_file
from mien.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from mien.exporting.refit import HeadRefit

__all__ = ["refit"]


def refit(  # noqa: PLR0913 - one an option
    model: Annotated[
        str,
        typer.Argument(
            help="A model of `mien models`, an .onnx file, a run folder, or its weights.safetensors."
        ),
    ],
    data: Annotated[Path, typer.Option(help="The data set that it was trained on.")],
    out: Annotated[
        Path,
        typer.Option(help="The file to write: .onnx of a model file, .safetensors of weights."),
    ],
    head: Annotated[
        list[str] | None,
        typer.Option(
            help="Fit this head only; may be given again. Default: all that the data can score."
        ),
    ] = None,
    penalty: Annotated[
        float, typer.Option(help="What a squared change of a weight costs: more keeps them nearer.")
    ] = 0.003,
    half: Annotated[
        bool, typer.Option("--half", help="Store weights at half precision, as mien export does.")
    ] = False,
    name: Annotated[str, typer.Option(help="What it is called; default: as before.")] = "",
    device: DeviceOption = "auto",
) -> None:
    """Fit the last layer of a trained network again, on the labels that it is scored by.

    Its weights are fitted on the training faces, then a factor and an offset for each class on the validation faces; the
    layers before it stay as they are. A model file is calibrated and scored again.
    """
    if find_spec("torch") is None or find_spec("onnx") is None:
        raise MissingExtraError("train", "Fitting again")
    from mien.cli.given_data import open_data
    from mien.cli.progress import faces_progress
    from mien.data.dataset import SPLITS
    from mien.exporting.refit import RefitOptions, refit_model, refit_weights
    from mien.modelfile import list_models, load_model
    from mien.models.weights import load_network, weights_file
    from mien.runtime import choose_device

    is_known = model in list_models() or not Path(model).exists()  # what is not there is said there
    is_file = is_known or Path(model).suffix == ".onnx"
    kind, wanted = ("a model file", ".onnx") if is_file else ("trained weights", ".safetensors")
    check_written_file(out, wanted, [weights_file(Path(model))], f"for {kind} ")
    if is_file and half:
        raise InputError(f"--half is for trained weights; {model} is a model file. Leave it out.")
    if is_file:
        check_device(device, model)
    choose_device(device)
    options = RefitOptions(heads=tuple(head or ()), penalty=penalty, device=device)
    opened = load_model(model) if is_file else None
    info = opened.info if opened else load_network(Path(model))[1]
    dataset = open_data(data, info.input.size)
    total = int((dataset.split != SPLITS.index("test")).sum())
    with faces_progress(total) as advance:
        if opened:
            _, gains = refit_model(
                opened, out, dataset, name=name, options=options, on_batch=advance
            )
        else:
            _, gains = refit_weights(
                Path(model),
                out,
                dataset,
                name=name,
                options=options,
                half=half,
                on_batch=advance,
            )
    for gain in gains:
        typer.echo(_told(gain))
    typer.echo(f"{out}: {out.stat().st_size / 1e6:.2f} MB")
    if not opened:
        named, given = shlex.quote(str(out)), shlex.quote(str(data))
        typer.echo(f"  calibrate it: mien export {named} --to onnx --calibrate {given}")


def _told(gain: HeadRefit) -> str:
    others = (
        ""
        if gain.on_others is None
        else f" ({gain.on_others:.2%} where these are fitted on other faces)"
    )
    return (
        f"{gain.protocol} (n={gain.num_valid:,}, with mirrored views): {gain.before:.2%} before, {gain.refitted:.2%} with new "
        f"weights, {gain.after:.2%} with offsets too{others}"
    )
